/** "Install Server": pip, in a terminal where the user sees what it does, then a start of the server. */
import * as fs from 'node:fs';
import * as path from 'node:path';
import { commands, type Disposable, env, ProcessExecution, Task, tasks, TaskScope, Uri, window } from 'vscode';
import { installable, MINIMUM_PYTHON, type Choice } from './interpreter';
import { ownPython, type Place } from './launch';
import { INSTALL_SERVER, SHOW_LOG } from './names';

const DOWNLOADS = 'https://www.python.org/downloads/';

/** Says why nothing runs and offers the way out that fits. */
export async function offerWaysOut(failure: string, choice: Choice | undefined): Promise<void> {
  const canInstall = choice !== undefined && installable(choice) !== undefined;
  const buttons = [canInstall ? 'Install Server' : 'Get Python', 'Open Settings', 'Show Log'];
  // Without a choice no Python was looked for: the command of the settings, or the server itself, is at fault.
  const pressed = await window.showErrorMessage(failure, ...(choice ? buttons : buttons.slice(1)));
  if (pressed === 'Install Server') await commands.executeCommand(INSTALL_SERVER);
  if (pressed === 'Get Python') await env.openExternal(Uri.parse(DOWNLOADS));
  // The settings name places on the machine that the server runs on: with a remote they are not in the user's list.
  const openSettings = env.remoteName ? 'workbench.action.openRemoteSettings' : 'workbench.action.openSettings';
  if (pressed === 'Open Settings') await commands.executeCommand(openSettings, { query: choice ? 'prototxt.interpreter' : 'prototxt.server.path' });
  if (pressed === 'Show Log') await commands.executeCommand(SHOW_LOG);
}

/** The extension was updated; the server that it had installed was not. */
export async function offerUpdate(): Promise<void> {
  const pressed = await window.showInformationMessage('The installed prototxt server is of another version than this extension.', 'Install Server');
  if (pressed) await commands.executeCommand(INSTALL_SERVER);
}

/**
 * Installs the server into an environment of this extension's own. Not into the Python that was found: pip may not
 * touch a system's, and a newer NumPy in the environment of a project could break that project.
 * Resolves to true when pip succeeded.
 */
export async function installServer(choice: Choice, where: Place): Promise<boolean> {
  const found = installable(choice);
  if (!found) {
    void window.showErrorMessage(`Installing the prototxt server needs Python ${MINIMUM_PYTHON.join('.')} or newer.`);
    return false;
  }
  const python = ownPython(where.storage);
  // Asked to install again, the environment itself is the first that is new enough: it is kept.
  if (found.command[0] !== python) {
    const folder = path.dirname(path.dirname(python));
    if (!(await runTask('Make an environment for the prototxt server', [...found.command, '-m', 'venv', '--clear', folder]))) return false;
  }
  const pip = [python, '-m', 'pip', '--disable-pip-version-check', 'install', '--upgrade'];
  return runTask('Install the prototxt server', [...pip, await requirement(where.extension)]);
}

/** The wheel that came with this extension, so that client and server are of one version; else the published one. */
async function requirement(extension: Uri): Promise<string> {
  const bundled = path.join(extension.fsPath, 'bundled');
  const files = await fs.promises.readdir(bundled).catch(() => [] as string[]);
  const wheel = files.find((name) => /^prototxt_lsp-.*\.whl$/.test(name));
  return wheel ? path.join(bundled, wheel) : 'prototxt-lsp';
}

/** Runs a program in the terminal panel, without a shell: paths need no quoting. */
async function runTask(name: string, [program, ...args]: string[]): Promise<boolean> {
  const task = new Task({ type: 'process' }, TaskScope.Workspace, name, 'Prototxt', new ProcessExecution(program as string, args), []);
  const listeners: Disposable[] = [];
  const succeeded = new Promise<boolean>((resolve) => {
    tasks.onDidEndTaskProcess((end) => end.execution.task.name === name && resolve(end.exitCode === 0), undefined, listeners);
    // Comes last, and alone where the program could not be started at all.
    tasks.onDidEndTask((end) => end.execution.task.name === name && resolve(false), undefined, listeners);
  });
  try {
    await tasks.executeTask(task);
    return await succeeded;
  } finally {
    for (const listener of listeners) listener.dispose();
  }
}
