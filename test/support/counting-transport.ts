import type { ParticipantTransport } from "../../src/commit/ports.ts";

/** Of the stream, not of a transaction. */
const streamMessages = new Set(["hello", "welcome", "heartbeat"]);

/** Tells the type of each message of a transaction that enters or leaves a participant's stream. */
export function countingTransport(transport: ParticipantTransport, count: (type: string) => void): ParticipantTransport {
  async function* counting<Item extends { readonly message: { readonly type: string } }>(items: AsyncIterable<Item>) {
    for await (const item of items) {
      if (!streamMessages.has(item.message.type)) count(item.message.type);
      yield item;
    }
  }
  return {
    name: transport.name,
    open: (outgoing, signal) => counting(transport.open(counting(outgoing), signal)),
  };
}
