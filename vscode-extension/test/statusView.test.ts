import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ServerState, statusView } from '../src/statusView';

const server = 'prototxt-lsp 0.1.0';
const cases: [string, ServerState, string, 'information' | 'warning' | 'error', boolean][] = [
  ['before trust', { kind: 'restricted' }, 'Prototxt: off', 'warning', false],
  ['while starting', { kind: 'starting' }, 'Prototxt: starting', 'information', true],
  ['no Python', { kind: 'failed', message: 'why' }, 'Prototxt: not running', 'error', false],
  ['stopped', { kind: 'stopped' }, 'Prototxt: stopped', 'warning', false],
  ['ready, device unknown', { kind: 'ready', server }, 'Prototxt: ready', 'information', false],
  ['idle after a run', { kind: 'ready', server, forward: { state: 'idle', device: 'cpu' } }, 'Prototxt: ready (cpu)', 'information', false],
  ['running', { kind: 'ready', server, forward: { state: 'running', device: 'cuda:0' } }, 'Prototxt: running one batch (cuda:0)', 'information', true],
  ['run failed', { kind: 'ready', server, forward: { state: 'error', device: 'cpu', message: 'why' } }, 'Prototxt: forward failed (cpu)', 'warning', false],
  ['a defect of ours', { kind: 'ready', server, forward: { state: 'trouble', message: 'why' } }, 'Prototxt: internal error', 'error', false],
];
for (const [name, state, text, severity, busy] of cases) {
  test(`status ${name}`, () => {
    const view = statusView(state);
    assert.deepEqual([view.text, view.severity, view.busy], [text, severity, busy]);
  });
}

test('the detail says what runs and what went wrong', () => {
  assert.equal(statusView({ kind: 'ready', server, forward: { state: 'error', message: 'no batch' } }).detail, `${server} \u2013 no batch`);
});
