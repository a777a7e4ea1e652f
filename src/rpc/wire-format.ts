import type { DescMessage } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { fieldCountMax, structBytesMax, structDepthMax, structValueCountMax } from "../kernel/limits.ts";
import type { FieldViolation } from "./errors.ts";
import { type FieldShape, type MessageShape, shapeOf } from "./wire-shape.ts";

export type WireFindings = {
  /** The first thing of which there is too much; the walk has ended there. */
  readonly excess: FieldViolation | undefined;
  /** That were looked at. */
  readonly fieldCount: number;
};

/**
 * Walks over the bytes of a message before anything is made of them. Counts what would become objects, and finds texts that are longer than
 * their rules allow: what is refused for being too much costs next to nothing. Throws unless each field has its wire type and ends within
 * its message: the decoder looks at neither, and would take the bytes of one field for others.
 */
export function wireWalk(descriptor: DescMessage): (bytes: Uint8Array) => WireFindings {
  const shape = shapeOf(descriptor);
  return (bytes) => {
    const reader = new FieldReader(bytes);
    const excess = excessIn(reader, shape, bytes.length);
    return { excess, fieldCount: reader.fieldCount };
  };
}

/** The library's reader, without what it makes for each field: a pair for its tag, a view of what is skipped. */
class FieldReader extends BinaryReader {
  readonly #source: Uint8Array;
  fieldCount = 0;
  /** The field that has come is a list of numbers in one piece. */
  isPacked = false;
  /** Of the Struct that is being read. */
  valueCount = 0;
  textBytes = 0;

  constructor(source: Uint8Array) {
    super(source);
    this.#source = source;
  }

  /** Reads the tag of the next field. Nothing: the message knows no such field, and it is skipped. */
  next({ fields }: MessageShape): FieldShape | undefined {
    const tag = this.#short();
    const wireType: WireType = tag & 7;
    const field = fields.get(tag >>> 3);
    this.fieldCount += 1;
    this.isPacked = false;
    if (field === undefined) this.pass(wireType);
    else if (field.wireType !== wireType) {
      this.isPacked = field.list !== undefined && wireType === WireType.LengthDelimited;
      if (!this.isPacked) throw new Error("a field has not its wire type");
    }
    return field;
  }

  /** Where the message ends whose length comes now. */
  end(): number {
    const length = this.#short();
    return this.pos + length;
  }

  /** Skips a value, and returns how many bytes it has. No message has groups. */
  pass(wireType: WireType): number {
    const start = wireType === WireType.LengthDelimited ? this.#passLength() : this.pos;
    if (wireType === WireType.Bit64) this.pos += 8;
    else if (wireType === WireType.Bit32) this.pos += 4;
    else if (wireType === WireType.Varint) this.#passVarint();
    else if (wireType !== WireType.LengthDelimited) throw new Error("no field has this wire type");
    if (this.pos > this.len) throw new Error("a field runs over the end of the message");
    return this.pos - start;
  }

  /** Skips numbers that come in one piece, and says how many they are; of more than so many, that they are more. */
  passNumbers(wireType: WireType, countMax: number): number {
    const end = this.end();
    let count = 0;
    for (; this.pos < end && count <= countMax; count += 1) this.pass(wireType);
    if (count <= countMax) this.assertAt(end);
    return count;
  }

  assertAt(end: number): void {
    if (this.pos !== end) throw new Error("a field runs over the end of its message");
  }

  /** Nearly all tags and lengths are of one byte. */
  #short(): number {
    const byte = this.#source[this.pos];
    if (byte === undefined || byte > 0x7f) return this.uint32();
    this.pos += 1;
    return byte;
  }

  #passLength(): number {
    const length = this.#short();
    const start = this.pos;
    this.pos += length;
    return start;
  }

  #passVarint(): void {
    while (((this.#source[this.pos] ?? 0) & 0x80) !== 0) this.pos += 1;
    this.pos += 1;
  }
}

export const tooManyFields = `the message must have no more than ${fieldCountMax} fields, those within it included`;

/** What is named begins in this message, which ends there. */
function excessIn(reader: FieldReader, message: MessageShape, end: number): FieldViolation | undefined {
  const counts: number[] = message.listCount === 0 ? none : new Array(message.listCount).fill(0);
  while (reader.pos < end) {
    const field = reader.next(message);
    if (reader.fieldCount > fieldCountMax) return { field: "", description: tooManyFields };
    if (field === undefined) continue;
    const index = field.list === undefined ? undefined : (counts[field.list] as number);
    if (index !== undefined) {
      const count = index + (reader.isPacked ? reader.passNumbers(field.wireType, field.most.count) : 1);
      if (count > field.most.count) return { field: field.name, description: field.most.words };
      counts[field.list as number] = count;
      if (reader.isPacked) continue;
    }
    const excess = excessOf(reader, field);
    if (excess !== undefined) return { ...excess, field: placed(field, index, excess.field) };
  }
  reader.assertAt(end);
  return undefined;
}

const none: number[] = [];

function excessOf(reader: FieldReader, { inside, isStruct, wireType, most }: FieldShape): FieldViolation | undefined {
  if (isStruct && inside !== undefined) return structExcess(reader, inside);
  if (inside !== undefined) return excessIn(reader, inside, reader.end());
  return reader.pass(wireType) > most.bytes ? { field: "", description: most.words } : undefined;
}

function placed({ name }: FieldShape, index: number | undefined, rest: string): string {
  return `${name}${index === undefined ? "" : `[${index}]`}${rest === "" ? "" : `.${rest}`}`;
}

function structExcess(reader: FieldReader, struct: MessageShape): FieldViolation | undefined {
  reader.valueCount = 0;
  reader.textBytes = 0;
  const description = jsonExcess(reader, struct, reader.end(), 0);
  return description === undefined ? undefined : { field: "", description };
}

const tooDeep = `is nested deeper than ${structDepthMax} levels`;
const tooWide = `has more than ${structValueCountMax} values`;
/** A byte of text is at least one of JSON. */
const tooLarge = `has more than ${structBytesMax} bytes as JSON`;

function jsonExcess(reader: FieldReader, message: MessageShape, end: number, outerLevel: number): string | undefined {
  const level = message.isLevel ? outerLevel + 1 : outerLevel;
  if (level > structDepthMax) return tooDeep;
  if (message.isValue) reader.valueCount += 1;
  if (reader.valueCount > structValueCountMax) return tooWide;
  while (reader.pos < end) {
    const field = reader.next(message);
    if (reader.fieldCount > fieldCountMax) return tooManyFields;
    if (field === undefined) continue;
    if (field.inside === undefined) {
      const bytes = reader.pass(field.wireType);
      if (field.wireType === WireType.LengthDelimited) reader.textBytes += bytes;
      if (reader.textBytes > structBytesMax) return tooLarge;
    } else {
      const excess = jsonExcess(reader, field.inside, reader.end(), level);
      if (excess !== undefined) return excess;
    }
  }
  reader.assertAt(end);
  return undefined;
}
