import { BinaryWriter } from "@bufbuild/protobuf/wire";

/** What ts-proto generates for a message, as far as it is needed here. */
type MessageType<Message, Partial> = {
  encode(message: Message, writer: BinaryWriter): BinaryWriter;
  fromPartial(partial: Partial): Message;
};

/** A message that is on the wire as it is: an answer, or a request that many wait to be sent with. It stands where generated code has a writer. */
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

/** For one message after the other: its buffer takes longer to make than a small message. It stays as large as the largest one was. */
const writer = new BinaryWriter();

/** A message by itself. */
export function encoded<Message, Partial>(type: MessageType<Message, Partial>, partial: Partial): Uint8Array {
  try {
    type.encode(type.fromPartial(partial), writer);
    return writer.finish();
  } catch (error) {
    // What was written of it would stand before the next one.
    writer.finish();
    throw error;
  }
}

/** Encodes answers of a type one after the other, unless they are encoded already. Some types know no part of a message. */
export function answerEncoder(type: {
  encode(message: never, writer: BinaryWriter): BinaryWriter;
  fromPartial?(partial: never): unknown;
}): (answer: unknown) => EncodedAnswer {
  const { encode, fromPartial = (answer) => answer } = type as MessageType<unknown, unknown>;
  return (answer) => (answer instanceof EncodedAnswer ? answer : new EncodedAnswer(encoded({ encode, fromPartial }, answer)));
}

/** The tag of `repeated Item items = 1`, with which every answer of a list begins, and every batch of checks; also of `Item item = 1`. */
const itemsTag = (1 << 3) | 2;

/** The answer of a list, or a batch: its items were encoded one by one, as they came, since all of them at once would hold the event loop. */
export function listAnswer<Message, Partial>(
  type: MessageType<Message, Partial>,
  items: readonly Uint8Array[],
  rest: Partial,
): Partial {
  return new EncodedAnswer(encodedList(type, items, rest)) as unknown as Partial;
}

/** The same in bytes. */
export function encodedList<Message, Partial>(
  type: MessageType<Message, Partial>,
  items: readonly Uint8Array[],
  rest: Partial,
): Uint8Array {
  const list = new BinaryWriter();
  for (const item of items) list.uint32(itemsTag).bytes(item);
  return list.raw(encoded(type, rest)).finish();
}
