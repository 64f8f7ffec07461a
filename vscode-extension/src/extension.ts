/** Activation: what is made once, and what starts the server again. */
import { type ExtensionContext, type LogOutputChannel, window, workspace } from 'vscode';
import { Server } from './client';
import { registerCommands } from './commands';
import { installServer, offerUpdate, offerWaysOut } from './install';
import { findInterpreter } from './launch';
import { onInterpreterChange } from './pythonExtension';
import { readSettings, RESTARTING } from './settings';
import { Status } from './status';

let server: Server | undefined;

export function activate(context: ExtensionContext): void {
  const log = window.createOutputChannel('Prototxt', { log: true });
  const status = new Status();
  const version = String((context.extension.packageJSON as { version: unknown }).version);
  const where = { extension: context.extensionUri, storage: context.globalStorageUri, version };
  const current = new Server(where, log, status, ({ failure, choice }) => void offerWaysOut(failure, choice), () => void offerUpdate());
  server = current;

  const install = async (): Promise<void> => {
    const choice = await findInterpreter(readSettings(), where, log);
    if (await installServer(choice, where)) await current.restart('the server was installed');
  };
  context.subscriptions.push(log, status, ...registerCommands(current, log, install));

  // No Python before trust: an interpreter setting or a virtual environment of the folder would run as the user.
  if (workspace.isTrusted) startAndFollow(context, current, log);
  else {
    status.show({ kind: 'restricted' });
    context.subscriptions.push(workspace.onDidGrantWorkspaceTrust(() => startAndFollow(context, current, log)));
  }
}

/** Not awaited by activate: the editor must not wait for a Python. */
function startAndFollow(context: ExtensionContext, current: Server, log: LogOutputChannel): void {
  void current.restart('activation');
  context.subscriptions.push(
    workspace.onDidChangeConfiguration((event) => {
      if (RESTARTING.some((key) => event.affectsConfiguration(key))) void current.restart('a setting was changed');
    }),
  );
  void onInterpreterChange(log, () => void current.restartIfChanged('another interpreter was chosen')).then((listener) => {
    if (listener) context.subscriptions.push(listener);
  });
}

export function deactivate(): Promise<void> | undefined {
  return server?.stop();
}
