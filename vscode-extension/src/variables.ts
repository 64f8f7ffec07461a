/** Expands the variables that VS Code leaves alone in the settings of an extension. */

export interface VariableContext {
  /** Folders of the workspace, in their order. */
  readonly folders: readonly { readonly name: string; readonly path: string }[];
  readonly home: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * `${workspaceFolder}`, `${workspaceFolder:NAME}`, `${userHome}`, `${cwd}`, `${env:NAME}` and a leading `~/`.
 * A variable that has no value here stays as it was written, so that a message can show it.
 */
export function expandVariables(text: string, context: VariableContext): string {
  const withHome = /^~(?=$|[/\\])/.test(text) ? context.home + text.slice(1) : text;
  return withHome.replace(/\$\{([^}:]+)(?::([^}]*))?\}/g, (whole, name: string, argument: string | undefined) => {
    switch (name) {
      case 'workspaceFolder':
        return (argument === undefined ? context.folders[0] : context.folders.find((f) => f.name === argument))?.path ?? whole;
      case 'userHome':
        return context.home;
      case 'cwd':
        return context.cwd;
      case 'env':
        // As in VS Code's own configuration files: a variable that is not set is empty.
        return argument === undefined ? whole : (context.env[argument] ?? '');
      default:
        return whole;
    }
  });
}
