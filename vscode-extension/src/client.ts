/** The one server process: started, stopped and restarted one step at a time. */
import { type ChildProcess, spawn } from 'node:child_process';
import { type Disposable, type LogOutputChannel, type Uri } from 'vscode';
import {
  LanguageClient,
  type LanguageClientOptions,
  RevealOutputChannelOn,
  State,
  WorkDoneProgressCancelNotification,
} from 'vscode-languageclient/node';
import { type Launch, type Resolution, resolveLaunch } from './launch';
import { LANGUAGE, STATUS_NOTIFICATION } from './names';
import { pythonEnvironment } from './probe';
import { CancellableProgress } from './progress';
import { readSettings, type ServerSettings } from './settings';
import type { Status } from './status';
import type { ForwardState } from './statusView';

/** A server that has not answered `initialize` by then is killed, so that a restart is not blocked for ever. */
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 3_000;

export class Server implements Disposable {
  private client: LanguageClient | undefined;
  private running: Launch | undefined;
  /** Steps run one after the other: a start never meets a stop half way. */
  private queue: Promise<void> = Promise.resolve();
  private restartQueued = false;

  constructor(
    private readonly where: { readonly extension: Uri; readonly storage: Uri },
    private readonly log: LogOutputChannel,
    private readonly status: Status,
    /** Told when no server could be started; `choice` is absent when no Python was looked for. */
    private readonly onFailure: (failure: Extract<Resolution, { failure: string }>) => void,
  ) {}

  /** Stops the server, if there is one, and starts it with the settings of now. Restarts asked for meanwhile are one. */
  restart(reason: string): Promise<void> {
    if (this.restartQueued) return this.queue;
    this.restartQueued = true;
    return this.step(async () => {
      this.restartQueued = false;
      this.log.info(`starting the server: ${reason}`);
      await this.stopNow();
      await this.startNow();
    });
  }

  /** Restarts only if another command would be started than the one that runs. */
  restartIfChanged(reason: string): Promise<void> {
    return this.step(async () => {
      const resolution = await resolveLaunch(readSettings(), this.where, this.log);
      if ('launch' in resolution && this.running && same(resolution.launch, this.running)) return;
      this.log.info(`starting the server: ${reason}`);
      await this.stopNow();
      await this.startNow(resolution);
    });
  }

  stop(): Promise<void> {
    return this.step(() => this.stopNow());
  }

  /** Executes a command of the server; rejects when none is running. */
  async execute(command: string, ...args: unknown[]): Promise<unknown> {
    await this.queue;
    if (this.client?.state !== State.Running) throw new Error('The prototxt server is not running.');
    return this.client.sendRequest('workspace/executeCommand', { command, arguments: args });
  }

  dispose(): void {
    void this.stop();
  }

  private step(work: () => Promise<void>): Promise<void> {
    this.queue = this.queue.then(work).catch((error: unknown) => this.log.error(String(error)));
    return this.queue;
  }

  private async startNow(resolved?: Resolution): Promise<void> {
    this.status.show({ kind: 'starting' });
    const settings = readSettings();
    const resolution = resolved ?? (await resolveLaunch(settings, this.where, this.log));
    if ('failure' in resolution) return this.fail(resolution);

    const { launch } = resolution;
    this.log.info(`server: ${[launch.command, ...launch.args].join(' ')}`);
    let child: ChildProcess | undefined;
    const progress = new CancellableProgress((token) => client.sendNotification(WorkDoneProgressCancelNotification.type, { token }));
    const client: LanguageClient = new LanguageClient(
      LANGUAGE, // also the prefix of the setting prototxt.trace.server
      'Prototxt',
      () => startProcess(launch, (started) => (child = started)),
      clientOptions(this.log, settings.server, progress),
    );
    client.onDidChangeState(({ newState }) => {
      if (newState === State.Stopped) progress.endAll();
      if (this.client !== client) return;
      if (newState === State.Running) this.status.show({ kind: 'ready', server: launch.description });
      if (newState === State.Starting) this.status.show({ kind: 'starting' });
      if (newState === State.Stopped) this.status.show({ kind: 'stopped' });
    });
    client.onNotification(STATUS_NOTIFICATION, (forward: ForwardState) => this.status.showForward(forward));
    this.client = client;
    const timer = setTimeout(() => child?.kill('SIGKILL'), START_TIMEOUT_MS);
    try {
      await client.start();
      this.running = launch;
      this.log.info('server started');
    } catch (error) {
      this.client = undefined;
      await client.dispose().catch(() => undefined); // it never ran: nothing of it is left to lose
      this.fail({ failure: `The prototxt server did not start: ${error instanceof Error ? error.message : error}` });
    } finally {
      clearTimeout(timer);
    }
  }

  private fail(failure: Extract<Resolution, { failure: string }>): void {
    this.log.error(failure.failure);
    this.status.show({ kind: 'failed', message: failure.failure });
    this.onFailure(failure);
  }

  private async stopNow(): Promise<void> {
    const client = this.client;
    this.client = undefined;
    this.running = undefined;
    if (!client) return;
    try {
      await client.dispose(STOP_TIMEOUT_MS);
    } catch (error) {
      // It crashed, or hangs: the client ends the process itself after its time is over.
      this.log.warn(`while stopping: ${error}`);
    }
    this.status.show({ kind: 'stopped' });
  }
}

function clientOptions(log: LogOutputChannel, settings: ServerSettings, progress: CancellableProgress): LanguageClientOptions {
  return {
    documentSelector: [
      { scheme: 'file', language: LANGUAGE },
      { scheme: 'untitled', language: LANGUAGE },
    ],
    outputChannel: log,
    revealOutputChannelOn: RevealOutputChannelOn.Never,
    initializationOptions: { settings },
    middleware: { handleWorkDoneProgress: (token, params, next) => progress.handle(token, params, next) },
  };
}

function startProcess(launch: Launch, started: (child: ChildProcess) => void): Promise<ChildProcess> {
  return new Promise((resolve, reject) => {
    const child = spawn(launch.command, launch.args, { env: pythonEnvironment(), windowsHide: true });
    started(child);
    child.once('spawn', () => resolve(child));
    child.once('error', reject);
  });
}

function same(a: Launch, b: Launch): boolean {
  return a.command === b.command && a.args.join('\0') === b.args.join('\0');
}
