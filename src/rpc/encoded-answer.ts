import { BinaryWriter } from "@bufbuild/protobuf/wire";

/** What ts-proto generates for a message, as far as it is needed here. */
type MessageType<Message, Partial> = {
  encode(message: Message): { finish(): Uint8Array };
  fromPartial(partial: Partial): Message;
};

/** An answer that is on the wire as it is. It stands where generated code has a writer. */
export class EncodedAnswer {
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  finish(): Uint8Array {
    return this.#bytes;
  }
}

/** A message type that also takes what is encoded already. */
export function orEncoded<Type extends { encode: unknown; fromPartial?: unknown }>(type: Type): Type {
  const pass = (make: unknown) => (value: unknown) =>
    value instanceof EncodedAnswer ? value : (make as (value: unknown) => unknown)(value);
  return { ...type, encode: pass(type.encode), ...(type.fromPartial !== undefined && { fromPartial: pass(type.fromPartial) }) };
}

/** A message by itself. */
export const encoded = <Message, Partial>(type: MessageType<Message, Partial>, partial: Partial): Uint8Array =>
  type.encode(type.fromPartial(partial)).finish();

/** The tag of `repeated Item items = 1`, with which every answer of a list begins. */
const itemsTag = (1 << 3) | 2;

/** The answer of a list: its items were encoded one by one, as they were found, since all of them at once would hold the event loop. */
export function listAnswer<Message, Partial>(
  type: MessageType<Message, Partial>,
  items: readonly Uint8Array[],
  rest: Partial,
): Partial {
  const writer = new BinaryWriter();
  for (const item of items) writer.uint32(itemsTag).bytes(item);
  return new EncodedAnswer(writer.raw(encoded(type, rest)).finish()) as unknown as Partial;
}
