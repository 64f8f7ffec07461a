import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { expandVariables, type VariableContext } from '../src/variables';

const context: VariableContext = {
  folders: [
    { name: 'nets', path: '/home/ann/nets' },
    { name: 'tools', path: '/opt/tools' },
  ],
  home: '/home/ann',
  cwd: '/var/here',
  env: { VIRTUAL_ENV: '/home/ann/venv' },
};

describe('variables in settings', () => {
  const cases: [string, string, string][] = [
    ['the first folder', '${workspaceFolder}/.venv/bin/python', '/home/ann/nets/.venv/bin/python'],
    ['a folder by its name', '${workspaceFolder:tools}/python', '/opt/tools/python'],
    ['home', '${userHome}/python', '/home/ann/python'],
    ['tilde at the start', '~/python', '/home/ann/python'],
    ['tilde elsewhere is a name', '/opt/~/python', '/opt/~/python'],
    ['tilde of another user stays', '~bob/python', '~bob/python'],
    ['current folder', '${cwd}/python', '/var/here/python'],
    ['environment', '${env:VIRTUAL_ENV}/bin/python', '/home/ann/venv/bin/python'],
    ['unset environment is empty', '${env:NOT_SET}/python', '/python'],
    ['several at once', '${userHome}:${cwd}', '/home/ann:/var/here'],
    ['unknown variable stays readable', '${file}/python', '${file}/python'],
    ['unknown folder stays readable', '${workspaceFolder:gone}/python', '${workspaceFolder:gone}/python'],
    ['nothing to expand', '/usr/bin/python3', '/usr/bin/python3'],
    ['a dollar is not special', '/a$b/$&/python', '/a$b/$&/python'],
  ];
  for (const [name, text, expected] of cases) {
    test(name, () => assert.equal(expandVariables(text, context), expected));
  }

  test('a value that looks like a replacement pattern is taken literally', () => {
    const odd = { ...context, env: { ODD: '$1${cwd}' } };
    assert.equal(expandVariables('${env:ODD}', odd), '$1${cwd}');
  });
  test('without a folder the variable stays', () => {
    assert.equal(expandVariables('${workspaceFolder}/x', { ...context, folders: [] }), '${workspaceFolder}/x');
  });
});
