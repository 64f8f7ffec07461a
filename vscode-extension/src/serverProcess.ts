/** The operating system's side of a server: how it is spawned, and what it said last when it failed. */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Launch } from './launch';
import { pythonEnvironment } from './probe';

const REMEMBERED = 2000; // characters of stderr

export class ServerProcess {
  private said = '';
  /** It has ended and its pipes are empty. */
  private readonly closed: Promise<void>;

  private constructor(readonly child: ChildProcess) {
    this.closed = new Promise((resolve) => child.once('close', () => resolve()));
    child.stderr?.on('data', (chunk: Buffer) => (this.said = (this.said + chunk.toString('utf8')).slice(-REMEMBERED)));
  }

  /** Rejects when the program cannot be started at all. */
  static spawn(launch: Launch): Promise<ServerProcess> {
    return new Promise((resolve, reject) => {
      const child = spawn(launch.command, launch.args, { env: pythonEnvironment(), windowsHide: true });
      const process = new ServerProcess(child);
      child.once('spawn', () => resolve(process));
      child.once('error', (error: NodeJS.ErrnoException) =>
        reject(error.code === 'ENOENT' ? new Error(`${launch.command} was not found`) : error),
      );
      // A server that ends at once breaks the pipe under the client's first message; the client reports that itself.
      child.stdin?.on('error', () => undefined);
    });
  }

  /** Ends it. Resolves to the last line of its stderr, where a traceback names its exception; empty: it said nothing. */
  async end(): Promise<string> {
    this.kill();
    await this.closed;
    return this.said.trim().split('\n').at(-1)?.trim() ?? '';
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }
}
