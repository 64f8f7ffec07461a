/** Asks the Python of this machine. */
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { probeIn } from '../src/probe';

const PYTHON = process.env['PYTHON'] ?? 'python3';

describe('asking a Python', () => {
  let folder: string;
  before(() => (folder = fs.mkdtempSync(path.join(os.tmpdir(), 'probe-'))));
  after(() => fs.rmSync(folder, { recursive: true }));

  test('its version', async () => {
    const facts = await probeIn(folder)([PYTHON]);
    assert.equal(facts.version.length, 3);
    assert.ok(facts.version[0] >= 2);
  });
  test('a program that is not there', async () => {
    await assert.rejects(probeIn(folder)(['no-such-python']), /not found/);
  });
  test('a program that is no Python', async () => {
    await assert.rejects(probeIn(folder)(['echo']), /did not answer as a Python does/);
  });
  test('a program that fails says its last line', async () => {
    const script = path.join(folder, 'broken');
    fs.writeFileSync(script, '#!/bin/sh\necho starting >&2\necho "cannot load libpython" >&2\nexit 3\n', { mode: 0o755 });
    await assert.rejects(probeIn(folder)([script]), /^Error: cannot load libpython$/);
  });
  test('modules of the current folder are not imported', async () => {
    fs.writeFileSync(path.join(folder, 'prototxt_server.py'), '__version__ = "planted"\n');
    const facts = await probeIn(folder)([PYTHON]);
    assert.notEqual(facts.server, 'planted');
  });
});
