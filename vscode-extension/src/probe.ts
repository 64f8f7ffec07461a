/** Runs a Python to ask it for its facts. */
import { execFile } from 'node:child_process';
import { type Facts, parseFacts, PROBE_SCRIPT } from './interpreter';

const PROBE_TIMEOUT_MS = 20_000;

/**
 * The environment of every Python that is started here. PYTHONSAFEPATH keeps the current folder out of sys.path:
 * a `json.py` beside somebody's net must not run because the net was opened.
 */
export function pythonEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, PYTHONSAFEPATH: '1', PYTHONUTF8: '1' };
}

/** `cwd` is a folder without modules: PYTHONSAFEPATH is unknown to Python before 3.11. */
export function probeIn(cwd: string): (command: readonly [string, ...string[]]) => Promise<Facts> {
  return ([program, ...leading]) =>
    new Promise((resolve, reject) => {
      const options = { cwd, env: pythonEnvironment(), timeout: PROBE_TIMEOUT_MS, windowsHide: true };
      execFile(program, [...leading, '-c', PROBE_SCRIPT], options, (error, stdout, stderr) => {
        if (error) {
          const code = (error as NodeJS.ErrnoException).code;
          const said = stderr.trim().split('\n').at(-1);
          return reject(new Error(code === 'ENOENT' ? 'not found' : said || error.message));
        }
        try {
          resolve(parseFacts(stdout));
        } catch {
          reject(new Error('did not answer as a Python does'));
        }
      });
    });
}
