// Which server an element speaks to: its attribute, or where its script came from, or the page's own.

/** Where the script was loaded from; only known while it runs for the first time, and not for modules. */
const scriptOrigin = (() => {
  const script = globalThis.document?.currentScript;
  // On a server, where a page is rendered, there are no scripts to look for.
  return script && script instanceof HTMLScriptElement && script.src ? new URL(script.src).origin : undefined;
})();

/** The origin of the element's server: `server`, or that of `src`, or the script's, or the page's. */
export function serverOf(element: Element): string {
  const server = element.getAttribute('server');
  if (server) return new URL(server, location.href).origin;
  const src = element.getAttribute('src');
  if (src && /^https?:/.test(src)) return new URL(src).origin;
  return scriptOrigin ?? location.origin;
}
