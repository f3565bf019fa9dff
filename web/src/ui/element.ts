// What our elements are: HTML elements whose events a compiler knows, and where there are no elements, on a server that
// renders a page, plain classes that nobody makes one of.

/** The events of an element: those with a detail, and those that media elements have. */
export type EventsOf<Details, Plain extends string> = { [E in keyof Details]: CustomEvent<Details[E]> } & Record<
  Plain,
  Event
>;

export interface Heard<Events> {
  addEventListener<E extends keyof Events>(
    type: E,
    listener: (event: Events[E]) => unknown,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<E extends keyof Events>(
    type: E,
    listener: (event: Events[E]) => unknown,
    options?: boolean | EventListenerOptions,
  ): void;
}

/** What an element with these events extends. */
export function elementWith<Events>(): new () => Heard<Events> & HTMLElement {
  const base = globalThis.HTMLElement ?? class {};
  return base as new () => Heard<Events> & HTMLElement;
}

/** Defines an element, once. */
export function define(name: string, element: CustomElementConstructor): void {
  const elements = globalThis.customElements;
  if (elements && !elements.get(name)) elements.define(name, element);
}

/** A sheet of styles for shadow roots, which only a browser has. */
export function sheetOf(css: string): CSSStyleSheet[] {
  if (typeof CSSStyleSheet === 'undefined') return [];
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  return [sheet];
}
