import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { candidates, chooseInterpreter, describeAttempts, type Facts, installable, parseFacts, type Probe } from '../src/interpreter';

const python = (version: [number, number, number], server: string | null = null): Facts => ({ version, server });

/** A machine with these commands; anything else is not found. */
function machine(commands: Record<string, Facts>): { probe: Probe; asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    probe: async (command) => {
      const key = command.join(' ');
      asked.push(key);
      const facts = commands[key];
      if (!facts) throw new Error('not found');
      return facts;
    },
  };
}

const sources = { setting: undefined, pythonExtension: undefined, ownEnvironment: undefined };
const commandsOf = (from: Parameters<typeof candidates>[0]) => candidates(from).map((c) => c.command.join(' '));

describe('which Pythons are asked', () => {
  test('the PATH alone', () => assert.deepEqual(commandsOf({ ...sources, platform: 'linux' }), ['python3', 'python']));
  test('the launcher on Windows', () => assert.deepEqual(commandsOf({ ...sources, platform: 'win32' }), ['py -3', 'python']));
  test('Python extension, own environment, PATH, in this order', () =>
    assert.deepEqual(commandsOf({ pythonExtension: '/venv/python', ownEnvironment: '/own/python', platform: 'darwin' }), [
      '/venv/python',
      '/own/python',
      'python3',
      'python',
    ]));
  test('a setting shuts out the Python extension and the PATH', () =>
    assert.deepEqual(commandsOf({ setting: '/mine/python', pythonExtension: '/venv/python', platform: 'linux' }), ['/mine/python']));
  test('what was installed on purpose comes after the setting', () =>
    assert.deepEqual(commandsOf({ setting: '/mine/python', ownEnvironment: '/own/python', platform: 'linux' }), ['/mine/python', '/own/python']));
});

describe('which Python is chosen', () => {
  const list = candidates({ pythonExtension: '/venv/python', platform: 'linux' });

  test('the first that has the server; the rest is not asked', async () => {
    const { probe, asked } = machine({ '/venv/python': python([3, 12, 1], '0.1.0'), python3: python([3, 13, 0], '0.1.0') });
    const choice = await chooseInterpreter(list, probe);
    assert.equal(choice.chosen?.candidate.source, 'the Python extension');
    assert.deepEqual(asked, ['/venv/python']);
  });
  test("a project's old Python is passed over", async () => {
    const { probe } = machine({ '/venv/python': python([2, 7, 18]), python3: python([3, 11, 2], '0.1.0') });
    const choice = await chooseInterpreter(list, probe);
    assert.deepEqual(choice.chosen?.candidate.command, ['python3']);
    assert.equal(choice.attempts[0]?.problem, 'is Python 2.7.18, needed is 3.11 or newer');
  });
  test('3.10 is too old, 3.11 and 4.0 are not', async () => {
    for (const [version, taken] of [[[3, 10, 14], false], [[3, 11, 0], true], [[4, 0, 0], true]] as const) {
      const { probe } = machine({ python3: python([...version], '0.1.0') });
      const choice = await chooseInterpreter(candidates({ platform: 'linux' }), probe);
      assert.equal(choice.chosen !== undefined, taken, version.join('.'));
    }
  });
  test('none: each attempt says why', async () => {
    const { probe } = machine({ '/venv/python': python([3, 6, 9]), python3: python([3, 12, 0]) });
    const choice = await chooseInterpreter(list, probe);
    assert.equal(choice.chosen, undefined);
    assert.deepEqual(describeAttempts(choice), [
      '/venv/python (the Python extension): is Python 3.6.9, needed is 3.11 or newer',
      'python3 (the PATH): is Python 3.12.0 without prototxt-lsp',
      'python (the PATH): not found',
    ]);
  });
  test('the server is installed with the first Python that is new enough', async () => {
    const { probe } = machine({ '/venv/python': python([3, 6, 9]), python3: python([3, 12, 0]) });
    assert.deepEqual(installable(await chooseInterpreter(list, probe))?.command, ['python3']);
  });
  test('nothing to install with', async () => {
    assert.equal(installable(await chooseInterpreter(list, machine({}).probe)), undefined);
  });
});

describe("a Python's answer", () => {
  const answer = JSON.stringify(python([3, 12, 0], '0.1.0'));
  test('read from the last line', () => assert.deepEqual(parseFacts(`hello from sitecustomize\r\n\n${answer}\n`).version, [3, 12, 0]));
  for (const [name, text] of [['nothing', ''], ['words', 'usage: tool [options]'], ['other JSON', '{"a": 1}'], ['null', 'null']] as const) {
    test(`refused: ${name}`, () => assert.throws(() => parseFacts(text)));
  }
});
