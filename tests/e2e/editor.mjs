// What all editor tests share: a window with the extension, a picture of each step and of each failure.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { VSCode, environment, until } from './vscode-driver.mjs';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const env = environment();
export const CHANNEL = 'Prototxt';
/** Found in the command line of the server and of nothing else in a window. */
export const SERVER = 'prototxt_server serve';
export const WORKER = 'prototxt_gpu_check';

/** The net of the tests: gamma starts at zero, so that all layers from bnorm1 on put out zeros. */
export const NET = fs.readFileSync(path.join(ROOT, 'examples/bn_zero_gamma.prototxt'), 'utf8');
/** Number of the first line that has `part`, from 1. */
export function lineOf(part, text = NET) {
  const index = text.split('\n').findIndex((line) => line.includes(part));
  if (index < 0) throw new Error(`${part} is not in the text`);
  return index + 1;
}

/** The Python that made the virtual environment of `env.python`: it has pip and venv, but not the server. */
export function basePython() {
  return execFileSync(env.python, ['-c', 'import sys; print(sys._base_executable)'], { encoding: 'utf8' }).trim();
}

/** A window with NET in net.prototxt; `python` is the setting prototxt.interpreter, null leaves it empty. */
export function launch({ python = env.python, machineSettings = {}, vsix = [], ...rest } = {}) {
  const interpreter = python === null ? {} : { 'prototxt.interpreter': python };
  const files = { 'net.prototxt': NET };
  return VSCode.launch({ ...env, files, vsix: [...vsix, env.vsix], machineSettings: { ...interpreter, ...machineSettings }, ...rest });
}

/**
 * Steps of one window, in their order; a step that fails skips those after it. Each leaves a picture,
 * NAME-NN-step.png, a failed one NAME-NN-FAILED-step.png, unless it closed the window.
 */
export function story(name, options, steps) {
  let v, number = 0, broken = false;
  before(async () => { v = await launch(typeof options === 'function' ? options() : options); });
  after(() => v?.close());
  for (const [title, step] of steps) {
    test(title, async (t) => {
      if (broken) return t.skip('a step before it failed');
      const at = `${name}-${String(++number).padStart(2, '0')}`, slug = title.replace(/[^a-z0-9]+/gi, '-').toLowerCase();
      const picture = (mark) => v.shot(`${at}-${mark}${slug}`).catch(() => {});
      try {
        await step(v);
        await picture('');
      } catch (error) {
        broken = true;
        await picture('FAILED-');
        console.log(`--- log of the extension, when "${title}" failed ---\n${v.log(CHANNEL).slice(-4000)}`);
        throw error;
      }
    });
  }
}

/** Opens the net and waits for an error under the line; brings that line into view. */
export async function openNet(v, line = lineOf('"BatchNorm"')) {
  await v.open('net.prototxt');
  await v.goto(line);
  await v.squiggles('error').first().waitFor({ timeout: 30000 });
}

/** A lens above the text. */
export const lens = (v, pattern) => v.page.locator('.codelens-decoration a, .codelens-decoration span').filter({ hasText: pattern }).first();

export const shows = (v, pattern) =>
  until(async () => (await v.problems()).find((row) => pattern.test(row)), { timeout: 30000, what: `the problem ${pattern}` });
export const showsNo = (v, pattern) =>
  until(async () => !(await v.problems()).some((row) => pattern.test(row)), { timeout: 30000, what: `no problem ${pattern}` });
export const notified = (v, pattern) =>
  until(async () => (await v.notifications()).find((text) => pattern.test(text)), { timeout: 30000, what: `the notification ${pattern}` });
