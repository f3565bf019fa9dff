// Picture and sound: source, devices, microphone, mode and quality. Says `wish` whenever one changed; the wishes are its
// properties, and the browser remembers them.

import type { TextKey } from '../i18n/es.ts';
import { bitrateText, t } from '../i18n/language.ts';
import { DELIVERIES, type Delivery } from '../peer/delivery.ts';
import {
  DEFAULT_QUALITY,
  expectedBitsPerSecond,
  MODES,
  type Mode,
  QUALITIES,
  type Quality,
  type Settings,
  settingsFor,
} from '../publish/presets.ts';
import { listDevices, SOURCES, type SourceKind, type SourceWish } from '../publish/source.ts';
import { preference } from '../wire/identity.ts';
import { type IconName, icon } from './icon.ts';
import type { LevelBar } from './level-bar.ts';
import './level-bar.ts';
import { h, keepLocalized, localized, setText } from './markup.ts';
import { type SegmentedChoice, segmentedChoice } from './segmented-choice.ts';
import './source-settings.css';

const SOURCE_ICONS: Record<SourceKind, IconName> = { camera: 'camera', screen: 'screen', test: 'test' };

/** What changed: the picture must be opened anew, or only sent in another way, or the microphone went on or off. */
export type WishChange = 'source' | 'settings' | 'microphone' | 'delivery';

