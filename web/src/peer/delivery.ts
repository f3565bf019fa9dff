// How a viewer gets a stream, or a publisher gives it: through the server, straight from one page to the other, or as it
// is best. Pure.

export const DELIVERIES = ['auto', 'central', 'p2p'] as const;
export type Delivery = (typeof DELIVERIES)[number];

export function deliveryFrom(text: string | null): Delivery {
  return DELIVERIES.find((delivery) => delivery === text) ?? 'auto';
}
