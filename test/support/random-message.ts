import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import fc from "fast-check";

/** A source of decisions. At its end it says 0, so that what is made from it ends. */
export type Tape = { below(count: number): number };

export function tapeOf(bytes: Uint8Array): Tape {
  let at = 0;
  return { below: (count) => (bytes[at++] ?? 0) % count };
}

export const tapes = fc.uint8Array({ maxLength: 200 });

/** Struct values nest; the contract's messages do so less. */
const depthMax = 8;

/** What is said in the fields of a message. */
export type Vocabulary = {
  /** How often it is there: 0 or 1, or more of a list or a map. */
  readonly count: (field: DescField, tape: Tape) => number;
  readonly text: (field: DescField, tape: Tape) => string;
  readonly integer: (field: DescField, tape: Tape) => bigint;
  readonly double: (tape: Tape) => number;
};

export function oneOf<T>(choices: readonly [T, ...T[]], tape: Tape): T {
  return choices[tape.below(choices.length)] ?? choices[0];
}

/** The bytes of a message of this type: well-formed, and, in a wild vocabulary, often against the rules of its fields. */
export function randomMessage(descriptor: DescMessage, tape: Tape, depth = 0, words: Vocabulary = wild): Uint8Array {
  const writer = new BinaryWriter();
  for (const field of descriptor.fields) {
    // A value without a kind is no value.
    const isChoice = descriptor.oneofs.some(({ fields }) => fields.includes(field));
    const wanted = isChoice || (field.message !== undefined && depth >= depthMax) ? 0 : words.count(field, tape);
    for (let count = 0; count < wanted; count += 1) writeField(writer, field, tape, depth, words);
  }
  for (const { fields } of descriptor.oneofs) {
    const choices = depth < depthMax ? fields : fields.filter(({ message }) => message === undefined);
    const chosen = choices[tape.below(choices.length)];
    if (chosen !== undefined) writeField(writer, chosen, tape, depth, words);
  }
  return writer.finish();
}

function writeField(writer: BinaryWriter, field: DescField, tape: Tape, depth: number, words: Vocabulary): void {
  if (field.fieldKind !== "map") {
    writeValue(writer, field, field.number, tape, depth, words);
    return;
  }
  writer.uint32((field.number << 3) | WireType.LengthDelimited).fork();
  writer.uint32((1 << 3) | WireType.LengthDelimited).string(words.text(field, tape));
  writeValue(writer, field, 2, tape, depth, words);
  writer.join();
}

const texts: readonly [string, ...string[]] = [
  "",
  "a",
  "wf-1",
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  "😀",
  "\u0000\u001b[31m",
  "x".repeat(300),
];
const doubles: readonly [number, ...number[]] = [
  0,
  1,
  -1.5,
  2 ** 53,
  1e308,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
];
const longs: readonly [bigint, ...bigint[]] = [0n, 1n, 7n, 999_999_999n, 2n ** 31n, 2n ** 53n, 2n ** 63n - 1n, -1n, -(2n ** 63n)];

/** What nobody would say. */
export const wild: Vocabulary = {
  count: ({ fieldKind }, tape) => tape.below(fieldKind === "list" || fieldKind === "map" ? 3 : 2),
  text: (_, tape) => oneOf(texts, tape),
  integer: (_, tape) => oneOf(longs, tape),
  double: (tape) => oneOf(doubles, tape),
};

function writeValue(writer: BinaryWriter, field: DescField, number: number, tape: Tape, depth: number, words: Vocabulary): void {
  const tag = (wireType: WireType) => writer.uint32((number << 3) | wireType);
  if (field.message !== undefined) {
    tag(WireType.LengthDelimited).bytes(randomMessage(field.message, tape, depth + 1, words));
    return;
  }
  if (field.enum !== undefined) {
    tag(WireType.Varint).int32(field.enum.values[tape.below(field.enum.values.length)]?.number ?? 0);
    return;
  }
  switch (field.scalar) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      tag(WireType.LengthDelimited).string(words.text(field, tape));
      return;
    case ScalarType.DOUBLE:
      tag(WireType.Bit64).double(words.double(tape));
      return;
    default:
      tag(WireType.Varint).int64(words.integer(field, tape));
  }
}

/** What may happen to bytes: at a place, with a byte. */
export type Mutation = {
  readonly type: "change" | "insert" | "remove" | "cut" | "repeat";
  readonly at: number;
  readonly byte: number;
};

export const mutations = fc.array(
  fc.record<Mutation>({
    type: fc.constantFrom("change", "insert", "remove", "cut", "repeat"),
    at: fc.nat(400),
    byte: fc.integer({ min: 0, max: 255 }),
  }),
  { minLength: 1, maxLength: 4 },
);

export function spoil(bytes: Uint8Array, mutations: readonly Mutation[]): Uint8Array {
  const spoilt = [...bytes];
  for (const { type, at, byte } of mutations) {
    const place = at % (spoilt.length + 1);
    if (type === "change" && place < spoilt.length) spoilt[place] = byte;
    if (type === "insert") spoilt.splice(place, 0, byte);
    if (type === "remove") spoilt.splice(place, 1);
    if (type === "cut") spoilt.length = place;
    if (type === "repeat") spoilt.splice(place, 0, ...spoilt.slice(0, byte));
  }
  return Uint8Array.from(spoilt);
}
