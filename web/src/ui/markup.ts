// Builds the page's markup from code. What a person typed only ever becomes a text node: there is no way in this file to
// make HTML out of a string, and nothing else makes any.

import type { TextKey } from '../i18n/es.ts';
import { onLanguage, t, type Values } from '../i18n/language.ts';

export type Child = Node | string | null | undefined | false;

export interface Options {
  class?: string;
  id?: string;
  /** A text of the current language, kept right when the language changes. */
  text?: TextKey;
  values?: Values;
  /** Attributes whose values are texts: `aria-label`, `title`, `placeholder`. */
  labels?: Partial<Record<'aria-label' | 'title' | 'placeholder', TextKey>>;
  attributes?: Record<string, string | number | boolean | undefined>;
  on?: { [E in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[E]) => void };
}

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  options: Options = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (options.class) element.className = options.class;
  if (options.id) element.id = options.id;
  for (const [name, value] of Object.entries(options.attributes ?? {})) {
    if (value === true) element.setAttribute(name, '');
    else if (value !== false && value !== undefined) element.setAttribute(name, String(value));
  }
  for (const [name, key] of Object.entries(options.labels ?? {})) setLabel(element, name, key);
  for (const [event, handler] of Object.entries(options.on ?? {})) {
    element.addEventListener(event, handler as EventListener);
  }
  if (options.text) element.append(localized(options.text, options.values));
  element.append(
    ...children.filter((child): child is Node | string => child instanceof Node || typeof child === 'string'),
  );
  return element;
}

const updates = new WeakMap<Node, Map<string, () => void>>();
const localizedNodes = new Set<WeakRef<Node>>();

onLanguage(() => {
  for (const reference of localizedNodes) {
    const node = reference.deref();
    if (node) for (const update of updates.get(node)?.values() ?? []) update();
    else localizedNodes.delete(reference);
  }
});

/** Runs `update` now and after every change of the language, for as long as the node lives. One update per `slot`. */
export function keepLocalized(node: Node, slot: string, update: () => void): void {
  let slots = updates.get(node);
  if (!slots) {
    slots = new Map();
    updates.set(node, slots);
    localizedNodes.add(new WeakRef(node));
  }
  slots.set(slot, update);
  update();
}

/** A text node in the current language. */
export function localized(key: TextKey, values: Values = {}): Text {
  const node = document.createTextNode('');
  keepLocalized(node, 'text', () => {
    node.data = t(key, values);
  });
  return node;
}

/** Makes the element's whole content this text. */
export function setText(element: Element, key: TextKey, values: Values = {}): void {
  keepLocalized(element, 'text', () => {
    element.textContent = t(key, values);
  });
}

export function setLabel(element: Element, attribute: string, key: TextKey, values: Values = {}): void {
  keepLocalized(element, attribute, () => element.setAttribute(attribute, t(key, values)));
}
