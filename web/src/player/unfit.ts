// Why MediaSource does not take a recording as its publisher sends it. Pure.
//
// A browser that plays a codec may not do so in every container: our own recorder writes H.264 into Matroska where that is
// quickest, and no browser's MediaSource takes it there. Other ways bring the same pictures in another form.

import type { PathFailure } from './path.ts';
import type { InitTrack } from './webm-init.ts';

/** Codecs that belong into MP4, as Matroska calls them and as people do. */
const MATROSKA_ONLY: Readonly<Record<string, string>> = {
  'V_MPEG4/ISO/AVC': 'H.264',
  'V_MPEGH/ISO/HEVC': 'HEVC',
  A_AAC: 'AAC',
};

/** What is said of a recording with these tracks, of which one is not known to MediaSource, or all together are not. */
export function unfit(tracks: readonly InitTrack[], isMp4: boolean): PathFailure {
  const strange = tracks.find(({ codec }) => codec === null);
  if (!strange) return { kind: 'container', codec: namesOf(tracks), container: isMp4 ? 'MP4' : 'WebM' };
  const name = MATROSKA_ONLY[strange.codecId];
  if (isMp4 || name === undefined) return { kind: 'codec', codec: strange.codecId };
  return { kind: 'container', codec: name, container: 'Matroska' };
}

function namesOf(tracks: readonly InitTrack[]): string {
  return tracks.map(({ codecId }) => codecId.replace(/^[VA]_/, '')).join(' + ');
}
