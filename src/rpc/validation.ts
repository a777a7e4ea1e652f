import { type DescMessage, fromBinary, type Message } from "@bufbuild/protobuf";
import { createValidator, type Violation } from "@bufbuild/protovalidate";
import { idPattern, idWords, requestIdPattern, requestIdWords } from "../kernel/ids.ts";
import { registry } from "./descriptors.ts";
import { type FieldViolation, invalidRequest } from "./errors.ts";
import { plainMessage } from "./plain-message.ts";
import { oneOf, valueRules } from "./value-rules.ts";
import { wireWalk } from "./wire-format.ts";

const patterns = new Map<string, RegExp>();

/** The patterns are the contract's own, so Node's engine serves: the library's default is made for those of strangers, and slow. */
function regexMatch(pattern: string, text: string): boolean {
  const known = patterns.get(pattern) ?? new RegExp(pattern, "u");
  patterns.set(pattern, known);
  return known.test(text);
}

const validator = createValidator({ registry, regexMatch });

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
 * hold for every message. It is the only one that reads these bytes. Nothing is made of them before it is known that they are not too much.
 */
export function validatingDecoder(descriptor: DescMessage): (bytes: Uint8Array) => unknown {
  const walk = wireWalk(descriptor);
  const check = ruleCheck(descriptor);
  const toPlain = plainMessage(descriptor);
  function decode(bytes: Uint8Array): unknown {
    let message: Message;
    try {
      const { excess } = walk(bytes);
      if (excess !== undefined) return new InvalidMessage([excess]);
      message = fromBinary(descriptor, bytes, { readUnknownFields: false });
    } catch {
      return new InvalidMessage([{ field: "", description: `not a well-formed ${descriptor.typeName}` }]);
    }
    try {
      const violations = check(message, bytes.length);
      return violations.length === 0 ? toPlain(message) : new InvalidMessage(violations);
    } catch (error) {
      return new InvalidMessage([{ field: "", description: "its rules could not be checked" }], error);
    }
  }
  // The first validation of a type compiles its rules; no caller should wait for that.
  decode(new Uint8Array());
  return decode;
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
