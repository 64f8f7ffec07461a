/** The settings: read once per start, with the variables expanded. */
import * as os from 'node:os';
import { workspace } from 'vscode';
import { expandVariables } from './variables';

/** What the server gets as `initializationOptions.settings`. */
export interface ServerSettings {
  readonly dialect: string;
  readonly phase: string;
  readonly select: readonly string[];
  readonly ignore: readonly string[];
  readonly configuration: string;
  readonly forward: { readonly device: string; readonly batch: number | null };
  readonly inlayHints: { readonly shapes: boolean };
}

export interface Settings {
  /** Empty: look for one. */
  readonly interpreter: string;
  /** A command to start instead of a Python; empty: none. */
  readonly serverPath: string;
  readonly server: ServerSettings;
}

/** A change of one of these starts the server anew; trace.server is watched by the language client itself. */
export const RESTARTING = ['interpreter', 'server', 'dialect', 'phase', 'select', 'ignore', 'configuration', 'forward', 'inlayHints'].map((key) => `prototxt.${key}`);

export function readSettings(): Settings {
  const configuration = workspace.getConfiguration('prototxt');
  const context = {
    folders: (workspace.workspaceFolders ?? []).map((folder) => ({ name: folder.name, path: folder.uri.fsPath })),
    home: os.homedir(),
    cwd: process.cwd(),
    env: process.env,
  };
  const path = (key: string) => expandVariables(configuration.get<string>(key, '').trim(), context);
  return {
    interpreter: path('interpreter'),
    serverPath: path('server.path'),
    server: {
      dialect: configuration.get<string>('dialect', 'auto'),
      phase: configuration.get<string>('phase', 'auto'),
      select: configuration.get<string[]>('select', []),
      ignore: configuration.get<string[]>('ignore', []),
      configuration: path('configuration'),
      forward: {
        device: configuration.get<string>('forward.device', 'auto'),
        batch: configuration.get<number | null>('forward.batch', null),
      },
      inlayHints: { shapes: configuration.get<boolean>('inlayHints.shapes', true) },
    },
  };
}