export class SourceSettings extends HTMLElement {
  #source = remembered('source', SOURCES, 'camera');
  #mode = remembered('mode', MODES, 'live');
  #quality: Quality = remembered('quality', QUALITIES, DEFAULT_QUALITY[this.#mode]);
  #delivery = remembered('delivery', DELIVERIES, 'auto');
  #isMicrophoneOn = preference.get('microphone') !== 'off';
  readonly level = document.createElement('level-bar') as LevelBar;
  readonly #cameras = h('select', { class: 'input' });
  readonly #microphones = h('select', { class: 'input' });
  readonly #cameraField = h(
    'label',
    { class: 'field' },
    h('span', { class: 'name', text: 'streamer.camera' }),
    this.#cameras,
  );
  readonly #microphoneField = h(
    'label',
    { class: 'field' },
    h('span', { class: 'out-of-sight', text: 'streamer.microphone' }),
    this.#microphones,
  );
  readonly #microphoneSwitch = h('button', { class: 'button', id: 'microphone', attributes: { type: 'button' } });
  readonly #about = h('p', { class: 'small quiet' });
  readonly #aboutDelivery = h('p', { class: 'small quiet' });
  readonly #noSound = h('p', { class: 'small quiet', text: 'streamer.microphone.pictures' });
  readonly #sound = h(
    'div',
    { class: 'sound' },
    h('div', { class: 'switch' }, this.#microphoneSwitch, this.level),
    this.#microphoneField,
  );
  #qualityChoice: SegmentedChoice<Quality> | undefined;

  connectedCallback(): void {
    if (this.childElementCount > 0) return;
    const sources = segmentedChoice(
      'streamer.source',
      SOURCES.map((value) => ({ value, label: `streamer.source.${value}` as const, icon: SOURCE_ICONS[value] })),
      this.#source,
      (value) => {
        this.#source = value;
        preference.set('source', value);
        this.#changed('source');
      },
      'tiles',
    );
    const modes = segmentedChoice(
      'streamer.mode',
      MODES.map((value) => ({
        value,
        label: `streamer.mode.${value}` as const,
        text: `streamer.mode.${value}.text` as const,
      })),
      this.#mode,
      (value) => this.#setMode(value),
      'cards',
    );
    this.#qualityChoice = segmentedChoice(
      'streamer.quality',
      QUALITIES.map((value) => ({ value, label: { plain: value } })),
      this.#quality,
      (value) => {
        this.#quality = value;
        preference.set('quality', value);
        this.#changed('settings');
      },
    );
    const deliveries = segmentedChoice(
      'delivery',
      DELIVERIES.map((value) => ({ value, label: `delivery.${value}` as const })),
      this.#delivery,
      (value) => {
        this.#delivery = value;
        preference.set('delivery', value);
        this.#changed('delivery');
      },
    );
    this.#cameras.addEventListener('change', () => {
      preference.set('camera', this.#cameras.value);
      this.#changed('source');
    });
    this.#microphones.addEventListener('change', () => {
      preference.set('microphone-device', this.#microphones.value);
      this.#changed('source');
    });
    this.#microphoneSwitch.addEventListener('click', () => {
      this.#isMicrophoneOn = !this.#isMicrophoneOn;
      preference.set('microphone', this.#isMicrophoneOn ? 'on' : 'off');
      this.#changed('microphone');
    });
    this.append(
      group('streamer.source', sources, this.#cameraField),
      group('streamer.mode', modes),
      group('streamer.quality', this.#qualityChoice, this.#about),
      group('delivery', deliveries, this.#aboutDelivery),
      group('streamer.microphone', this.#sound, this.#noSound),
    );
    this.#show();
    void this.refreshDevices();
    navigator.mediaDevices?.addEventListener?.('devicechange', () => void this.refreshDevices());
  }

  get settings(): Settings {
    return settingsFor(this.#mode, this.#quality);
  }

  get delivery(): Delivery {
    return this.#delivery;
  }

  get isMicrophoneOn(): boolean {
    return this.#isMicrophoneOn;
  }

  get wish(): SourceWish {
    const { settings } = this;
    const { width, height, framesPerSecond } = settings;
    return {
      kind: this.#source,
      width,
      height,
      framesPerSecond: settings.kind === 'picture' ? 30 : framesPerSecond,
      cameraId: this.#cameras.value || preference.get('camera') || undefined,
      microphoneId:
        settings.kind !== 'picture' && this.#isMicrophoneOn
          ? this.#microphones.value || preference.get('microphone-device') || ''
          : undefined,
    };
  }

  /** Names are known only after a permission was given once: call again then. */
  async refreshDevices(): Promise<void> {
    const { cameras, microphones } = await listDevices();
    fillDevices(this.#cameras, cameras, preference.get('camera'));
    fillDevices(this.#microphones, microphones, preference.get('microphone-device'));
    this.#show();
  }

  /** The chosen device is gone: whatever there is will do. */
  forgetDevices(): void {
    preference.set('camera', null);
    preference.set('microphone-device', null);
    this.#cameras.value = '';
    this.#microphones.value = '';
  }

  #setMode(mode: Mode): void {
    const hadSound = this.settings.kind !== 'picture';
    // A quality that nobody chose on purpose goes with the mode.
    if (this.#quality === DEFAULT_QUALITY[this.#mode]) this.#quality = DEFAULT_QUALITY[mode];
    this.#mode = mode;
    preference.set('mode', mode);
    preference.set('quality', this.#quality);
    if (this.#qualityChoice) this.#qualityChoice.value = this.#quality;
    const needsSource = hadSound !== (this.settings.kind !== 'picture');
    this.#changed(needsSource ? 'source' : 'settings');
  }

  #changed(change: WishChange): void {
    this.#show();
    this.dispatchEvent(new CustomEvent<WishChange>('wish', { detail: change }));
  }

  #show(): void {
    const { settings } = this;
    this.#cameraField.hidden = this.#source !== 'camera' || this.#cameras.options.length < 3;
    this.#microphoneField.hidden = !this.#isMicrophoneOn || this.#microphones.options.length < 3;
    this.#sound.hidden = settings.kind === 'picture';
    this.#noSound.hidden = settings.kind !== 'picture';
    setText(this.#aboutDelivery, `streamer.delivery.${this.#delivery}`);
    this.level.hidden = !this.#isMicrophoneOn;
    this.#microphoneSwitch.setAttribute('aria-pressed', String(this.#isMicrophoneOn));
    const words = h('span');
    setText(words, this.#isMicrophoneOn ? 'streamer.microphone.on' : 'streamer.microphone.off');
    this.#microphoneSwitch.replaceChildren(icon(this.#isMicrophoneOn ? 'microphone' : 'microphone-off'), words);
    keepLocalized(this.#about, 'text', () => {
      const { width, height, framesPerSecond: fps } = this.settings;
      const rate = bitrateText(expectedBitsPerSecond(this.settings) / 1_000);
      this.#about.textContent = t('streamer.quality.about', { width, height, fps, rate });
    });
  }
}

function group(legend: TextKey, ...content: Node[]): HTMLElement {
  return h('section', { class: 'group' }, h('h3', { class: 'legend', text: legend }), ...content);
}

function fillDevices(select: HTMLSelectElement, devices: readonly MediaDeviceInfo[], chosen: string | null): void {
  const usual = h('option', { attributes: { value: '' } }, localized('streamer.device.default'));
  select.replaceChildren(
    usual,
    ...devices.map((device, i) => h('option', { attributes: { value: device.deviceId } }, device.label || `#${i + 1}`)),
  );
  select.value = devices.some((device) => device.deviceId === chosen) ? (chosen ?? '') : '';
}

function remembered<V extends string>(name: string, values: readonly V[], usual: V): V {
  const stored = preference.get(name);
  return values.find((value) => value === stored) ?? usual;
}

customElements.define('source-settings', SourceSettings);
