/** Which scope each piece of a net gets. */
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { before, describe, test } from 'node:test';
import { createOnigScanner, createOnigString, loadWASM } from 'vscode-oniguruma';
import { type IGrammar, INITIAL, parseRawGrammar, Registry } from 'vscode-textmate';

const GRAMMAR = path.resolve('syntaxes/prototxt.tmLanguage.json');

describe('colours', () => {
  let grammar: IGrammar;
  before(async () => {
    await loadWASM(fs.readFileSync(require.resolve('vscode-oniguruma/release/onig.wasm')));
    const registry = new Registry({
      onigLib: Promise.resolve({ createOnigScanner, createOnigString }),
      loadGrammar: async () => parseRawGrammar(fs.readFileSync(GRAMMAR, 'utf8'), GRAMMAR),
    });
    grammar = (await registry.loadGrammar('source.prototxt')) as IGrammar;
  });

  /** `piece=scope` for all pieces of the text that have a scope of their own. */
  function scopes(text: string): string[] {
    const found: string[] = [];
    let stack = INITIAL;
    for (const line of text.split('\n')) {
      const result = grammar.tokenizeLine(line, stack);
      stack = result.ruleStack;
      for (const token of result.tokens) {
        const scope = token.scopes.slice(1).at(-1);
        const piece = line.slice(token.startIndex, token.endIndex).trim();
        if (scope && piece) found.push(`${piece}=${scope.replace(/\.prototxt$/, '')}`);
      }
    }
    return found;
  }
  const has = (text: string, ...expected: string[]) => {
    const found = scopes(text);
    for (const one of expected) assert.ok(found.includes(one), `${one} not in ${found.join('  ')}`);
  };

  test('field', () => has('num_output: 32', 'num_output=variable.other.property', ':=punctuation.separator.key-value', '32=constant.numeric.integer'));
  test('message', () => has('layer {', 'layer=entity.name.type.message', '{=punctuation.section.braces.begin'));
  test('message with a colon', () => has('layer: {', 'layer=entity.name.type.message'));
  test('message in angle brackets', () => has('layer <', 'layer=entity.name.type.message'));
  test('message whose brace is on the next line', () => has('layer # conv\n{', 'layer=entity.name.type.message'));
  test('fields on one line', () => has('param { lr_mult: 1 decay_mult: 0.5 }', 'lr_mult=variable.other.property', 'decay_mult=variable.other.property', '0.5=constant.numeric.float'));
  test('no space between tokens', () => has("layer{name:'x'pool:MAX}", 'layer=entity.name.type.message', 'name=variable.other.property', "x=string.quoted.single", 'pool=variable.other.property', 'MAX=variable.other.enummember'));
  test('enum word', () => has('phase: TRAIN', 'TRAIN=variable.other.enummember'));
  for (const word of ['true', 'false', 'True', 'f']) test(`bool ${word}`, () => has(`bias_term: ${word}`, `${word}=constant.language.boolean`));
  test('an enum word that begins like a bool', () => has('x: falsework', 'falsework=variable.other.enummember'));
  for (const [number, kind] of [['1e-3', 'float'], ['.5', 'float'], ['1.', 'float'], ['1f', 'float'], ['-2', 'integer'], ['0x1F', 'hex'], ['017', 'octal'], ['-inf', 'float'], ['nan', 'float']] as const)
    test(`number ${number}`, () => has(`value: ${number}`, `${number}=constant.numeric.${kind}`));
  test('list', () => has('mean_value: [104, 117.5]', '104=constant.numeric.integer', '117.5=constant.numeric.float', ',=punctuation.separator'));
  test('string escape', () => has(String.raw`source: "a\tb\q"`, String.raw`\t=constant.character.escape`, String.raw`\q=invalid.illegal.escape`));
  test('a string ends with its line', () => has('name: "conv1\nlayer {', 'layer=entity.name.type.message'));
  test('comment', () => has('lr_mult: 1 # twice', '# twice'.slice(1).trim() + '=comment.line.number-sign', '1=constant.numeric.integer'));
  test('a number sign in a string is no comment', () => has('name: "a#b"', 'a#b=string.quoted.double'));
  test('directive', () => has('# lsp: ignore[BN031] wanted', 'lsp:=keyword.other.directive'));
  test('comments of C are marked', () => has('// no', '// no=invalid.illegal.comment'));
});
