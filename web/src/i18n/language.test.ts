import { describe, expect, test } from 'vitest';
import { PROBLEMS } from '../publish/problem.ts';
import { en } from './en.ts';
import { es } from './es.ts';
import {
  bitrateText,
  delayText,
  elapsedText,
  fill,
  preferred,
  setLanguage,
  sinceText,
  t,
  viewersText,
} from './language.ts';

const places = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]).sort();

test('both languages have the same keys', () => {
  expect(Object.keys(en).sort()).toEqual(Object.keys(es).sort());
});

describe('each text has the same places in both languages, and words in both', () => {
  test.each(Object.keys(es) as (keyof typeof es)[])('%s', (key) => {
    expect(places(en[key])).toEqual(places(es[key]));
    expect(en[key].trim()).not.toBe('');
    expect(es[key].trim()).not.toBe('');
  });
});

test('every problem has its sentence', () => {
  for (const kind of PROBLEMS) expect(es).toHaveProperty([`problem.${kind}`]);
});

test('the browser’s first known language wins; without one it is English', () => {
  expect(preferred(['es-MX', 'en'])).toBe('es');
  expect(preferred(['fr', 'es'])).toBe('es');
  expect(preferred(['EN-gb'])).toBe('en');
  expect(preferred(['de', 'fr'])).toBe('en');
  expect(preferred([])).toBe('en');
});

test('values are put in place and unknown places stay', () => {
  expect(fill('{a} and {b}', { a: '$&' })).toBe('$& and {b}');
});

test('texts follow the language', () => {
  setLanguage('es');
  expect(t('streamer.start')).toBe('Emitir');
  expect(viewersText(1)).toBe('1 espectador');
  expect(viewersText(2)).toBe('2 espectadores');
  expect(delayText(1_540)).toBe('1,5 s');
  setLanguage('en');
  expect(t('streamer.start')).toBe('Go live');
  expect(viewersText(0)).toBe('0 viewers');
  expect(delayText(154.4)).toBe('154 ms');
});

test('times and rates are short', () => {
  setLanguage('en');
  expect(elapsedText(59_999)).toBe('00:59');
  expect(elapsedText(3_723_000)).toBe('1:02:03');
  expect(bitrateText(812.4)).toBe('812 kbit/s');
  expect(bitrateText(2_540)).toBe('2.5 Mbit/s');
  expect(sinceText(0, 30_000)).toBe('just now');
  expect(sinceText(0, 61 * 60_000)).toBe('for 1 h 1 min');
});
