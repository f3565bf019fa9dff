// What a player asks of the browser, which may say no: a picture in a window of its own, or on the whole screen.

import type { Path } from '../player/path.ts';
import { icon } from './icon.ts';
import { setLabel } from './markup.ts';

export async function requestPictureInPicture(path: Path | undefined): Promise<PictureInPictureWindow> {
  const video = path?.pictureInPictureVideo();
  if (!video) throw new DOMException('nothing is played', 'InvalidStateError');
  if (video.readyState < 1) {
    await new Promise((ready) => video.addEventListener('loadedmetadata', ready, { once: true }));
  }
  return video.requestPictureInPicture();
}

export async function togglePictureInPicture(path: Path | undefined): Promise<void> {
  try {
    await (document.pictureInPictureElement ? document.exitPictureInPicture() : requestPictureInPicture(path));
  } catch {
    // The browser or the person said no.
  }
}

export async function toggleFullscreen(player: HTMLElement, path: Path | undefined): Promise<void> {
  try {
    if (document.fullscreenElement === player) await document.exitFullscreen();
    else if (player.requestFullscreen) await player.requestFullscreen();
    else {
      // iPhones only enlarge a video element.
      const video = path?.element as { webkitEnterFullscreen?: () => void } | undefined;
      video?.webkitEnterFullscreen?.();
    }
  } catch {
    // The browser said no.
  }
}

/** The button leads where the player is not. */
export function showFullscreen(player: HTMLElement, button: HTMLElement): void {
  const isFull = document.fullscreenElement === player;
  button.querySelector('svg')?.replaceWith(icon(isFull ? 'fullscreen-leave' : 'fullscreen'));
  setLabel(button, 'aria-label', isFull ? 'player.fullscreen.leave' : 'player.fullscreen');
}
