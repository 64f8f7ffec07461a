/** From settings and interpreters to the command that starts the server. */
import * as path from 'node:path';
import * as fs from 'node:fs';
import { type LogOutputChannel, type Uri, workspace } from 'vscode';
import { candidates, type Choice, chooseInterpreter, describeAttempts } from './interpreter';
import { probeIn } from './probe';
import { activeInterpreter } from './pythonExtension';
import type { Settings } from './settings';

/** Where this extension is, where it may write, and its version. */
export interface Place {
  readonly extension: Uri;
  readonly storage: Uri;
  readonly version: string;
}

export interface Launch {
  readonly command: string;
  readonly args: readonly string[];
  /** Shown in the status item. */
  readonly description: string;
  /** "Install Server" installed it, and this extension has since brought another version. */
  readonly outdated: boolean;
}

export type Resolution = { readonly launch: Launch } | { readonly failure: string; readonly choice?: Choice };

/** The Python of the environment that "Install Server" makes where pip may not touch the system's. */
export function ownPython(storage: Uri): string {
  const bin = process.platform === 'win32' ? ['Scripts', 'python.exe'] : ['bin', 'python'];
  return path.join(storage.fsPath, 'server', ...bin);
}

/** Asks every Python that may do. Used alone by "Install Server". */
export async function findInterpreter(
  settings: Settings,
  where: Place,
  log: LogOutputChannel,
): Promise<Choice> {
  const own = ownPython(where.storage);
  const list = candidates({
    setting: settings.interpreter,
    pythonExtension: settings.interpreter ? undefined : await activeInterpreter(log, workspace.workspaceFolders?.[0]?.uri),
    ownEnvironment: fs.existsSync(own) ? own : undefined,
    platform: process.platform,
  });
  const choice = await chooseInterpreter(list, probeIn(where.extension.fsPath));
  for (const line of describeAttempts(choice)) log.info(`interpreter: ${line}`);
  return choice;
}

export async function resolveLaunch(
  settings: Settings,
  where: Place,
  log: LogOutputChannel,
): Promise<Resolution> {
  if (settings.serverPath) {
    if (path.isAbsolute(settings.serverPath) && !fs.existsSync(settings.serverPath)) {
      return { failure: `The setting prototxt.server.path names ${settings.serverPath}, which does not exist.` };
    }
    return { launch: { command: settings.serverPath, args: ['serve', '--stdio'], description: settings.serverPath, outdated: false } };
  }
  const choice = await findInterpreter(settings, where, log);
  if (!choice.chosen) return { failure: explain(choice), choice };
  const { candidate, facts } = choice.chosen;
  const [command, ...leading] = candidate.command;
  return {
    launch: {
      command,
      args: [...leading, '-m', 'prototxt_server', 'serve', '--stdio'],
      description: `prototxt-lsp ${facts.server}, Python ${facts.version.join('.')} of ${candidate.source}`,
      outdated: command === ownPython(where.storage) && facts.server !== where.version,
    },
  };
}

function explain(choice: Choice): string {
  const tried = choice.attempts.map(({ candidate, problem }) => `${candidate.command.join(' ')} ${problem}`).join('; ');
  return `No Python here can check prototxt files (${tried}).`;
}
