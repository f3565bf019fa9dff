// What the player's surface shows: one picture in front, and perhaps the next one beginning behind it.
//
// Elements are never moved, because a video that is moved may stop: which is in front is a class.

/** Shows `element`; of the others only `behind` stays. */
export function showInFront(surface: HTMLElement, element: HTMLElement, behind: HTMLElement | undefined): void {
  for (const other of [...surface.children]) if (other !== element && other !== behind) other.remove();
  if (element.parentElement !== surface) surface.append(element);
  element.classList.remove('behind');
  behind?.classList.add('behind');
}

export function putBehind(surface: HTMLElement, element: HTMLElement): void {
  element.classList.add('behind');
  if (element.parentElement !== surface) surface.append(element);
}
