import { type DescEnum, type DescField, type DescMessage, fromBinary, type Message } from "@bufbuild/protobuf";
import { createValidator, type Violation } from "@bufbuild/protovalidate";
import { structBytesMax, structDepthMax } from "../kernel/limits.ts";
import { registry } from "./descriptors.ts";
import type { FieldViolation } from "./errors.ts";

const validator = createValidator({ registry });

/**
 * What a wrapped decoder yields for a message that breaks the wire format or a rule of the contract. A decoder must not throw:
 * grpc-js would answer INTERNAL, and end a stream. Unary calls are refused by the middleware; streams decide for themselves.
 */
export class InvalidMessage {
  readonly violations: readonly FieldViolation[];

  constructor(violations: readonly FieldViolation[]) {
    this.violations = violations;
  }
}

type Decoder = { decode(bytes: Uint8Array): unknown };

/**
 * A decoder that is strict on the wire format and enforces the `buf.validate` rules of the message type. Anywhere in the message it
 * also refuses an enum number that the contract does not know, and a Struct that is too large or too deep.
 */
export function validatingDecoder(typeName: string, decoder: Decoder): (bytes: Uint8Array) => unknown {
  const descriptor = registry.getMessage(typeName);
  if (descriptor === undefined) throw new Error(`no descriptor of ${typeName}; run "make generate"`);
  const watched = watchedFields(descriptor);
  // The first validation of a type compiles its rules; no caller should wait for that.
  violationsOf(descriptor, watched, new Uint8Array());
  return (bytes) => {
    const violations = violationsOf(descriptor, watched, bytes);
    return violations.length === 0 ? decoder.decode(bytes) : new InvalidMessage(violations);
  };
}

function violationsOf(descriptor: DescMessage, watched: readonly Watched[], bytes: Uint8Array): readonly FieldViolation[] {
  let message: Message;
  try {
    message = fromBinary(descriptor, bytes);
  } catch {
    return [{ field: "", description: `not a well-formed ${descriptor.typeName}` }];
  }
  const result = validator.validate(descriptor, message);
  if (result.kind === "error") throw result.error;
  const broken = result.kind === "invalid" ? result.violations : [];
  const violations = broken.map((violation) => ({ field: pathText(violation.field), description: describe(violation) }));
  const known = new Set(violations.map(({ field }) => field));
  return [...violations, ...watchedViolations(message, watched, "").filter(({ field }) => !known.has(field))];
}

/** The one pattern of the contract, in words. */
const idPattern = "^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$";
const idWords = "must be 1 to 128 characters of [A-Za-z0-9._:-], the first a letter or digit";

/** The library's text, except where it shows what only machines read. */
function describe({ ruleId, message, field }: Violation): string {
  if (ruleId === "string.pattern" && message.includes(idPattern)) return idWords;
  const last = field.at(-1);
  if (!ruleId.startsWith("enum.") || last?.kind !== "field" || last.fieldKind !== "enum") return message;
  return oneOf(last.enum);
}

function oneOf({ values }: DescEnum): string {
  const names = values.filter(({ number }) => number !== 0).map(({ name }) => name);
  return `must be one of ${names.join(", ")}`;
}

type PathItem = { readonly kind: string; readonly name?: string; readonly index?: number; readonly key?: unknown };

/** `enlist[0].participant_id`, as the BadRequest convention has it. */
function pathText(path: readonly unknown[]): string {
  let text = "";
  for (const item of path as readonly PathItem[]) {
    if (item.kind === "list_sub") text += `[${item.index}]`;
    else if (item.kind === "map_sub") text += `[${JSON.stringify(item.key)}]`;
    else text += `${text === "" ? "" : "."}${item.name}`;
  }
  return text;
}

/** A field to look at, or one with such fields in it. */
type Watched = { readonly field: DescField; readonly inside: readonly Watched[] };

const isStruct = (field: DescField): boolean => field.message?.typeName === "google.protobuf.Struct";

/** No message of the contract contains itself, Struct apart. */
function watchedFields({ fields }: DescMessage): readonly Watched[] {
  return fields
    .map((field) => ({ field, inside: field.message && !isStruct(field) ? watchedFields(field.message) : [] }))
    .filter(({ field, inside }) => field.enum !== undefined || isStruct(field) || inside.length > 0);
}

function watchedViolations(message: object, watched: readonly Watched[], prefix: string): readonly FieldViolation[] {
  return watched.flatMap(({ field, inside }) => {
    const value = valueIn(message as Readonly<Record<string, unknown>>, field);
    const path = `${prefix}${field.name}`;
    if (value === undefined) return [];
    if (!Array.isArray(value)) return valueViolations(value, field, inside, path);
    return value.flatMap((each, index) => valueViolations(each, field, inside, `${path}[${index}]`));
  });
}

/** protobuf-es keeps the fields of a oneof under the oneof's name. */
function valueIn(message: Readonly<Record<string, unknown>>, field: DescField): unknown {
  if (field.oneof === undefined) return message[field.localName];
  const chosen = message[field.oneof.localName] as { readonly case?: string; readonly value?: unknown };
  return chosen.case === field.localName ? chosen.value : undefined;
}

function valueViolations(value: unknown, field: DescField, inside: readonly Watched[], path: string): readonly FieldViolation[] {
  if (field.enum !== undefined) {
    return field.enum.value[value as number] === undefined ? [{ field: path, description: oneOf(field.enum) }] : [];
  }
  return isStruct(field) ? structViolations(value, path) : watchedViolations(value as object, inside, `${path}.`);
}

function structViolations(value: unknown, field: string): readonly FieldViolation[] {
  if (depth(value) > structDepthMax) return [{ field, description: `is nested deeper than ${structDepthMax} levels` }];
  // Measured as JSON, the form in which people know it.
  const size = Buffer.byteLength(JSON.stringify(value));
  return size > structBytesMax
    ? [{ field, description: `has ${size} bytes as JSON; at most ${structBytesMax} are allowed` }]
    : [];
}

function depth(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  let deepest = 0;
  for (const child of Object.values(value)) deepest = Math.max(deepest, depth(child));
  return deepest + 1;
}
