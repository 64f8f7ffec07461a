// The server process: killed, restarted, and gone with the editor.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { CHANNEL, env, openNet, SERVER, story } from './editor.mjs';
import { alive, until } from './vscode-driver.mjs';

const count = (v, words) => v.log(CHANNEL).split(words).length - 1;
/** The one server process, when it is another than `than`. */
const another = (v, than) => until(() => {
  const now = v.processes(SERVER);
  return now.length === 1 && now[0] !== than && now[0];
}, { timeout: 30000, what: 'another server' });
const answers = async (v) => {
  assert.match(await v.hover('"BatchNorm"'), /BatchNorm/);
  await v.page.keyboard.press('Escape');
};

describe('the server process', { skip: env.missing }, () => {
  let pid;
  story('lifecycle', {}, [
    ['one server runs', async (v) => {
      await openNet(v);
      const all = v.processes(SERVER);
      assert.equal(all.length, 1);
      [pid] = all;
    }],
    ['the log says which Python runs', (v) =>
      assert.match(v.log(CHANNEL), /interpreter: .*\(the setting prototxt\.interpreter\): Python 3\./)],
    ['a killed server is replaced and knows the open file', async (v) => {
      process.kill(pid, 'SIGKILL');
      pid = await another(v, pid);
      await v.squiggles('error').first().waitFor();
      await answers(v);
    }],
    ['the restart command replaces it', async (v) => {
      await v.command('Prototxt: Restart Server');
      pid = await another(v, pid);
      await answers(v);
    }],
    ['three restarts in a row leave one server', async (v) => {
      for (let i = 0; i < 3; i++) await v.command('Prototxt: Restart Server');
      const begun = () => count(v, 'starting the server:'), done = () => count(v, 'server started');
      await until(() => begun() === done(), { what: 'all starts to be done' });
      pid = await another(v, pid);
      await answers(v);
    }],
    ['it ends with the editor', async (v) => {
      const left = v.processes('prototxt_server');
      assert.ok(left.includes(pid));
      await v.close();
      await until(() => !left.some(alive), { timeout: 10000, what: 'no orphan server' });
    }],
  ]);
});
