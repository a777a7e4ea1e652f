import { type DescField, type DescMessage, type DescOneof, ScalarType } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { fieldRulesHold } from "./field-rules.ts";
import {
  durationProblem,
  integerProblem,
  isLong,
  isRequester,
  mayBeTooLarge,
  nameProblem,
  timestampProblem,
} from "./value-rules.ts";

type Message = Record<string, unknown>;

/** Reads the messages of a type; each ends at `end`. */
type ReadMessage = (reader: Reader, end: number) => Message;

/** Reads a field that has come, behind its tag. */
type ReadField = (message: Message, reader: Reader, wireType: WireType) => void;

type ReadValue = (reader: Reader) => unknown;

/**
 * Reads a message straight into what the generated types say, and at once looks whether all rules hold. It never says what is wrong: nothing
 * means that something is, or that something is out of the ordinary, and then the libraries read the bytes and judge. So a message is made once,
 * and not three times, and there is one verdict. Only for bytes that the walk has gone over: it looks neither at lengths nor at wire types.
 */
export function ordinaryMessage(descriptor: DescMessage): (bytes: Uint8Array) => object | undefined {
  const read = messageReader(descriptor);
  const rulesHold = fieldRulesHold(descriptor);
  return (bytes) => {
    const reader = new Reader(bytes);
    try {
      const message = read(reader, bytes.length);
      return reader.isOrdinary && rulesHold(message) ? message : undefined;
    } catch {
      // A text that is no UTF-8.
      return undefined;
    }
  };
}

class Reader extends BinaryReader {
  /** False: what it has read is not to be used. */
  isOrdinary = true;

  /** Where it ends, what begins with its length here. */
  end(): number {
    const length = this.uint32();
    return this.pos + length;
  }

  /** To be left to the libraries, all of it. */
  giveUp(): void {
    this.isOrdinary = false;
    this.pos = this.len;
  }
}

/** `known` is for messages that are in several others; none contains itself but a Struct, which is not read as a message. */
function messageReader(descriptor: DescMessage, known = new Map<DescMessage, ReadMessage>()): ReadMessage {
  const before = known.get(descriptor);
  if (before !== undefined) return before;
  // Made at once: an object that gets many properties one by one becomes a slow dictionary, and so do its copies.
  const unset = Object.fromEntries(descriptor.members.map((member) => [member.localName, unsetValue(member)]));
  const lists = descriptor.fields.filter(({ fieldKind }) => fieldKind === "list").map(({ localName }) => localName);
  const fields: ReadField[] = [];
  for (const field of descriptor.fields) fields[field.number] = fieldReader(field, known);
  const read: ReadMessage = (reader, end) => {
    const message: Message = { ...unset };
    for (const list of lists) message[list] = [];
    while (reader.pos < end) {
      const tag = reader.uint32();
      const readField = fields[tag >>> 3];
      if (readField === undefined) reader.giveUp();
      else readField(message, reader, tag & 7);
    }
    return message;
  };
  known.set(descriptor, read);
  return read;
}

function unsetValue(member: DescField | DescOneof): unknown {
  if (member.kind === "oneof" || member.message !== undefined || member.presence !== implicitPresence) return undefined;
  if (member.enum !== undefined) return member.enum.values[0]?.name;
  switch (member.scalar) {
    case ScalarType.STRING:
      return "";
    case ScalarType.BYTES:
      return noBytes;
    case ScalarType.BOOL:
      return false;
    default:
      return isLong(member.scalar) ? 0n : 0;
  }
}

/** FeatureSet.FieldPresence.IMPLICIT. */
const implicitPresence = 2;

const noBytes = Buffer.alloc(0);

function fieldReader(field: DescField, known: Map<DescMessage, ReadMessage>): ReadField {
  const { localName: name, oneof } = field;
  if (field.fieldKind === "map") return (_, reader) => reader.giveUp();
  const read = valueReader(field, known);
  if (field.fieldKind === "list") return listReader(name, read, field.message === undefined && !isText(field.scalar));
  const group = oneof?.localName;
  return (message, reader) => {
    // Of two that are messages, one is made.
    if (field.message !== undefined && message[group ?? name] !== undefined) reader.giveUp();
    const value = read(reader);
    message[group ?? name] = group === undefined ? value : { $case: name, value };
  };
}

const isText = (scalar: ScalarType | undefined): boolean => scalar === ScalarType.STRING || scalar === ScalarType.BYTES;

/** Numbers may come in one piece. */
function listReader(name: string, read: ReadValue, mayBePacked: boolean): ReadField {
  return (message, reader, wireType) => {
    const list = message[name] as unknown[];
    if (!mayBePacked || wireType !== WireType.LengthDelimited) {
      list.push(read(reader));
      return;
    }
    for (const end = reader.end(); reader.pos < end; ) list.push(read(reader));
  };
}

