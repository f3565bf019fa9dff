// How a phone comes to trust this server in LAN mode, and the proof that it does.
//
// Over plain HTTP the page shows a computer the code to scan and a phone the steps to take, and asks the same server over
// HTTPS every second whether it is trusted by now. Over HTTPS it shows what that has brought. What a phone scanned at the
// server's machine lets it go live without the operator's key: the page hands that on, behind the `#`.

import '../ui/app-header.ts';
import type { TextKey } from '../i18n/es.ts';
import { addTexts } from '../i18n/language.ts';
import { trustTexts } from '../i18n/trust.ts';
import { icon } from '../ui/icon.ts';
import { h, setText } from '../ui/markup.ts';
import { pairingCode } from '../wire/publish-key.ts';
import { startPage } from './page.ts';
import './trust.css';

const ASK_EVERY_MS = 1_000;
/** The server's own machine, as it calls itself. */
const HERE = /^(localhost|127\.0\.0\.1|\[::1\])$/;

interface About {
  address: string | null;
  httpsPort: number;
  fingerprint: string;
}

/** What a page at the server's own machine is given to show. */
interface Code {
  code: string;
  address: string | null;
  picture: string | null;
  seconds: number;
}

type Device = 'ios' | 'android' | 'other';

const STEPS: Record<Device, { heading: TextKey; file: string; get: TextKey; steps: TextKey[] }> = {
  ios: {
    heading: 'trust.ios',
    file: '/trust/abanico-ca.mobileconfig',
    get: 'trust.ios.get',
    steps: ['trust.ios.1', 'trust.ios.2', 'trust.ios.3'],
  },
  android: {
    heading: 'trust.android',
    file: '/trust/abanico-ca.crt',
    get: 'trust.android.get',
    steps: ['trust.android.1', 'trust.android.2', 'trust.android.3'],
  },
  other: {
    heading: 'trust.other',
    file: '/trust/abanico-ca.crt',
    get: 'trust.android.get',
    steps: ['trust.other.1', 'trust.other.2'],
  },
};

addTexts(trustTexts);
pairingCode.takeFrom();
const main = startPage('trust.title', { goLive: false }, []);
const response = await fetch('/trust/about.json');
const about = (await response.json()) as About;
if (location.protocol === 'https:') prove();
else await guide();

/** Takes a device through it, and goes on by itself when it is done. */
async function guide(): Promise<void> {
  const device = deviceOf(navigator.userAgent, navigator.maxTouchPoints);
  const others = (['ios', 'android', 'other'] as const).filter((other) => other !== device);
  const secure = `https://${location.hostname}:${about.httpsPort}`;
  const waiting = h('p', { class: 'quiet', text: 'trust.waiting', attributes: { role: 'status' } });
  const scan = about.address !== null && scanned(about.address);
  const steps = h('section', { class: 'card' }, stepsOf(device), waiting);
  const more = h(
    'section',
    { class: 'card others' },
    ...others.map((other) => h('details', {}, h('summary', { text: STEPS[other].heading }), stepsOf(other))),
    h('p', { class: 'quiet small', text: 'trust.what' }),
    h('p', { class: 'small', text: 'trust.fingerprint' }),
    h('code', { class: 'fingerprint' }, about.fingerprint),
  );
  const words = [h('h1', { text: 'trust.heading' }), h('p', { class: 'lead quiet', text: 'trust.lead' })];
  // A phone has scanned it already.
  const order = device === 'other' ? [scan, steps, more] : [steps, more, scan];
  main.append(h('div', { class: 'trust' }, ...words, ...order));

  if (scan && HERE.test(location.hostname)) void showCodes(scan);

  const code = pairingCode.get();
  const withCode = code === null ? '' : `#pair=${encodeURIComponent(code)}`;
  let isTrusting = await isTrusted(secure);
  // A phone that was through this before has nothing to read here.
  if (isTrusting && code !== null) {
    pairingCode.set(null);
    location.replace(`${secure}/streamer.html${withCode}`);
    return;
  }
  while (!isTrusting) {
    await pause(ASK_EVERY_MS);
    isTrusting = await isTrusted(secure);
  }
  setText(waiting, 'trust.works');
  waiting.className = 'works';
  const next = h(
    'a',
    { class: 'button primary big', id: 'trusted', attributes: { href: `${secure}/trust${withCode}` } },
    icon('check'),
    h('span', { text: 'trust.next' }),
  );
  waiting.after(next);
}

