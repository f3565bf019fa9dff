// Which language the pages speak, and every text in it.
//
// The browser's wish decides until a person chooses; the choice is remembered. Texts on the page change where they stand,
// without a reload, so that nobody has to leave a stream to read it in another language.

import { preference } from '../wire/identity.ts';
import { en } from './en.ts';
import { es, type TextKey, type Texts } from './es.ts';

export const LANGUAGES = ['es', 'en'] as const;
export type Language = (typeof LANGUAGES)[number];
export type Values = Record<string, string | number>;

const TEXTS: Record<Language, Texts & Partial<Record<TextKey, string>>> = { es: { ...es }, en: { ...en } };
const watchers = new Set<() => void>();
let current: Language = chosen() ?? preferred(globalThis.navigator?.languages ?? []);

/** Adds texts that only this page has. */
export function addTexts(texts: Record<Language, Partial<Record<TextKey, string>>>): void {
  for (const language of LANGUAGES) Object.assign(TEXTS[language], texts[language]);
}

export function language(): Language {
  return current;
}

export function setLanguage(next: Language): void {
  preference.set('language', next);
  if (next === current) return;
  current = next;
  for (const watcher of watchers) watcher();
}

/** Calls back after each change of the language. Returns how to stop. */
export function onLanguage(watcher: () => void): () => void {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

export function t(key: TextKey, values: Values = {}): string {
  return fill(TEXTS[current][key] ?? key, values);
}

/** Puts values into the `{places}` of a text. */
export function fill(text: string, values: Values): string {
  return text.replace(/\{(\w+)\}/g, (place, name: string) => String(values[name] ?? place));
}

/** The first language of a browser's list that we have; Spanish speakers get Spanish, all others English. */
export function preferred(wishes: readonly string[]): Language {
  for (const wish of wishes) {
    const base = wish.toLowerCase().split('-')[0];
    const known = LANGUAGES.find((candidate) => candidate === base);
    if (known) return known;
  }
  return 'en';
}

export function viewersText(count: number): string {
  const form = new Intl.PluralRules(current).select(count) === 'one' ? 'count.viewers.one' : 'count.viewers.other';
  return t(form, { count: count.toLocaleString(current) });
}

/** Since when, in words: "for 5 min". */
export function sinceText(since: number, now: number): string {
  const minutes = Math.max(0, Math.floor((now - since) / 60_000));
  if (minutes < 1) return t('time.now');
  if (minutes < 60) return t('time.minutes', { count: minutes });
  return t('time.hours', { hours: Math.floor(minutes / 60), minutes: minutes % 60 });
}

export function bitrateText(kilobits: number): string {
  const megabits = kilobits / 1_000;
  return megabits >= 1
    ? `${megabits.toLocaleString(current, { maximumFractionDigits: 1 })} Mbit/s`
    : `${Math.round(kilobits)} kbit/s`;
}

export function delayText(ms: number): string {
  const whole = Math.max(0, ms);
  if (whole < 1_000) return `${Math.round(whole)} ms`;
  return `${(whole / 1_000).toLocaleString(current, { minimumFractionDigits: 1, maximumFractionDigits: 1 })} s`;
}

/** Hours, minutes and seconds as a clock shows them. */
export function elapsedText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  const pad = (value: number) => String(value).padStart(2, '0');
  const hours = Math.floor(seconds / 3_600);
  const rest = `${pad(Math.floor(seconds / 60) % 60)}:${pad(seconds % 60)}`;
  return hours > 0 ? `${hours}:${rest}` : rest;
}

function chosen(): Language | undefined {
  const stored = preference.get('language');
  return LANGUAGES.find((candidate) => candidate === stored);
}
