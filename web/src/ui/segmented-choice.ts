// One of a few, side by side: radio buttons that look like one control. Says `choose` with the value.

import type { TextKey } from '../i18n/es.ts';
import { type IconName, icon } from './icon.ts';
import { h, localized, setLabel } from './markup.ts';
import './segmented-choice.css';

export interface Choice<V extends string> {
  value: V;
  /** A text of the languages, or a name that is the same in all. */
  label: TextKey | { plain: string };
  text?: TextKey;
  icon?: IconName;
  /** Show the icon alone; the label is for those who cannot see it. */
  iconOnly?: boolean;
}

let groups = 0;

export class SegmentedChoice<V extends string = string> extends HTMLElement {
  #value: V | undefined;

  offer(label: TextKey, choices: readonly Choice<V>[], value: V): this {
    const group = `choice-${++groups}`;
    this.#value = value;
    this.setAttribute('role', 'radiogroup');
    setLabel(this, 'aria-label', label);
    this.replaceChildren(
      ...choices.map((choice) => {
        const input = h('input', {
          class: 'out-of-sight',
          attributes: { type: 'radio', name: group, value: choice.value },
          on: {
            change: () => {
              this.#value = choice.value;
              this.dispatchEvent(new CustomEvent('choose', { detail: choice.value }));
            },
          },
        });
        input.checked = choice.value === value;
        const name = typeof choice.label === 'string' ? localized(choice.label) : choice.label.plain;
        const label = h(
          'label',
          {},
          input,
          choice.icon && icon(choice.icon),
          h('span', { class: choice.iconOnly ? 'out-of-sight' : 'label' }, name),
          choice.text && h('span', { class: 'text', text: choice.text }),
        );
        if (choice.iconOnly && typeof choice.label === 'string') setLabel(label, 'title', choice.label);
        return label;
      }),
    );
    return this;
  }

  get value(): V | undefined {
    return this.#value;
  }

  set value(value: V | undefined) {
    this.#value = value;
    for (const input of this.querySelectorAll('input')) input.checked = input.value === value;
  }

  set disabled(disabled: boolean) {
    for (const input of this.querySelectorAll('input')) input.disabled = disabled;
  }
}

customElements.define('segmented-choice', SegmentedChoice);

export function segmentedChoice<V extends string>(
  label: TextKey,
  choices: readonly Choice<V>[],
  value: V,
  choose: (value: V) => void,
  look: 'row' | 'tiles' | 'cards' = 'row',
): SegmentedChoice<V> {
  const element = document.createElement('segmented-choice') as SegmentedChoice<V>;
  element.className = look;
  element.addEventListener('choose', (event) => choose((event as CustomEvent<V>).detail));
  return element.offer(label, choices, value);
}
