import { type DescField, type DescMessage, getOption, ScalarType } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import { field as fieldRules } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";

/** What may stand in the bytes of a message, and how much of it: from the descriptors, made once. */
export type MessageShape = {
  /** By number. */
  readonly fields: ReadonlyMap<number, FieldShape>;
  readonly listCount: number;
  /** In JSON it is an object or an array: a level of nesting. */
  readonly isLevel: boolean;
  /** In JSON it is a value. */
  readonly isValue: boolean;
};

export type FieldShape = {
  readonly name: string;
  readonly wireType: WireType;
  /** Of a message, or of an entry of a map. */
  readonly inside: MessageShape | undefined;
  /** Its place among the lists of its message. A list of numbers, or of enums, may come in one field. */
  readonly list: number | undefined;
  readonly most: Most;
  readonly isStruct: boolean;
};

/** What a rule of the field allows, and what it says beyond that, in the words of the library that checks the rules. */
type Most = { readonly count: number; readonly bytes: number; readonly words: string };

const jsonLevels: readonly string[] = ["google.protobuf.Struct", "google.protobuf.ListValue"];

/** `known` also ends the recursion of a Struct, whose values may be Structs. */
export function shapeOf(descriptor: DescMessage, known = new Map<DescMessage, MessageShape>()): MessageShape {
  const before = known.get(descriptor);
  if (before !== undefined) return before;
  const { typeName } = descriptor;
  const fields = new Map<number, FieldShape>();
  const lists = descriptor.fields.filter(({ fieldKind }) => fieldKind === "list");
  const isLevel = jsonLevels.includes(typeName);
  const shape = { fields, listCount: lists.length, isLevel, isValue: typeName === "google.protobuf.Value" };
  known.set(descriptor, shape);
  for (const field of descriptor.fields) {
    const value = { ...one, name: field.name, ...contentOf(field, known) };
    const list = field.fieldKind === "list" ? lists.indexOf(field) : undefined;
    fields.set(field.number, field.fieldKind === "map" ? entryOf(field.mapKey, value) : { ...value, list });
  }
  return shape;
}

const anyNumber: Most = { count: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY, words: "" };

const one = { inside: undefined, list: undefined, most: anyNumber, isStruct: false };

function contentOf(field: DescField, known: Map<DescMessage, MessageShape>) {
  const { message, scalar } = field;
  const most = mostOf(field);
  if (message === undefined) return { wireType: scalar === undefined ? WireType.Varint : scalarWireType(scalar), most };
  const isStruct = message.typeName === "google.protobuf.Struct";
  return { wireType: WireType.LengthDelimited, inside: shapeOf(message, known), isStruct, most };
}

/** A map is a list of messages with a key and a value. */
function entryOf(key: ScalarType, value: FieldShape): FieldShape {
  const fields = new Map([
    [1, { ...one, name: "key", wireType: scalarWireType(key) }],
    [2, value],
  ]);
  const inside = { fields, listCount: 0, isLevel: false, isValue: false };
  return { ...one, name: value.name, wireType: WireType.LengthDelimited, inside };
}

/** A character has at most four bytes. */
const characterBytesMax = 4;

function mostOf(field: DescField): Most {
  const { type: rules } = getOption(field, fieldRules);
  switch (rules.case) {
    case "repeated": {
      const count = bound(rules.value.maxItems);
      return { ...anyNumber, count, words: `must contain no more than ${count} item(s)` };
    }
    case "string": {
      const length = bound(rules.value.maxLen);
      return { ...anyNumber, bytes: length * characterBytesMax, words: `must be at most ${length} characters` };
    }
    case "bytes": {
      const bytes = bound(rules.value.maxLen);
      return { ...anyNumber, bytes, words: `must be at most ${bytes} bytes` };
    }
    default:
      return anyNumber;
  }
}

/** A rule that is not there reads as 0. */
const bound = (rule: bigint): number => Number(rule) || Number.POSITIVE_INFINITY;

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
