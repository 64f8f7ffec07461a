// The server process: killed, restarted, and gone with the editor.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { CHANNEL, env, lens, NET, notified, openNet, SERVER, shows, story, WORKER } from './editor.mjs';
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

/** Long enough to be cancelled: 24 convolutions of 64 channels on maps of 256 x 256. */
const SLOW = [
  'layer { name: "data" type: "Input" top: "b0" input_param { shape { dim: 4 dim: 64 dim: 256 dim: 256 } } }',
  ...Array.from({ length: 24 }, (_, i) =>
    `layer { name: "c${i}" type: "Convolution" bottom: "b${i}" top: "b${i + 1}" ` +
    'convolution_param { num_output: 64 kernel_size: 3 pad: 1 weight_filler { type: "msra" } } }'),
].join('\n');

describe('the server process', { skip: env.missing }, () => {
  let pid, worker;
  story('lifecycle', { files: { 'net.prototxt': NET, 'slow.prototxt': SLOW } }, [
    ['one server runs', async (v) => {
      await openNet(v);
      const all = v.processes(SERVER);
      assert.equal(all.length, 1);
      [pid] = all;
    }],
    ['the log says which Python runs', (v) =>
      assert.match(v.log(CHANNEL), /interpreter: .*\(the setting prototxt\.interpreter\): Python 3\./)],
    ['a long run can be cancelled', async (v) => {
      await v.open('slow.prototxt');
      await v.command('Prototxt: Run One-Batch Forward');
      await v.page.locator('.notifications-toasts .monaco-button', { hasText: 'Cancel' }).click();
      await until(async () => /ready[^]*cancelled/.test(await v.languageStatus()), { timeout: 30000, what: 'the status "cancelled"' });
      assert.deepEqual(await v.notifications(), []);
    }],
    ['a run from the lens whose process dies says so', async (v) => {
      await v.goto(1);
      await lens(v, /Run one batch/).click();
      await until(() => v.processes(WORKER).length === 1, { what: 'a worker' });
      await v.page.locator('.notifications-toasts .monaco-button', { hasText: 'Cancel' }).waitFor();
      for (const pid of v.processes(WORKER)) process.kill(pid, 'SIGKILL');
      await notified(v, /One-batch forward: /);
      await v.open('net.prototxt');
    }],
    ['one batch runs in a process of its own', async (v) => {
      await v.command('Prototxt: Run One-Batch Forward');
      await shows(v, /DYN003/);
      const all = v.processes(WORKER);
      assert.equal(all.length, 1);
      [worker] = all;
    }],
    ['a killed server is replaced and knows the open file', async (v) => {
      process.kill(pid, 'SIGKILL');
      pid = await another(v, pid);
      await until(() => !alive(worker), { timeout: 10000, what: 'no orphan worker' });
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
      await v.command('Prototxt: Run One-Batch Forward');
      await until(() => v.processes(WORKER).length === 1, { what: 'a worker' });
      const left = v.processes('prototxt_');
      assert.ok(left.includes(pid));
      await v.close();
      await until(() => !left.some(alive), { timeout: 10000, what: 'no orphan server' });
    }],
  ]);
});
