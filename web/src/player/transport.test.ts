import { expect, test } from 'vitest';
import { routesFor, transportFrom } from './transport.ts';

const ALL = { hasDoor: true, mayPlayFrames: true, hasMediaSource: true };

test('single frames are tried first, Socket.IO last', () => {
  expect(routesFor('auto', ALL)).toEqual(['webcodecs', 'mse', 'socketio']);
});

test('what the browser or the server lacks is not tried', () => {
  expect(routesFor('auto', { ...ALL, mayPlayFrames: false })).toEqual(['mse', 'socketio']);
  expect(routesFor('auto', { ...ALL, hasMediaSource: false })).toEqual(['webcodecs', 'socketio']);
  expect(routesFor('auto', { ...ALL, hasDoor: false })).toEqual(['socketio']);
});

test('a way that was asked for is the only one', () => {
  expect(routesFor('mse', { ...ALL, hasDoor: false })).toEqual(['mse']);
});

test('an unknown word means to choose by itself', () => {
  expect(transportFrom('pigeons')).toBe('auto');
  expect(transportFrom(null)).toBe('auto');
  expect(transportFrom('socketio')).toBe('socketio');
});
