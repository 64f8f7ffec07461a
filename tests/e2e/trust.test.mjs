// A folder that is not trusted: colours, but no Python; then trust is granted.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { env, openNet, SERVER, story } from './editor.mjs';
import { until } from './vscode-driver.mjs';

describe('workspace trust', { skip: env.missing }, () => {
  story('trust', { trust: 'ask' }, [
    ['refused', async (v) => {
      const dialog = v.page.locator('.monaco-dialog-box:visible');
      await dialog.waitFor();
      await dialog.locator('.monaco-button', { hasText: /^No/ }).click();
      await dialog.waitFor({ state: 'hidden' });
    }],
    ['the net has its language and nothing runs', async (v) => {
      await v.open('net.prototxt');
      await until(async () => await v.language() === 'Prototxt', { what: 'the language' });
      assert.match(await v.languageStatus(), /Trust this folder/);
      assert.deepEqual(v.processes('prototxt_server'), []);
      assert.equal(await v.squiggles('error').count(), 0);
    }],
    ['trust starts the server', async (v) => {
      await v.command('Workspaces: Manage Workspace Trust');
      await v.page.locator('.workspace-trust-editor .monaco-button', { hasText: /^Trust$/ }).first().click();
      await v.page.locator('.tab[data-resource-name="net.prototxt"]').click();
      await openNet(v);
      assert.equal(v.processes(SERVER).length, 1);
    }],
  ]);
});
