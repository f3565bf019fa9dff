// The pages' icons: strokes on a field of 24, drawn with the colour of the text around them.

const NAMESPACE = 'http://www.w3.org/2000/svg';

const PATHS = {
  camera: 'M3 8.500a2 2 0 0 1 2-2h8a2 2 0 0 1 2 2v7a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2z M15 10.500l6-3.500v10l-6-3.500',
  screen: 'M3 5.500h18v11H3z M8 20.500h8 M12 16.500v4',
  test: 'M4 4.500h16v15H4z M9.300 4.500v15 M14.700 4.500v15 M4 14.500h16',
  microphone: 'M12 3a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3z M5.500 11a6.500 6.500 0 0 0 13 0 M12 17.500V21',
  'microphone-off':
    'M15 9.500V6a3 3 0 0 0-5.800-1 M9 9v2a3 3 0 0 0 4.600 2.500 M5.500 11a6.500 6.500 0 0 0 10.300 5.300 M18.500 11a6.500 6.500 0 0 1-.6 2.700 M12 17.500V21 M4 4l16 16',
  play: 'M7 5l12 7-12 7z',
  pause: 'M8 5v14 M16 5v14',
  stop: 'M6.500 6.500h11v11h-11z',
  copy: 'M9 9h11v11H9z M5 15H4V4h11v1',
  check: 'M5 12.500l4.500 4.500L19 7.500',
  users:
    'M9 11a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7z M2.500 20a6.500 6.500 0 0 1 13 0 M16 4.500a3.500 3.500 0 0 1 0 6.500 M18 14a6.500 6.500 0 0 1 3.500 6',
  clock: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z M12 7v5l3.500 2',
  server: 'M4 4.500h16v6H4z M4 13.500h16v6H4z M7.500 7.500v.1 M7.500 16.500v.1',
  peers:
    'M6.500 14.500a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5z M17.500 14.500a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5z M9 12h6',
  signal: 'M4 19v-4 M9.300 19v-7 M14.700 19v-10 M20 19V5',
  sound:
    'M4 9.500v5h3.500L12 18.500v-13L7.500 9.500z M15.500 9a4.200 4.200 0 0 1 0 6 M18.300 6.200a8.200 8.200 0 0 1 0 11.600',
  'sound-off': 'M4 9.500v5h3.500L12 18.500v-13L7.500 9.500z M16 9.500l5 5 M21 9.500l-5 5',
  fullscreen: 'M4 9V4h5 M15 4h5v5 M20 15v5h-5 M9 20H4v-5',
  'fullscreen-leave': 'M9 4v5H4 M20 9h-5V4 M15 20v-5h5 M4 15h5v5',
  pip: 'M3 5h18v14H3z M12.500 12h6v4.500h-6z',
  send: 'M4 12l16-8-5 16-3.500-6.500z M11.500 13.500L20 4',
  share: 'M12 15V4 M8 7.500L12 3.500l4 4 M5 12v8h14v-8',
  sun: 'M12 16.500a4.500 4.500 0 1 0 0-9 4.500 4.500 0 0 0 0 9z M12 2v2.500 M12 19.500V22 M2 12h2.500 M19.500 12H22 M4.900 4.900l1.800 1.800 M17.300 17.300l1.800 1.800 M19.100 4.900l-1.800 1.800 M6.700 17.300l-1.800 1.800',
  moon: 'M20 14.500A8.500 8.500 0 0 1 9.500 4 8.500 8.500 0 1 0 20 14.500z',
  auto: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z M12 3v18 M12 8l6.500-2 M12 13l8.800-2 M12 18l7-2',
  warning: 'M12 3.500L2.500 20h19z M12 10v4.500 M12 17.500v.1',
  close: 'M6 6l12 12 M18 6L6 18',
  pen: 'M4 20l1-4.500L16.500 4l3.500 3.500L8.500 19z',
} as const;

export type IconName = keyof typeof PATHS;

export function icon(name: IconName): SVGSVGElement {
  const svg = document.createElementNS(NAMESPACE, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(NAMESPACE, 'path');
  path.setAttribute('d', PATHS[name]);
  svg.append(path);
  return svg;
}
