// Which Python is taken, and what a user is told when none will do.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe } from 'node:test';
import { basePython, CHANNEL, env, notified, openNet, SERVER, story } from './editor.mjs';
import { packagePythonExtension } from './python-extension.mjs';
import { until } from './vscode-driver.mjs';

const buttons = (v) => v.page.locator('.notifications-toasts .monaco-button:not(.monaco-dropdown-button)');

describe('nothing to start', { skip: env.missing }, () => {
  story('nothing', { python: '${workspaceFolder}/venv/bin/python' }, [
    ['no Python where the setting says: the message names the place', async (v) => {
      await v.open('net.prototxt');
      assert.match(await notified(v, /No Python here can check/), /nets\/venv\/bin\/python not found/);
      assert.deepEqual(await buttons(v).allInnerTexts(), ['Get Python', 'Open Settings', 'Show Log']);
      assert.match(await v.languageStatus(), /not running/);
      assert.deepEqual(v.processes(SERVER), []);
    }],
    ['the setting is one click away', async (v) => {
      await buttons(v).filter({ hasText: 'Open Settings' }).click();
      await v.page.locator('.settings-editor .setting-item-label', { hasText: 'Interpreter' }).waitFor();
    }],
    ['a command that is no server: one message says what it said', async (v) => {
      await v.command('View: Close Editor');
      v.setMachine({ 'prototxt.server.path': '/usr/bin/yes' });
      await notified(v, /did not start: .*--help/);
      assert.equal((await v.notifications()).length, 1);
      assert.deepEqual(await buttons(v).allInnerTexts(), ['Open Settings', 'Show Log']);
    }],
    ['a Python without the server: the message offers to install it', async (v) => {
      await v.command('Notifications: Clear All Notifications');
      v.setMachine({ 'prototxt.interpreter': basePython() });
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

describe('the Python extension is there', { skip: env.missing }, () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'python-extension-'));
  after(() => fs.rmSync(folder, { recursive: true }));
  // Two names of one interpreter: both can run the server.
  const other = path.join(path.dirname(env.python), 'python3');
  const chosen = (v, python) =>
    until(() => v.log(CHANNEL).includes(`server: ${python} -m`), { timeout: 30000, what: `a server run by ${python}` });

  story('python-extension', () => ({ python: null, vsix: [packagePythonExtension(folder, [env.python, other], env.extension)] }), [
    ['its interpreter runs the server', async (v) => {
      await openNet(v);
      await chosen(v, env.python);
      assert.match(v.log(CHANNEL), /\(the Python extension\): Python 3/);
    }],
    ['another choice there starts the server again', async (v) => {
      await v.command('Stand-in: Choose the Other Interpreter');
      await chosen(v, other);
      await until(() => v.processes(SERVER).length === 1, { what: 'one server' });
    }],
  ]);
});
