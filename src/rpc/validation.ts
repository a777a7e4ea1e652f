import { type DescMessage, fromBinary, type Message } from "@bufbuild/protobuf";
import { createValidator, type Violation } from "@bufbuild/protovalidate";
import { idPattern, idWords, requestIdPattern, requestIdWords } from "../kernel/ids.ts";
import { registry } from "./descriptors.ts";
import { type FieldViolation, invalidRequest } from "./errors.ts";
import { ordinaryMessage } from "./ordinary-message.ts";
import { patternOf } from "./patterns.ts";
import { plainMessage } from "./plain-message.ts";
import { oneOf, valueRules } from "./value-rules.ts";
import { wireWalk } from "./wire-format.ts";

const validator = createValidator({ registry, regexMatch: (source, text) => patternOf(source).test(text) });

/**
 * What the decoder yields for a message that breaks the wire format or a rule of the contract. It must not throw:
 * grpc-js would answer INTERNAL, and end a stream. Unary calls are refused by the middleware; streams decide for themselves.
 */
export class InvalidMessage {
  readonly violations: readonly FieldViolation[];
  /** Why its rules could not be checked. */
  readonly defect: unknown;

  constructor(violations: readonly FieldViolation[], defect?: unknown) {
    this.violations = violations;
    this.defect = defect;
  }

  /** To be thrown by who has no other answer. */
  get failure(): unknown {
    return this.defect ?? invalidRequest(this.violations);
  }
}

/**
 * The decoder of a message type: strict on the wire format, and it enforces the `buf.validate` rules of the contract and the rules that
 * hold for every message. Nothing is made of the bytes before it is known that they are not too much. An ordinary message, in which all is
 * right, is made of them at once. Everything else is read by the libraries: theirs are the verdict and the words.
 */
export function validatingDecoder(descriptor: DescMessage): (bytes: Uint8Array) => unknown {
  const walk = wireWalk(descriptor);
  const readOrdinary = ordinaryMessage(descriptor);
  const readAny = libraryDecoder(descriptor);
  function decode(bytes: Uint8Array): unknown {
    try {
      const { excess } = walk(bytes);
      if (excess !== undefined) return new InvalidMessage([excess]);
    } catch {
      return malformed(descriptor);
    }
    return readOrdinary(bytes) ?? readAny(bytes);
  }
  // The first validation of a type compiles its rules; no caller should wait for that.
  readAny(new Uint8Array());
  return decode;
}

const malformed = ({ typeName }: DescMessage): InvalidMessage =>
  new InvalidMessage([{ field: "", description: `not a well-formed ${typeName}` }]);

/** Reads whatever the walk has let pass, ordinary or not. */
export function libraryDecoder(descriptor: DescMessage): (bytes: Uint8Array) => unknown {
  const check = ruleCheck(descriptor);
  const toPlain = plainMessage(descriptor);
  return (bytes) => {
    let message: Message;
    try {
      message = fromBinary(descriptor, bytes, { readUnknownFields: false });
    } catch {
      return malformed(descriptor);
    }
    try {
      const violations = check(message, bytes.length);
      return violations.length === 0 ? toPlain(message) : new InvalidMessage(violations);
    } catch (error) {
      return new InvalidMessage([{ field: "", description: "its rules could not be checked" }], error);
    }
  };
}

function ruleCheck(descriptor: DescMessage): (message: Message, wireBytes: number) => readonly FieldViolation[] {
  const brokenValueRules = valueRules(descriptor);
  return (message, wireBytes) => {
    const broken = brokenFieldRules(descriptor, message);
    const found = brokenValueRules(message, wireBytes);
    if (broken.length === 0 || found.length === 0) return broken.length === 0 ? found : broken;
    const known = new Set(broken.map(({ field }) => field));
    return [...broken, ...found.filter(({ field }) => !known.has(field))];
  };
}

function brokenFieldRules(descriptor: DescMessage, message: Message): readonly FieldViolation[] {
  const result = validator.validate(descriptor, message);
  if (result.kind === "error") throw result.error;
  if (result.kind === "valid") return [];
  return result.violations.map((violation) => ({ field: pathText(violation.field), description: describe(violation) }));
}

/** Each pattern of the contract, in words. */
export const patternWords: Readonly<Record<string, string>> = {
  [idPattern.source]: idWords,
  [requestIdPattern.source]: requestIdWords,
  "^\\P{Cc}{1,256}$": "must be 1 to 256 characters, none of them a control character",
  "^[A-Za-z][A-Za-z0-9_]{0,63}$": "must be 1 to 64 characters of [A-Za-z0-9_], the first a letter",
  "^[A-Za-z_][A-Za-z0-9_]{0,63}$": "must be 1 to 64 characters of [A-Za-z0-9_], the first no digit",
};

/** The library's text, except where it shows what only machines read. */
function describe({ ruleId, message, field }: Violation): string {
  const pattern = ruleId === "string.pattern" && Object.keys(patternWords).find((each) => message.includes(each));
  if (pattern) return patternWords[pattern] ?? message;
  const last = field.at(-1);
  if (!ruleId.startsWith("enum.") || last?.kind !== "field" || last.fieldKind !== "enum") return message;
  return oneOf(last.enum, last);
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