function valueReader(field: DescField, known: Map<DescMessage, ReadMessage>): ReadValue {
  const { enum: names, message, scalar } = field;
  if (isRequester(field)) return readRequester;
  if (names !== undefined) return (reader) => ordinary(reader, names.value[reader.int32()]?.name);
  switch (message?.typeName) {
    case undefined:
      return scalarReader(scalar);
    case "google.protobuf.Struct":
      return readStruct;
    case "google.protobuf.Timestamp":
      return readTimestamp;
    case "google.protobuf.Duration":
      return readDuration;
    default: {
      const read = messageReader(message as DescMessage, known);
      return (reader) => read(reader, reader.end());
    }
  }
}

function ordinary<T>(reader: Reader, value: T | undefined): T | undefined {
  if (value === undefined) reader.giveUp();
  return value;
}

function scalarReader(scalar: ScalarType | undefined): ReadValue {
  switch (scalar) {
    case ScalarType.STRING:
      return readText;
    case ScalarType.BYTES:
      // A copy: the bytes decoded from may be those of a whole large message.
      return (reader) => Buffer.from(reader.bytes());
    case ScalarType.BOOL:
      return (reader) => reader.bool();
    case ScalarType.DOUBLE:
      return (reader) => reader.double();
    case ScalarType.INT32:
      return (reader) => reader.int32();
    case ScalarType.UINT32:
      return (reader) => reader.uint32();
    case ScalarType.INT64:
      return (reader) => exactInteger(reader, reader.int64());
    case ScalarType.UINT64:
      return (reader) => exactInteger(reader, reader.uint64());
    default:
      return (reader) => reader.giveUp();
  }
}

const readText = (reader: Reader): string => reader.string(true);

function readRequester(reader: Reader): string {
  const name = readText(reader);
  if (nameProblem(name) !== undefined) reader.giveUp();
  return name;
}

/** The library has a text for an integer only where the contract asks for one, or the machine has no other. */
function exactInteger(reader: Reader, value: bigint | string): bigint | string {
  if (typeof value === "string" || integerProblem(value) !== undefined) reader.giveUp();
  return value;
}

function readTimestamp(reader: Reader): Date {
  const { seconds, nanos } = readSecondsAndNanos(reader);
  if (timestampProblem({ seconds, nanos }) !== undefined) reader.giveUp();
  return new Date(Number(seconds) * 1000 + nanos / 1e6);
}

function readDuration(reader: Reader): { readonly seconds: bigint; readonly nanos: number } {
  const duration = readSecondsAndNanos(reader);
  if (durationProblem(duration) !== undefined) reader.giveUp();
  return duration;
}

/** Timestamps and Durations have the same fields. */
function readSecondsAndNanos(reader: Reader): { seconds: bigint; nanos: number } {
  const read = { seconds: 0n, nanos: 0 };
  for (const end = reader.end(); reader.pos < end; ) {
    const tag = reader.uint32();
    if (tag === varintTag(1)) read.seconds = reader.int64() as bigint;
    else if (tag === varintTag(2)) read.nanos = reader.int32();
    else reader.giveUp();
  }
  return read;
}

const varintTag = (number: number): number => (number << 3) | WireType.Varint;
const delimitedTag = (number: number): number => (number << 3) | WireType.LengthDelimited;

/** google/protobuf/struct.proto: `map<string, Value> fields = 1`. */
function readStruct(reader: Reader): Message {
  const end = reader.end();
  if (mayBeTooLarge(end - reader.pos)) reader.giveUp();
  return readEntries(reader, end);
}

function readEntries(reader: Reader, end: number): Message {
  const json: Message = {};
  while (reader.pos < end) {
    if (reader.uint32() !== delimitedTag(1)) reader.giveUp();
    const entryEnd = reader.end();
    if (reader.uint32() !== delimitedTag(1)) reader.giveUp();
    const key = readText(reader);
    if (key === "__proto__" || reader.uint32() !== delimitedTag(2)) reader.giveUp();
    json[key] = readJson(reader, reader.end());
    if (reader.pos !== entryEnd) reader.giveUp();
  }
  return json;
}

/** `oneof kind` of a Value. */
function readJson(reader: Reader, end: number): unknown {
  const value = readKind(reader);
  if (reader.pos !== end) reader.giveUp();
  return value;
}

function readKind(reader: Reader): unknown {
  switch (reader.uint32()) {
    case varintTag(1):
      if (reader.uint32() !== 0) reader.giveUp();
      return null;
    case (2 << 3) | WireType.Bit64: {
      const number = reader.double();
      if (!Number.isFinite(number)) reader.giveUp();
      return number;
    }
    case delimitedTag(3):
      return readText(reader);
    case varintTag(4):
      return reader.bool();
    case delimitedTag(5):
      return readEntries(reader, reader.end());
    case delimitedTag(6):
      return readItems(reader, reader.end());
    default:
      return reader.giveUp();
  }
}

/** `repeated Value values = 1` of a ListValue. */
function readItems(reader: Reader, end: number): unknown[] {
  const items: unknown[] = [];
  while (reader.pos < end) {
    if (reader.uint32() !== delimitedTag(1)) reader.giveUp();
    items.push(readJson(reader, reader.end()));
  }
  return items;
}
