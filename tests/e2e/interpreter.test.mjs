// Which Python is taken, and what a user is told when none will do.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { basePython, env, notified, openNet, SERVER, story } from './editor.mjs';
import { until } from './vscode-driver.mjs';

const buttons = (v) => v.page.locator('.notifications-toasts .monaco-button:not(.monaco-dropdown-button)');

describe('no Python where the setting says', { skip: env.missing }, () => {
  story('no-python', { python: '${workspaceFolder}/venv/bin/python' }, [
    ['the message names the place and offers ways out', async (v) => {
      await v.open('net.prototxt');
      assert.match(await notified(v, /No Python here can check/), /ws\/venv\/bin\/python not found/);
      assert.deepEqual(await buttons(v).allInnerTexts(), ['Get Python', 'Open Settings', 'Show Log']);
      assert.match(await v.languageStatus(), /not running/);
      assert.deepEqual(v.processes(SERVER), []);
    }],
    ['the setting is one click away', async (v) => {
      await buttons(v).filter({ hasText: 'Open Settings' }).click();
      await v.page.locator('.settings-editor').waitFor();
    }],
  ]);
});

describe('the server is not installed', { skip: env.missing }, () => {
  story('install', () => ({ python: basePython() }), [
    ['the message offers to install it', async (v) => {
      await v.open('net.prototxt');
      assert.match(await notified(v, /No Python here/), /without prototxt-lsp/);
      assert.equal((await buttons(v).allInnerTexts())[0], 'Install Server');
    }],
    ['the button installs and starts it', async (v) => {
      await buttons(v).filter({ hasText: 'Install Server' }).click();
      await until(() => v.processes(SERVER).length === 1, { timeout: 240000, every: 500, what: 'the installed server' });
      await openNet(v);
    }],
  ]);
});
