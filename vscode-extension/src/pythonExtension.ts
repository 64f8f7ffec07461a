/** The interpreter that the user chose in the Python extension, where that extension is installed. */
import { type Disposable, type Event, extensions, type LogOutputChannel, type Uri } from 'vscode';

/** The part of ms-python.python's API that is used here. */
interface PythonApi {
  readonly environments: {
    getActiveEnvironmentPath(resource?: Uri): { readonly path: string };
    resolveEnvironment(environment: { readonly path: string }): Promise<{ readonly executable: { readonly uri?: Uri } } | undefined>;
    readonly onDidChangeActiveEnvironmentPath: Event<unknown>;
  };
}

async function pythonApi(log: LogOutputChannel): Promise<PythonApi | undefined> {
  const extension = extensions.getExtension<PythonApi>('ms-python.python');
  if (!extension) return undefined;
  try {
    const api = extension.isActive ? extension.exports : await extension.activate();
    return api?.environments ? api : undefined;
  } catch (error) {
    log.warn(`The Python extension could not be asked: ${error}`);
    return undefined;
  }
}

/** Path of the active interpreter, or undefined. */
export async function activeInterpreter(log: LogOutputChannel, resource?: Uri): Promise<string | undefined> {
  const api = await pythonApi(log);
  if (!api) return undefined;
  const path = api.environments.getActiveEnvironmentPath(resource);
  const environment = await api.environments.resolveEnvironment(path);
  return environment?.executable.uri?.fsPath;
}

/** Calls back when another interpreter was chosen. */
export async function onInterpreterChange(log: LogOutputChannel, changed: () => void): Promise<Disposable | undefined> {
  return (await pythonApi(log))?.environments.onDidChangeActiveEnvironmentPath(changed);
}
