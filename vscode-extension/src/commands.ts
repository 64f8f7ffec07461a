/** The commands of the palette. */
import { CancellationError, commands, type Disposable, type LogOutputChannel, Uri, window } from 'vscode';
import type { Server } from './client';
import { analyseLog } from './logs';
import { ANALYSE_LOG, INSTALL_SERVER, LANGUAGE, RESTART, RUN_FORWARD, SERVER_RUN_FORWARD, SHOW_LOG } from './names';

/** LSP's RequestCancelled: the user pressed Cancel, which is no failure. */
const REQUEST_CANCELLED = -32800;

export function registerCommands(server: Server, log: LogOutputChannel, install: () => Promise<void>): Disposable[] {
  return [
    commands.registerCommand(RESTART, () => server.restart('asked by command')),
    commands.registerCommand(SHOW_LOG, () => log.show(true)),
    commands.registerCommand(INSTALL_SERVER, install),
    commands.registerCommand(ANALYSE_LOG, (resource?: Uri) => analyseLog(server, resource)),
    commands.registerCommand(RUN_FORWARD, (resource?: Uri) => runForward(server, resource)),
  ];
}

/** Runs one batch of the net in the given or the active editor; its findings come back as diagnostics. */
async function runForward(server: Server, resource: Uri | undefined): Promise<void> {
  const document = window.activeTextEditor?.document;
  const uri = resource instanceof Uri ? resource : document?.languageId === LANGUAGE ? document.uri : undefined;
  if (!uri) {
    void window.showWarningMessage('Open a prototxt file to run one batch of it.');
    return;
  }
  try {
    await server.execute(SERVER_RUN_FORWARD, uri.toString());
  } catch (error) {
    sayForwardFailed(error);
  }
}

/** Why there is no result; nothing when the user gave up. */
export function sayForwardFailed(error: unknown): void {
  if (error instanceof CancellationError || (error as { code?: unknown }).code === REQUEST_CANCELLED) return;
  const message = `One-batch forward: ${error instanceof Error ? error.message : error}`;
  void window.showErrorMessage(message, 'Show Log').then((pressed) => pressed && commands.executeCommand(SHOW_LOG));
}
