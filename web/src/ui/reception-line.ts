// How a stream is received, in a line: delay, quality, and the numbers behind them for who wants them.

import { bitrateText, delayText, language, t } from '../i18n/language.ts';
import type { PathFailure } from '../player/path.ts';
import type { WatchStats } from '../player/watch-numbers.ts';
import { icon } from './icon.ts';
import { h, setText } from './markup.ts';
import './reception-line.css';

export class ReceptionLine extends HTMLElement {
  readonly #delayOf = h('span', { class: 'quiet', text: 'viewer.delay' });
  readonly #delay = h('b', { class: 'digits' }, '–');
  readonly #quality = h('b', { class: 'quality' }, '–');
  readonly #numbers = h('p', { class: 'small quiet digits' });
  readonly #why = h('p', { class: 'small quiet', attributes: { hidden: true } });

  connectedCallback(): void {
    if (this.childElementCount > 0) return;
    this.append(
      h('span', { class: 'fact' }, icon('clock'), this.#delayOf, this.#delay),
      h(
        'details',
        {},
        h(
          'summary',
          { class: 'fact' },
          icon('signal'),
          h('span', { class: 'quiet', text: 'viewer.quality' }),
          this.#quality,
        ),
        this.#numbers,
        this.#why,
      ),
    );
  }

  /** Says why it does not come the best way. */
  explain(failure: PathFailure): void {
    this.#why.hidden = false;
    const { kind, ...values } = failure;
    setText(this.#why, `viewer.fallback.${kind}`, values);
  }

  /** Another way was chosen. */
  forget(): void {
    this.#why.hidden = true;
  }

  show(stats: WatchStats): void {
    // What MediaSource is fed carries no time of capture: only what passes here is known.
    setText(this.#delayOf, stats.path === 'mse' ? 'viewer.delay.here' : 'viewer.delay');
    this.#delay.textContent = stats.delayMs === undefined ? '–' : delayText(stats.delayMs);
    this.dataset.quality = stats.quality;
    setText(this.#quality, `viewer.quality.${stats.quality}`);
    const whole = (value: number) => Math.round(value).toLocaleString(language());
    this.#numbers.textContent = [
      t('viewer.numbers.fps', { value: whole(stats.shownPerSecond) }),
      bitrateText(stats.kilobitsPerSecond),
      t('viewer.numbers.shown', { value: whole(stats.frames) }),
      t('viewer.numbers.skipped', { value: whole(stats.skipped) }),
      t('viewer.numbers.buffer', { value: whole(stats.bufferMs) }),
      stats.path ? t(`viewer.path.${stats.path}`) : '',
    ]
      .filter((part) => part !== '')
      .join(' · ');
  }
}

customElements.define('reception-line', ReceptionLine);
