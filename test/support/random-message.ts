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

/** The bytes of a message of this type: well-formed, and often against the rules of its fields. */
export function randomMessage(descriptor: DescMessage, tape: Tape, depth = 0): Uint8Array {
  const writer = new BinaryWriter();
  for (const field of descriptor.fields) {
    // A value without a kind is no value.
    const wanted = descriptor.oneofs.some(({ fields }) => fields.includes(field)) ? 0 : countOf(field, tape, depth);
    for (let count = 0; count < wanted; count += 1) writeField(writer, field, tape, depth);
  }
  for (const { fields } of descriptor.oneofs) {
    const choices = depth < depthMax ? fields : fields.filter(({ message }) => message === undefined);
    const chosen = choices[tape.below(choices.length)];
    if (chosen !== undefined) writeField(writer, chosen, tape, depth);
  }
  return writer.finish();
}

function countOf({ fieldKind, message }: DescField, tape: Tape, depth: number): number {
  if (message !== undefined && depth >= depthMax) return 0;
  return fieldKind === "list" || fieldKind === "map" ? tape.below(3) : tape.below(2);
}

function writeField(writer: BinaryWriter, field: DescField, tape: Tape, depth: number): void {
  if (field.fieldKind !== "map") {
    writeValue(writer, field, field.number, tape, depth);
    return;
  }
  writer.uint32((field.number << 3) | WireType.LengthDelimited).fork();
  writer.uint32((1 << 3) | WireType.LengthDelimited).string(texts[tape.below(texts.length)] ?? "");
  writeValue(writer, field, 2, tape, depth);
  writer.join();
}

const texts = [
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
const doubles = [0, 1, -1.5, 2 ** 53, 1e308, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
const longs = [0n, 1n, 7n, 999_999_999n, 2n ** 31n, 2n ** 53n, 2n ** 63n - 1n, -1n, -(2n ** 63n)];

function writeValue(writer: BinaryWriter, field: DescField, number: number, tape: Tape, depth: number): void {
  const tag = (wireType: WireType) => writer.uint32((number << 3) | wireType);
  if (field.message !== undefined) {
    tag(WireType.LengthDelimited).bytes(randomMessage(field.message, tape, depth + 1));
    return;
  }
  if (field.enum !== undefined) {
    tag(WireType.Varint).int32(field.enum.values[tape.below(field.enum.values.length)]?.number ?? 0);
    return;
  }
  switch (field.scalar) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      tag(WireType.LengthDelimited).string(texts[tape.below(texts.length)] ?? "");
      return;
    case ScalarType.DOUBLE:
      tag(WireType.Bit64).double(doubles[tape.below(doubles.length)] ?? 0);
      return;
    default:
      tag(WireType.Varint).int64(longs[tape.below(longs.length)] ?? 0n);
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
