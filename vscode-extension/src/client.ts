/** The one server process: started, stopped and restarted one step at a time. */
import type { ChildProcess } from 'node:child_process';
import type { CompletionItem, LogOutputChannel } from 'vscode';
import {
  CloseAction,
  ErrorAction,
  type ErrorHandler,
  LanguageClient,
  type LanguageClientOptions,
  RevealOutputChannelOn,
  State,
  WorkDoneProgressCancelNotification,
} from 'vscode-languageclient/node';
import { sayForwardFailed } from './commands';
import { Crashes } from './crashes';
import { type Launch, type Place, type Resolution, resolveLaunch } from './launch';
import { LANGUAGE, LOG_LANGUAGE, SERVER_RUN_FORWARD, STATUS_NOTIFICATION } from './names';
import { CancellableProgress } from './progress';
import { ServerProcess } from './serverProcess';
import { readSettings, type ServerSettings } from './settings';
import type { Status } from './status';
import type { ForwardState } from './statusView';

/** A server that has not answered `initialize` by then is killed, so that a restart is not blocked for ever. */
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 3_000;

export class Server {
  private client: LanguageClient | undefined;
  private running: Launch | undefined;
  /** Steps run one after the other: a start never meets a stop half way. */
  private queue: Promise<void> = Promise.resolve();
  private restartQueued = false;

  constructor(
    private readonly where: Place,
    private readonly log: LogOutputChannel,
    private readonly status: Status,
    /** Told when no server could be started; `choice` is absent when no Python was looked for. */
    private readonly onFailure: (failure: Extract<Resolution, { failure: string }>) => void,
    private readonly onOutdated: () => void,
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
    let process: ServerProcess | undefined;
    const timer = setTimeout(() => process?.kill(), START_TIMEOUT_MS);
    const client = this.makeClient(launch, settings.server, async () => (process = await ServerProcess.spawn(launch)).child);
    this.client = client;
    try {
      await client.start();
      this.running = launch;
      this.log.info('server started');
      if (launch.outdated) this.onOutdated();
    } catch (error) {
      this.client = undefined;
      await client.dispose().catch(() => undefined); // it never ran: nothing of it is left to lose
      const reason = (await process?.end()) || (error instanceof Error ? error.message : String(error));
      this.fail({ failure: `The prototxt server did not start: ${reason}` });
    } finally {
      clearTimeout(timer);
    }
  }

  private makeClient(launch: Launch, settings: ServerSettings, spawn: () => Promise<ChildProcess>): LanguageClient {
    const progress = new CancellableProgress((token) => client.sendNotification(WorkDoneProgressCancelNotification.type, { token }));
    const options = clientOptions(this.log, settings, progress);
    options.errorHandler = this.errorHandler(() => this.client === client && this.running === launch);
    // LANGUAGE is also the prefix of the setting prototxt.trace.server.
    const client: LanguageClient = new QuietClient(LANGUAGE, 'Prototxt', spawn, options);
    client.onDidChangeState(({ newState }) => {
      if (newState === State.Stopped) progress.endAll();
      if (this.client !== client) return;
      if (newState === State.Running) this.status.show({ kind: 'ready', server: launch.description });
      if (newState === State.Starting) this.status.show({ kind: 'starting' });
      if (newState === State.Stopped) this.status.show({ kind: 'stopped' });
    });
    client.onNotification(STATUS_NOTIFICATION, (forward: ForwardState) => this.status.showForward(forward));
    return client;
  }

  /** One message for a server that keeps crashing, none for a start that failed: `startNow` reports that. */
  private errorHandler(ran: () => boolean): ErrorHandler {
    const crashes = new Crashes();
    return {
      error: () => ({ action: ErrorAction.Continue, handled: true }), // a broken connection is closed next
      closed: () => {
        if (!ran()) return { action: CloseAction.DoNotRestart, handled: true };
        if (crashes.startAgain(Date.now())) return { action: CloseAction.Restart, handled: true };
        this.fail({ failure: 'The prototxt server ended five times within three minutes and is not started again.' });
        return { action: CloseAction.DoNotRestart, handled: true };
      },
    };
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

/** Logs its troubles and leaves it to Server to tell the user, once and with a way out. */
class QuietClient extends LanguageClient {
  override error(message: string, data?: unknown): void {
    super.error(message, data, false);
  }
}

function clientOptions(log: LogOutputChannel, settings: ServerSettings, progress: CancellableProgress): LanguageClientOptions {
  return {
    documentSelector: [
      { scheme: 'file', language: LANGUAGE },
      { scheme: 'untitled', language: LANGUAGE },
      { scheme: 'file', language: LOG_LANGUAGE },
      { scheme: 'untitled', language: LOG_LANGUAGE },
    ],
    outputChannel: log,
    revealOutputChannelOn: RevealOutputChannelOn.Never,
    initializationOptions: { settings },
    initializationFailedHandler: () => false,
    middleware: {
      provideCompletionItem: async (document, position, context, token, next) => {
        const found = await next(document, position, context, token);
        for (const item of Array.isArray(found) ? found : (found?.items ?? [])) {
          if (asksAgain(item)) item.command = { command: 'editor.action.triggerSuggest', title: 'Propose the value' };
        }
        return found;
      },
      handleWorkDoneProgress: (token, params, next) => progress.handle(token, params, next),
      // From the lens and the lightbulb; the palette's command goes its own way.
      executeCommand: async (command, args, next) => {
        if (command !== SERVER_RUN_FORWARD) return next(command, args) as unknown;
        try {
          return (await next(command, args)) as unknown;
        } catch (error) {
          sayForwardFailed(error);
          return undefined;
        }
      },
    },
  };
}

/** Whether the server has proposals for the place where this one leaves the cursor. */
function asksAgain(item: CompletionItem): boolean {
  const data = (item as { data?: { more?: unknown } | null }).data;
  return data?.more === true;
}

function same(a: Launch, b: Launch): boolean {
  return a.command === b.command && a.args.join('\0') === b.args.join('\0');
}
