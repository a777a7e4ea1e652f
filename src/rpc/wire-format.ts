import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

/** The records that a message may have, by field number. */
type Records = Map<number, RecordShape>;

type RecordShape = { readonly wireType: WireType; readonly inside: Records | undefined };

/**
 * Throws unless each record has the wire type of its field and ends within its message. The decoder looks at neither, and would take the
 * bytes of one field for others. For bytes that it has decoded: it has bounded how deep they go.
 */
export function wireFormatCheck(descriptor: DescMessage): (bytes: Uint8Array) => void {
  const records = recordsOf(descriptor, new Map());
  return (bytes) => check(new BinaryReader(bytes), records, bytes.length);
}

/** `known` also ends the recursion of a Struct, whose values may be Structs. */
function recordsOf(descriptor: DescMessage, known: Map<DescMessage, Records>): Records {
  const before = known.get(descriptor);
  if (before !== undefined) return before;
  const records: Records = new Map();
  known.set(descriptor, records);
  for (const field of descriptor.fields) {
    const value = { wireType: wireTypeOf(field), inside: field.message && recordsOf(field.message, known) };
    const isPacked = field.fieldKind === "list" && value.wireType !== WireType.LengthDelimited;
    if (isPacked) throw new Error(`${field}: no request has a list of numbers yet`);
    records.set(field.number, field.fieldKind === "map" ? entryOf(field.mapKey, value) : value);
  }
  return records;
}

/** A map is a list of messages with a key and a value. */
function entryOf(key: ScalarType, value: RecordShape): RecordShape {
  const inside = new Map([
    [1, { wireType: scalarWireType(key), inside: undefined }],
    [2, value],
  ]);
  return { wireType: WireType.LengthDelimited, inside };
}

function wireTypeOf({ scalar, message }: DescField): WireType {
  if (message !== undefined) return WireType.LengthDelimited;
  return scalar === undefined ? WireType.Varint : scalarWireType(scalar);
}

function scalarWireType(scalar: ScalarType): WireType {
  switch (scalar) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return WireType.LengthDelimited;
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return WireType.Bit64;
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return WireType.Bit32;
    default:
      return WireType.Varint;
  }
}

function check(reader: BinaryReader, records: Records, end: number): void {
  while (reader.pos < end) {
    const [number, wireType] = reader.tag();
    const shape = records.get(number);
    if (shape === undefined) reader.skip(wireType, number);
    else if (wireType !== shape.wireType) throw new Error("a record has not the wire type of its field");
    else if (shape.inside === undefined) reader.skip(wireType);
    else check(reader, shape.inside, endOf(reader));
  }
  if (reader.pos !== end) throw new Error("a record runs over the end of its message");
}

function endOf(reader: BinaryReader): number {
  const length = reader.uint32();
  return reader.pos + length;
}
