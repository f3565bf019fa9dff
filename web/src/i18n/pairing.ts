// What the streamer's page says of a code that was scanned. No other page carries it.

const es = {
  'pairing.works': 'Este aparato ya puede emitir sin clave.',
  'pairing.fails':
    'El código que escaneaste ha caducado o ya se usó. La página /trust muestra otro en el ordenador del servidor; o emite con la clave.',
} as const;

export type PairingKey = keyof typeof es;

const en: Record<PairingKey, string> = {
  'pairing.works': 'This device may go live without a key.',
  'pairing.fails':
    'The code that you scanned has run out, or was used. On the server’s computer the page /trust shows another; or go live with the key.',
};

export const pairingTexts = { es, en };