/** The code that leads a phone here. */
function scanned(address: string): HTMLElement {
  return h(
    'section',
    { class: 'card scan' },
    h('img', { attributes: { src: '/trust/qr.svg', width: 220, height: 220, alt: '' } }),
    h('div', {}, h('h2', { text: 'trust.scan' }), h('p', { text: 'trust.scan.text' }), addressLine(address)),
  );
}

/** At the server's own machine the code also lets a phone go live; before it has run out, another is shown. */
async function showCodes(scan: HTMLElement): Promise<void> {
  const picture = scan.querySelector('img');
  const explained = h('p', { class: 'quiet small', id: 'code', text: 'trust.scan.code' });
  for (;;) {
    const response = await fetch('/trust/code', { method: 'POST' });
    if (response.status !== 200) return;
    const shown = (await response.json()) as Code;
    if (!picture || shown.picture === null) return;
    picture.src = `data:image/svg+xml,${encodeURIComponent(shown.picture)}`;
    if (!explained.isConnected) scan.querySelector('div')?.append(explained);
    await pause((shown.seconds * 1_000) / 2);
  }
}

function pause(time: number): Promise<void> {
  return new Promise((done) => setTimeout(done, time));
}

/** Shows what HTTPS has brought, each thing as it is found. */
function prove(): void {
  const line = (id: string, holds: boolean, good: TextKey, bad: TextKey): HTMLElement =>
    h(
      'li',
      { id, class: holds ? 'good' : 'bad' },
      icon(holds ? 'check' : 'warning'),
      h('span', { text: holds ? good : bad }),
    );
  const hasCamera = navigator.mediaDevices?.getUserMedia !== undefined;
  const proofs = h(
    'ul',
    { class: 'proofs' },
    line('proof-https', true, 'trust.proof.https', 'trust.proof.https'),
    line('proof-secure', isSecureContext, 'trust.proof.secure', 'trust.proof.insecure'),
    line('proof-camera', hasCamera, 'trust.proof.camera', 'trust.proof.no-camera'),
  );
  const preview = h('video', { attributes: { muted: true, autoplay: true, playsinline: true, hidden: true } });
  preview.muted = true;
  const said = h('p', { attributes: { role: 'status' } });
  const trial = h(
    'button',
    {
      class: 'button',
      id: 'try-camera',
      attributes: { type: 'button', disabled: !hasCamera },
      on: {
        click: () => {
          void tryCamera(preview, said);
        },
      },
    },
    h('span', { text: 'trust.try' }),
  );
  const live = h(
    'a',
    { class: 'button primary big', attributes: { href: '/streamer.html' } },
    icon('camera'),
    h('span', { text: 'app.golive' }),
  );
  main.append(
    h(
      'div',
      { class: 'trust' },
      h('h1', { text: 'trust.proof.heading' }),
      h('section', { class: 'card' }, proofs, preview, said, h('div', { class: 'choices' }, live, trial)),
    ),
  );
}

async function tryCamera(preview: HTMLVideoElement, said: HTMLElement): Promise<void> {
  try {
    preview.srcObject = await navigator.mediaDevices.getUserMedia({ video: true });
    preview.hidden = false;
    setText(said, 'trust.try.works');
  } catch (error) {
    setText(said, 'trust.try.fails', { reason: error instanceof Error ? error.name : String(error) });
  }
}

async function isTrusted(secure: string): Promise<boolean> {
  try {
    return (await fetch(`${secure}/trust/about.json`, { cache: 'no-store' })).ok;
  } catch {
    return false;
  }
}

function stepsOf(device: Device): HTMLElement {
  const { heading, file, get, steps } = STEPS[device];
  return h(
    'div',
    { class: 'steps' },
    h('h2', { text: heading }),
    h(
      'ol',
      {},
      h('li', {}, h('a', { class: 'button primary', attributes: { href: file } }, h('span', { text: get }))),
      ...steps.map((step) => h('li', { text: step })),
    ),
  );
}

function addressLine(address: string): HTMLElement {
  return h('p', {}, h('a', { attributes: { href: address } }, address));
}

/** Which steps to show first. An iPad calls itself a Mac, and has fingers. */
function deviceOf(agent: string, touchPoints: number): Device {
  if (/iPhone|iPad|iPod/.test(agent) || (agent.includes('Macintosh') && touchPoints > 1)) return 'ios';
  return agent.includes('Android') ? 'android' : 'other';
}
