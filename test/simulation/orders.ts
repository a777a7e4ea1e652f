import type { Order } from "./ledger.ts";
import type { Behaviour } from "./resource.ts";

/** What clients have asked for. The payload of each part names its order, so a participant knows what it is to answer. */
export type Orders = {
  add(parts: ReadonlyMap<string, Behaviour>, isRepeatable: boolean): Order;
  of(payload: Uint8Array): Order | undefined;
};

export function createOrders(): Orders {
  const orders: Order[] = [];
  return {
    add(parts, isRepeatable) {
      const number = orders.length;
      const order: Order = { number, parts, requestId: isRepeatable ? `r${number}` : undefined };
      orders.push(order);
      return order;
    },
    // Of what an operator has resolved, the work is in the log no more.
    of: (payload) => (payload.byteLength === 0 ? undefined : orders[Number(new TextDecoder().decode(payload))]),
  };
}

export const payloadOf = ({ number }: Order): Uint8Array => new TextEncoder().encode(String(number));
