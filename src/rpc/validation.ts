import { type DescEnum, type DescField, type DescMessage, fromBinary, type Message } from "@bufbuild/protobuf";
import { createValidator, type Violation } from "@bufbuild/protovalidate";
import { idPattern, idWords, requestIdPattern, requestIdWords } from "../kernel/ids.ts";
import { structBytesMax, structDepthMax } from "../kernel/limits.ts";
import { registry } from "./descriptors.ts";
import type { FieldViolation } from "./errors.ts";

const patterns = new Map<string, RegExp>();

/** The patterns are the contract's own, so Node's engine serves: the library's default is made for those of strangers, and slow. */
function regexMatch(pattern: string, text: string): boolean {
  const known = patterns.get(pattern) ?? new RegExp(pattern, "u");
  patterns.set(pattern, known);
  return known.test(text);
}

const validator = createValidator({ registry, regexMatch });

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
  // A byte on the wire is at most six characters of JSON, an escaped control character: most Structs need not be measured.
  const measure = bytes.length * 6 > structBytesMax;
  const found: FieldViolation[] = [];
  watch(message, watched, { path: [], measure, found });
  if (result.kind === "valid") return found;
  const broken = result.violations.map((violation) => ({ field: pathText(violation.field), description: describe(violation) }));
  const known = new Set(broken.map(({ field }) => field));
  return [...broken, ...found.filter(({ field }) => !known.has(field))];
}

/** The library's text, except where it shows what only machines read. */
function describe({ ruleId, message, field }: Violation): string {
  if (ruleId === "string.pattern" && message.includes(idPattern.source)) return idWords;
  if (ruleId === "string.pattern" && message.includes(requestIdPattern.source)) return requestIdWords;
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

type Finding = { readonly path: (string | number)[]; readonly measure: boolean; readonly found: FieldViolation[] };

/** Runs for every request: while nothing is wrong it only walks, and the path is put together when something is. */
function watch(message: object, watched: readonly Watched[], finding: Finding): void {
  for (const { field, inside } of watched) {
    const value = valueIn(message as Readonly<Record<string, unknown>>, field);
    if (value === undefined) continue;
    finding.path.push(field.name);
    if (Array.isArray(value)) {
      for (let index = 0; index < value.length; index += 1) {
        finding.path.push(index);
        watchValue(value[index], field, inside, finding);
        finding.path.pop();
      }
    } else {
      watchValue(value, field, inside, finding);
    }
    finding.path.pop();
  }
}

/** protobuf-es keeps the fields of a oneof under the oneof's name. */
function valueIn(message: Readonly<Record<string, unknown>>, field: DescField): unknown {
  if (field.oneof === undefined) return message[field.localName];
  const chosen = message[field.oneof.localName] as { readonly case?: string; readonly value?: unknown };
  return chosen.case === field.localName ? chosen.value : undefined;
}

function watchValue(value: unknown, field: DescField, inside: readonly Watched[], finding: Finding): void {
  const { path, measure, found } = finding;
  if (field.enum !== undefined) {
    if (field.enum.value[value as number] === undefined) found.push({ field: joined(path), description: oneOf(field.enum) });
  } else if (isStruct(field)) {
    const description = structProblem(value, measure);
    if (description !== undefined) found.push({ field: joined(path), description });
  } else {
    watch(value as object, inside, finding);
  }
}

function joined(path: readonly (string | number)[]): string {
  return path.map((item, index) => (typeof item === "number" ? `[${item}]` : `${index === 0 ? "" : "."}${item}`)).join("");
}

function structProblem(value: unknown, measure: boolean): string | undefined {
  if (depth(value) > structDepthMax) return `is nested deeper than ${structDepthMax} levels`;
  if (!measure) return undefined;
  // As JSON, the form in which people know it.
  const size = Buffer.byteLength(JSON.stringify(value));
  return size > structBytesMax ? `has ${size} bytes as JSON; at most ${structBytesMax} are allowed` : undefined;
}

function depth(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  let deepest = 0;
  for (const key in value) deepest = Math.max(deepest, depth((value as Readonly<Record<string, unknown>>)[key]));
  return deepest + 1;
}
