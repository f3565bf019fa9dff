// Dark, light, or as the system says; remembered.

import { preference } from '../wire/identity.ts';

export const THEMES = ['auto', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

export function theme(): Theme {
  const stored = preference.get('theme');
  return THEMES.find((candidate) => candidate === stored) ?? 'auto';
}

export function setTheme(next: Theme): void {
  preference.set('theme', next === 'auto' ? null : next);
  applyTheme();
}

export function applyTheme(): void {
  const wanted = theme();
  if (wanted === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = wanted;
}
