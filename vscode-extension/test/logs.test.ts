/** Training logs: which scope each piece of a line gets, which files are taken for logs, what a notification says. */
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { before, describe, test } from 'node:test';
import { createOnigScanner, createOnigString, loadWASM } from 'vscode-oniguruma';
import { type IGrammar, INITIAL, parseRawGrammar, Registry } from 'vscode-textmate';
import { logMessage } from '../src/logSummary';

const GRAMMAR = path.resolve('syntaxes/caffe-log.tmLanguage.json');
const PREFIX = 'I0804 10:22:42.074671  8318 net.cpp:638] ';

describe('colours of a log', () => {
  let grammar: IGrammar;
  before(async () => {
    await loadWASM(fs.readFileSync(require.resolve('vscode-oniguruma/release/onig.wasm')));
    const registry = new Registry({
      onigLib: Promise.resolve({ createOnigScanner, createOnigString }),
      loadGrammar: async () => parseRawGrammar(fs.readFileSync(GRAMMAR, 'utf8'), GRAMMAR),
    });
    grammar = (await registry.loadGrammar('source.caffe-log')) as IGrammar;
  });

  const has = (line: string, ...expected: string[]) => {
    const found = grammar.tokenizeLine(line, INITIAL).tokens.flatMap((token) => {
      const piece = line.slice(token.startIndex, token.endIndex).trim();
      const scope = token.scopes.slice(1).at(-1);
      return scope && piece ? [`${piece}=${scope.replace(/\.caffe-log$/, '')}`] : [];
    });
    for (const one of expected) assert.ok(found.includes(one), `${one} not in ${found.join('  ')}`);
  };

  test('prefix', () => has(`${PREFIX}x`, 'I=keyword.other.severity', 'net.cpp:638=entity.name.filename'));
  test('top', () => has(`${PREFIX}    [Forward] Layer conv1, top blob c1 data: 0.0645`, 'Forward=keyword.control.direction', 'conv1=entity.name.function.layer', 'top=storage.type', 'c1=variable.other.blob', '0.0645=constant.numeric'));
  test('a zero stands out', () => has('[Forward] Layer relu1, top blob conv1 data: 0', '0=markup.deleted.zero'));
  for (const odd of ['nan', '-nan', 'inf', '1.#QNAN']) test(`${odd} stands out`, () => has(`[Forward] Layer a, top blob b data: ${odd}`, `${odd}=invalid.illegal.number`));
  test('NVIDIA 0.16', () => has(' -> top blob conv1, count: 1536 data: 0.5', 'conv1=variable.other.blob', '0.5=constant.numeric'));
  test('iteration', () => has('Iteration 20 (9.5 iter/s, 2.1s/20 iters), loss = 2.5e-05', '20=constant.numeric.iteration', 'loss=variable.other.output', '2.5e-05=constant.numeric'));
  test('output', () => has('    Test net output #0: accuracy = 0.1', 'Test=keyword.other', 'accuracy=variable.other.output'));
  test('failure', () => has('F0804 Check failed: a == b (1 vs. 2)', 'Check failed: a == b (1 vs. 2)=invalid.illegal.check'));
});

describe('files that are logs', () => {
  const manifest = JSON.parse(fs.readFileSync('package.json', 'utf8'));
  const language = manifest.contributes.languages.find((one: { id: string }) => one.id === 'caffe-log');
  const firstLine = new RegExp(language.firstLine);
  test('by the first line', () => {
    assert.match('I1121 08:47:20.548342 19891 upgrade_proto.cpp:1108] snapshot_prefix', firstLine);
    assert.match('I20261121 08:47:20.548342 19891 caffe.cpp:197] Use CPU.', firstLine);
    assert.match('Log file created at: 2016/11/09 12:00:00', firstLine);
    assert.doesNotMatch('I1121 08:47:20.548342 19891 server.cc:1] something else that uses glog', firstLine);
    assert.doesNotMatch('layer {', firstLine);
  });
  test('every language has a grammar, every command a title', () => {
    const grammars = manifest.contributes.grammars.map((one: { language: string }) => one.language);
    assert.deepEqual(grammars, manifest.contributes.languages.map((one: { id: string }) => one.id));
    assert.ok(manifest.contributes.commands.some((one: { command: string; title: string }) => one.command === 'prototxt.analyseLog' && one.title));
  });
});

describe('the notification', () => {
  const finding = { code: 'DYN003', severity: 'error', layer: 'bn1', row: 76, message: 'gamma is 0' };
  test('nothing found', () => assert.equal(logMessage({ message: '', writer: '', findings: [] }), 'Caffe log: nothing found.'));
  test('one', () => assert.equal(logMessage({ message: '', writer: '', findings: [finding] }), '1 finding; first (line 76, DYN003): gamma is 0'));
  test('several, cut to a line', () => {
    const long = logMessage({ message: '', writer: '', findings: [{ ...finding, message: 'x'.repeat(900) }, finding] });
    assert.match(long, /^2 findings; first \(line 76, DYN003\): x{299}…$/);
  });
});
