// A place for a link or a key that somebody was given.

import { keyFrom } from '../wire/streams.ts';
import { icon } from './icon.ts';
import { h } from './markup.ts';
import './join-form.css';

export class JoinForm extends HTMLElement {
  connectedCallback(): void {
    if (this.childElementCount > 0) return;
    const input = h('input', {
      class: 'input',
      attributes: {
        type: 'text',
        autocomplete: 'off',
        spellcheck: 'false',
        required: true,
        'aria-describedby': 'join-bad',
      },
      labels: { placeholder: 'home.join.placeholder' },
    });
    const bad = h('p', {
      id: 'join-bad',
      class: 'small bad',
      text: 'home.join.bad',
      attributes: { role: 'alert', hidden: true },
    });
    input.addEventListener('input', () => {
      bad.hidden = true;
    });
    this.append(
      h(
        'form',
        {
          on: {
            submit: (event) => {
              event.preventDefault();
              const key = keyFrom(input.value);
              if (key) location.assign(`/watch/${encodeURIComponent(key)}`);
              else bad.hidden = false;
            },
          },
        },
        h('label', { class: 'field' }, h('span', { class: 'name', text: 'home.join.label' }), input),
        h(
          'button',
          { class: 'button', attributes: { type: 'submit' } },
          icon('play'),
          h('span', { text: 'home.join.go' }),
        ),
      ),
      bad,
    );
  }
}

customElements.define('join-form', JoinForm);
