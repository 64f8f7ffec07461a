// A net whose gamma starts at zero: seen, explained, run, repaired and run again. One window, in this order.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { env, lens, lineOf, openNet, shows, showsNo, story } from './editor.mjs';
import { until } from './vscode-driver.mjs';

const LAYER = '"bnorm1"';

describe('a net in VS Code', { skip: env.missing }, () => {
  story('net', {}, [
    ['the layer whose gamma starts at zero is underlined', async (v) => {
      await openNet(v);
      assert.equal(await v.language(), 'Prototxt');
    }],
    ['shapes stand beside the tops', async (v) => {
      await until(async () => /top: "conv1".*16x32x32x32/.test(await v.text()), { what: 'an inlay hint' });
    }],
    ['hover says what the finding is', async (v) => assert.match(await v.hover(LAYER), /gamma starts at 0[^]*BN031/)],
    ['hover explains the layer', async (v) => {
      await v.page.keyboard.press('Escape');
      assert.match(await v.hover('"BatchNorm"'), /bnorm1[^]*16x32x32x32/);
    }],
    ['hover explains a field', async (v) => {
      await v.page.keyboard.press('Escape');
      assert.match(await v.hover('use_global_stats'), /use_global_stats[^]*bool/);
    }],
    ['the problems name rule and line', async (v) => {
      await v.page.keyboard.press('Escape');
      assert.match(await shows(v, /BN031/), new RegExp(`gamma starts at 0.*Ln ${lineOf(LAYER)}`));
    }],
    ['one batch from the palette flags the layer', async (v) => {
      await v.command('Prototxt: Run One-Batch Forward');
      assert.match(await shows(v, /DYN003/), /bnorm1/);
    }],
    ['the lens above the net says what the batch said', async (v) => {
      await v.goto(4);
      await lens(v, /Last batch: 1 finding on cpu/).waitFor();
      await lens(v, /nvidia-0\.15, TRAIN and TEST: \d+ layers/).waitFor();
    }],
    ['the numbers of the batch stand beside the shapes', async (v) => {
      await v.goto(lineOf('"bnorm1"'));
      await until(async () => /16x32x32x32 · mean \|x\| 0/.test(await v.text()), { what: 'mean |x| behind a shape' });
    }],
    ['the status item names the device', async (v) => assert.match(await v.languageStatus(), /ready \((cpu|cuda)/)],
    ['the lightbulb offers fix, ignore and forward', async (v) => {
      await v.goto(lineOf(LAYER));
      await v.clickWord(LAYER);
      await v.lightbulb().waitFor();
      const all = (await v.quickFixes()).join('\n');
      for (const expected of [/Start gamma at 1/, /Ignore BN031 for this layer/, /Run one-batch forward/]) assert.match(all, expected);
      await v.shot('net-menu');
      await v.page.keyboard.press('Escape');
      await v.quickFixClosed();
    }],
    ['the quick fix starts gamma at 1 and the edit takes the run\'s findings away', async (v) => {
      await v.applyQuickFix('Start gamma at 1');
      await showsNo(v, /BN031|DYN/);
    }],
    ['the repaired net runs from the lightbulb without that finding', async (v) => {
      await v.clickWord(LAYER);
      const run = () => v.languageStatus().then((text) => text.replace(/^.*running.*$/s, ''));
      const last = await run();
      await v.applyQuickFix('Run one-batch forward');
      await until(async () => ![last, ''].includes(await run()), { timeout: 30000, what: 'the status of another run' });
      await showsNo(v, /DYN00[23]/);
    }],
    ['the saved file has the fix', async (v) => {
      await v.save();
      await until(() => /scale_filler\s*\{[^}]*value: 1/.test(v.read('net.prototxt')), { what: 'the fix on disk' });
    }],
    ['a wrong field is underlined while typing', async (v) => {
      await v.goto(lineOf(LAYER));
      await v.page.keyboard.press('End');
      await v.page.keyboard.insertText(' typo: 1');
      await shows(v, /typo/);
      for (let i = 0; i < 3; i++) await v.page.keyboard.press('Control+Z'); // one takes back a word
      await showsNo(v, /typo/);
    }],
    ['a field proposes itself and then its values', async (v) => {
      const proposed = (text) => v.page.locator('.suggest-widget.visible .monaco-list-row').filter({ hasText: text }).first().waitFor();
      await v.goto(lineOf(LAYER));
      await v.page.keyboard.press('End');
      await v.page.keyboard.type(' phas');
      await proposed('phase');
      await v.page.keyboard.press('Enter');
      await proposed('TRAIN');
      await v.page.keyboard.press('Escape');
    }],
    ['no other host was asked', (v) => assert.deepEqual([...v.foreign], [])],
  ]);
});
