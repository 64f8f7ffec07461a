// A training log beside its net: the first bad line, what it means, and the way to the layer.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe } from 'node:test';
import { env, lineOf, NET, ROOT, shows, story } from './editor.mjs';

const LOG = fs.readFileSync(path.join(ROOT, 'examples/bn_zero_gamma.log'), 'utf8');
const BAD = 'Layer bnorm1, top blob conv1';

describe('a training log in VS Code', { skip: env.missing }, () => {
  story('log', { files: { 'net.prototxt': NET, 'train.caffelog': LOG } }, [
    ['the line where it goes wrong is underlined', async (v) => {
      await v.open('train.caffelog');
      assert.equal(await v.language(), 'Caffe training log');
      await v.goto(lineOf(BAD, LOG));
      await v.squiggles('error').first().waitFor({ timeout: 30000 });
    }],
    ['the problems name the cause', async (v) => assert.match(await shows(v, /DYN003/), /bnorm1/)],
    ['hover says what a line means', async (v) => assert.match(await v.hover('bnorm1'), /mean/)],
    ['go to definition leads to the layer in the net', async (v) => {
      await v.page.keyboard.press('Escape');
      await v.goto(lineOf(BAD, LOG));
      await v.clickWord('bnorm1');
      await v.page.keyboard.press('F12');
      await v.page.locator('.tab.active[data-resource-name="net.prototxt"]').waitFor();
      await v.page.locator('[id="status.editor.selection"]', { hasText: `Ln ${lineOf('"bnorm1"')},` }).waitFor();
    }],
  ]);
});
