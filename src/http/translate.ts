import {
  create,
  type DescField,
  type DescMessage,
  fromBinary,
  type JsonValue,
  mergeFromJson,
  mergeFromJsonString,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
import { fieldCountMax } from "../kernel/limits.ts";
import { messageType, registry } from "../rpc/descriptors.ts";
import type { FieldViolation } from "../rpc/errors.ts";
import { hasFalseDuration, jsonProblems } from "../rpc/json-problems.ts";
import { notUnicodePlace } from "../rpc/unicode.ts";
import { tooManyFields } from "../rpc/wire-format.ts";
import { jsonSyntaxProblem } from "./json-syntax.ts";
import { valueCount } from "./value-count.ts";

/** All that an HTTP request says of a message. */
export type RequestParts = {
  readonly typeName: string;
  /** JSON, as it came. Empty: nothing. */
  readonly body: Uint8Array;
  /** What its path, or its path and query, say. */
  readonly fixed: { readonly [name: string]: JsonValue };
};

export type Encoded =
  | { readonly type: "encoded"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly type: "invalid"; readonly problems: readonly FieldViolation[] };

/** Where the library may take what is wrong: half characters, which UTF-8 has only where they are escaped, and durations with more behind them. */
const suspect = /\\u|\ds[^"]/;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });

/** The message, on the wire. What its fields may hold is for the service to judge, which gets it as from any other caller. */
export function encodeRequest({ typeName, body, fixed }: RequestParts): Encoded {
  const descriptor = messageType(typeName);
  const message = create(descriptor);
  const invalid = (problems: readonly FieldViolation[]): Encoded => ({ type: "invalid", problems });
  if (body.length > 0) {
    // Each is a field of the message or more, so nothing has to be made of it to know.
    if (valueCount(body) > 2 * fieldCountMax) return invalid([{ field: "", description: tooManyFields }]);
    let text: string;
    try {
      text = utf8.decode(body);
    } catch {
      return invalid([{ field: "", description: "the body must be JSON in UTF-8" }]);
    }
    try {
      mergeFromJsonString(descriptor, message, text);
    } catch (error) {
      return invalid(bodyProblems(descriptor, text, error));
    }
    if (suspect.test(text)) {
      const json = JSON.parse(text) as JsonValue;
      const isTakenWrongly = notUnicodePlace(json) !== undefined || hasFalseDuration(descriptor, json);
      if (isTakenWrongly) return invalid(jsonProblems(descriptor, json));
    }
    const contradicted = Object.entries(fixed).flatMap(([name, value]) => contradiction(descriptor, message, name, value));
    if (contradicted.length > 0) return invalid(contradicted);
  }
  try {
    mergeFromJson(descriptor, message, fixed);
    if (hasFalseDuration(descriptor, fixed)) return invalid(jsonProblems(descriptor, fixed));
    return { type: "encoded", bytes: toBinary(descriptor, message) };
  } catch (error) {
    return invalid(orUnknown(jsonProblems(descriptor, fixed), error));
  }
}

function bodyProblems(descriptor: DescMessage, text: string, error: unknown): readonly FieldViolation[] {
  const misplaced = jsonSyntaxProblem(text);
  if (misplaced !== undefined) {
    const { line, column, expected } = misplaced;
    return [{ field: "", description: `the body is not JSON: line ${line}, column ${column}: expected ${expected}` }];
  }
  try {
    return orUnknown(jsonProblems(descriptor, JSON.parse(text) as JsonValue), error);
  } catch (unread) {
    return orUnknown([], unread);
  }
}

/** What is right in every part and wrong as a whole: a name twice, too deep. */
function orUnknown(problems: readonly FieldViolation[], error: unknown): readonly FieldViolation[] {
  if (problems.length > 0) return problems;
  const text = error instanceof Error ? error.message : String(error);
  return [{ field: "", description: text.replace(/^cannot decode .*? from JSON: /, "") }];
}

function contradiction({ fields }: DescMessage, message: object, name: string, value: JsonValue): readonly FieldViolation[] {
  const field = fields.find((one) => one.name === name) as DescField;
  const inBody = (message as Readonly<Record<string, unknown>>)[field.localName];
  if (typeof inBody !== "string" || inBody === "" || inBody === value) return [];
  return [{ field: name, description: "is another one in the body than in the path" }];
}

/** A message that came back. */
export type AnswerPart = {
  readonly typeName: string;
  readonly bytes: Uint8Array;
  /** It is one of a stream. */
  readonly isEvent: boolean;
};

/** The contract's JSON; of a stream, as a server-sent event. */
export function answerText({ typeName, bytes, isEvent }: AnswerPart): string {
  const descriptor = messageType(typeName);
  const message = fromBinary(descriptor, bytes);
  // A field without presence is always there, so that who reads finds a list where there is a list.
  const json = JSON.stringify(toJson(descriptor, message, { registry, alwaysEmitImplicit: true }));
  return isEvent ? eventText(message as Streamed, json) : json;
}

/** What a stream sends has one of these, and a place in the stream if it has a sequence. */
type Streamed = { readonly body?: { readonly case: string | undefined; readonly value: unknown } };

/**
 * Progress is a comment with an id: nobody is woken by it, and who connects again says it as `Last-Event-ID`, also if nothing that he wants has
 * happened since.
 */
function eventText({ body }: Streamed, json: string): string {
  const sequence = sequenceOf(body?.value);
  const id = sequence === undefined ? "" : `id: ${sequence}\n`;
  const isProgress = body?.case?.startsWith("progress") === true;
  return isProgress ? `: ${json}\n${id}\n` : `${id}data: ${json}\n\n`;
}

function sequenceOf(value: unknown): bigint | undefined {
  if (typeof value === "bigint") return value;
  const sequence = typeof value === "object" && value !== null && "sequence" in value ? value.sequence : undefined;
  return typeof sequence === "bigint" ? sequence : undefined;
}
