/**
 * Sets anew what a page set before the element was defined: until then it is a plain property that hides the element's own.
 */
export function takeEarlyProperties<E extends HTMLElement>(element: E, names: readonly (keyof E & string)[]): void {
  for (const name of names) {
    if (!Object.hasOwn(element, name)) continue;
    const value = element[name];
    delete element[name];
    element[name] = value;
  }
}
