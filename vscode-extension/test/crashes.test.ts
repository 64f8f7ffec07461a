import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Crashes } from '../src/crashes';

const minutes = (n: number) => n * 60_000;

test('the fifth crash within three minutes is the last', () => {
  const crashes = new Crashes();
  assert.deepEqual([0, 0.5, 1, 1.5, 2].map((at) => crashes.startAgain(minutes(at))), [true, true, true, true, false]);
});
test('one crash a minute goes on for ever', () => {
  const crashes = new Crashes();
  for (let at = 0; at < 100; at++) assert.ok(crashes.startAgain(minutes(at)));
});
