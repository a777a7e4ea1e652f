import { type DescMessage, fromBinary, type Message } from "@bufbuild/protobuf";
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

/** A decoder that is strict on the wire format and enforces the `buf.validate` rules of the message type. */
export function validatingDecoder(typeName: string, decoder: Decoder): (bytes: Uint8Array) => unknown {
  const descriptor = registry.getMessage(typeName);
  if (descriptor === undefined) throw new Error(`no descriptor of ${typeName}; run "make generate"`);
  const structFields = findStructFields(descriptor);
  // The first validation of a type compiles its rules; no caller should wait for that.
  violationsOf(descriptor, structFields, new Uint8Array());
  return (bytes) => {
    const violations = violationsOf(descriptor, structFields, bytes);
    return violations.length === 0 ? decoder.decode(bytes) : new InvalidMessage(violations);
  };
}

function violationsOf(
  descriptor: DescMessage,
  structFields: readonly StructField[],
  bytes: Uint8Array,
): readonly FieldViolation[] {
  let message: Message;
  try {
    message = fromBinary(descriptor, bytes);
  } catch {
    return [{ field: "", description: `not a well-formed ${descriptor.typeName}` }];
  }
  const result = validator.validate(descriptor, message);
  if (result.kind === "invalid") {
    return result.violations.map((violation) => ({ field: pathText(violation.field), description: describe(violation) }));
  }
  if (result.kind === "error") throw result.error;
  return structFields.flatMap((field) => structViolations(message, field));
}

/** The one pattern of the contract, in words. */
const idPattern = "^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$";
const idWords = "must be 1 to 128 characters of [A-Za-z0-9._:-], the first a letter or digit";

/** The library's text, except where it shows what only machines read. */
function describe({ ruleId, message, field }: Violation): string {
  if (ruleId === "string.pattern" && message.includes(idPattern)) return idWords;
  const last = field.at(-1);
  if (!ruleId.startsWith("enum.") || last?.kind !== "field" || last.fieldKind !== "enum") return message;
  const names = last.enum.values.filter(({ number }) => number !== 0).map(({ name }) => name);
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

type StructField = { readonly name: string; readonly localName: string };

function findStructFields(descriptor: DescMessage): readonly StructField[] {
  return descriptor.fields
    .filter((field) => field.fieldKind === "message" && field.message.typeName === "google.protobuf.Struct")
    .map(({ name, localName }) => ({ name, localName }));
}

function structViolations(message: Message, { name, localName }: StructField): readonly FieldViolation[] {
  const value = (message as unknown as Record<string, unknown>)[localName];
  if (value === undefined) return [];
  if (depth(value) > structDepthMax) return [{ field: name, description: `is nested deeper than ${structDepthMax} levels` }];
  // Measured as JSON, the form in which people know it.
  const size = Buffer.byteLength(JSON.stringify(value));
  if (size > structBytesMax)
    return [{ field: name, description: `has ${size} bytes as JSON; at most ${structBytesMax} are allowed` }];
  return [];
}

function depth(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  let deepest = 0;
  for (const child of Object.values(value)) deepest = Math.max(deepest, depth(child));
  return deepest + 1;
}
