// A stand-in for the Python extension, which no test machine can download: same id, the part of its API that is used.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

const MANIFEST = {
  name: 'python', publisher: 'ms-python', version: '2026.0.0', engines: { vscode: '^1.91.0' }, main: './main.js',
  contributes: { commands: [{ command: 'standIn.choose', title: 'Choose the Other Interpreter', category: 'Stand-in' }] },
};

const main = (interpreters) => `
const vscode = require('vscode');
const interpreters = ${JSON.stringify(interpreters)};
let active = 0;
exports.activate = () => {
  const changed = new vscode.EventEmitter();
  vscode.commands.registerCommand('standIn.choose', () => { active = 1; changed.fire({}); });
  return { environments: {
    getActiveEnvironmentPath: () => ({ path: interpreters[active] }),
    resolveEnvironment: async ({ path }) => ({ executable: { uri: vscode.Uri.file(path) } }),
    onDidChangeActiveEnvironmentPath: changed.event,
  } };
};
`;

/** Packages it into `folder`; the first of the two interpreters is active until its command is run. Returns the vsix. */
export function packagePythonExtension(folder, interpreters, tools) {
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(path.join(folder, 'package.json'), JSON.stringify(MANIFEST));
  fs.writeFileSync(path.join(folder, 'main.js'), main(interpreters));
  fs.writeFileSync(path.join(folder, 'README.md'), 'Stand-in for tests.');
  const vsix = path.join(folder, 'python.vsix');
  const vsce = path.join(tools, 'node_modules/@vscode/vsce/vsce');
  const options = ['--no-dependencies', '--allow-missing-repository', '--skip-license', '--allow-star-activation', '--out', vsix];
  execFileSync(process.execPath, [vsce, 'package', ...options], { cwd: folder, stdio: 'pipe' });
  return vsix;
}
