// Whether the pages use the native door. A person, or a test, may say otherwise: `native` = `on` or `off` in the
// browser's storage.

import { preference } from '../wire/identity.ts';

const IS_USUAL = true;

export function usesNativeDoor(): boolean {
  const wish = preference.get('native');
  return wish === null ? IS_USUAL : wish === 'on';
}
