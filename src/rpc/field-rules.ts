import {
  type DescField,
  type DescMessage,
  type DescOneof,
  getOption,
  isFieldSet,
  type Message as RulesMessage,
} from "@bufbuild/protobuf";
import type { Duration } from "@bufbuild/protobuf/wkt";
import {
  type FieldRules,
  FieldRulesSchema,
  field as fieldOption,
  Ignore,
  message as messageOption,
  oneof as oneofOption,
} from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { patternOf } from "./patterns.ts";

/** Of a value as the generated types have it. */
type Holds = (value: never) => boolean;

type Message = Readonly<Record<string, unknown>>;

/**
 * Whether the `buf.validate` rules of the contract hold for a message, as the generated types have it. What it does not know does not hold: the
 * library, which knows all rules, decides then, and finds the words. So it must never say yes where the library says no.
 */
export function fieldRulesHold(descriptor: DescMessage): (message: object) => boolean {
  const holds = messageHolds(descriptor) ?? always;
  return (message) => holds(message as never);
}

const always: Holds = () => true;
const unknown: Holds = () => false;

/** Nothing, here and below: whatever it is, it is right. */
function messageHolds(descriptor: DescMessage): Holds | undefined {
  if (descriptor.typeName.startsWith("google.protobuf.")) return undefined;
  const { cel, celExpression, oneof } = getOption(descriptor, messageOption);
  if (cel.length + celExpression.length + oneof.length > 0) return unknown;
  return all(descriptor.members.map((member) => (member.kind === "oneof" ? groupHolds(member) : memberHolds(member))));
}

function all(rules: readonly (Holds | undefined)[]): Holds | undefined {
  const those = rules.filter((rule) => rule !== undefined);
  return those.length > 1 ? (value) => those.every((holds) => holds(value)) : those[0];
}

function memberHolds(field: DescField): Holds | undefined {
  const { localName: name } = field;
  const { ignore, required } = getOption(field, fieldOption);
  const holds = fieldHolds(field);
  if (holds === undefined && !required) return undefined;
  const mayBeUnset = ignore === Ignore.IF_ZERO_VALUE || field.presence !== implicitPresence;
  return (message: Message) => {
    const value = message[name];
    if ((required || mayBeUnset) && isUnset(field, value)) return !required;
    return holds === undefined || holds(value as never);
  };
}

function groupHolds(group: DescOneof): Holds | undefined {
  const { localName: name, fields } = group;
  const { required } = getOption(group, oneofOption);
  if (fields.some((field) => getOption(field, fieldOption).required)) return unknown;
  const choices = new Map(fields.map((field) => [field.localName, fieldHolds(field)]));
  if (!required && [...choices.values()].every((holds) => holds === undefined)) return undefined;
  return (message: Message) => {
    const chosen = message[name] as { readonly $case: string; readonly value: never } | undefined;
    return chosen === undefined ? !required : (choices.get(chosen.$case)?.(chosen.value) ?? true);
  };
}

/** FeatureSet.FieldPresence.IMPLICIT. */
const implicitPresence = 2;

function isUnset(field: DescField, value: unknown): boolean {
  if (value === undefined) return true;
  if (Array.isArray(value)) return value.length === 0;
  if (field.presence !== implicitPresence) return false;
  if (value instanceof Uint8Array) return value.length === 0;
  return field.enum === undefined ? !value : value === field.enum.values[0]?.name;
}

/** Of its value, if it has one. */
function fieldHolds(field: DescField): Holds | undefined {
  const rules = getOption(field, fieldOption);
  if (rules.ignore === Ignore.ALWAYS) return undefined;
  const inside = field.message && messageHolds(field.message);
  const each = inside && field.fieldKind === "list" ? (list: readonly never[]) => list.every((item) => inside(item)) : inside;
  return all([each, ...celHolds(rules), ...kindHolds(field, rules)]);
}

/** The rules of the kind of value that it has. */
function kindHolds(field: DescField, { type: { case: kind, value: rules } }: FieldRules): readonly Holds[] {
  if (kind === undefined) return [];
  const { message: schema } = FieldRulesSchema.field[kind];
  if (schema === undefined || rules.$unknown !== undefined) return [unknown];
  return schema.fields
    .filter((rule) => isFieldSet(rules as RulesMessage, rule))
    .map((rule) => known[`${kind}.${rule.name}`]?.(boundOf(rules as unknown as Message, rule), field) ?? unknown);
}

/** What the rule is given: the text of a pattern, the number of a bound. */
function boundOf(rules: Message, { localName, oneof }: DescField): never {
  const bound = oneof === undefined ? rules[localName] : (rules[oneof.localName] as { readonly value: unknown }).value;
  return bound as never;
}

const least = { gte: (min: number | bigint) => (value: number | bigint) => value >= min };
const most = { lte: (max: number | bigint) => (value: number | bigint) => value <= max };

const known: Readonly<Record<string, (bound: never, field: DescField) => Holds>> = {
  // A character has at most two units. What may be right, or not, the library counts.
  "string.min_len": (min: bigint) => (text: string) => text.length >= 2 * Number(min) - 1,
  "string.max_len": (max: bigint) => (text: string) => text.length <= max,
  "string.pattern": (source: string) => {
    const pattern = patternOf(source);
    return (text: string) => pattern.test(text);
  },
  "bytes.max_len": (max: bigint) => (bytes: Uint8Array) => bytes.length <= max,
  "int32.gte": least.gte,
  "int32.lte": most.lte,
  "uint32.gte": least.gte,
  "uint32.lte": most.lte,
  "int64.gte": least.gte,
  "int64.lte": most.lte,
  "double.gte": least.gte,
  "double.lte": most.lte,
  "duration.gte": (min: Duration) => (duration: Duration) => compare(duration, min) >= 0,
  "duration.lte": (max: Duration) => (duration: Duration) => compare(duration, max) <= 0,
  // An enum number that is not defined has no name, and the message is read by the library.
  "enum.defined_only": () => always,
  "enum.in": (numbers: readonly number[], field) => oneOfNames(field, numbers),
  "enum.not_in": (numbers: readonly number[], field) => {
    const isRefused: (name: never) => boolean = oneOfNames(field, numbers);
    return (name) => !isRefused(name);
  },
  "repeated.min_items": (min: bigint) => (list: readonly unknown[]) => list.length >= min,
  "repeated.max_items": (max: bigint) => (list: readonly unknown[]) => list.length <= max,
  "repeated.unique": () => areDifferent,
  "repeated.items": (items: FieldRules, field) => {
    const holds = items.ignore === Ignore.UNSPECIFIED ? all([...celHolds(items), ...kindHolds(field, items)]) : unknown;
    return holds === undefined ? always : (list: readonly never[]) => list.every((item) => holds(item));
  },
};

function compare(one: Duration, other: Duration): number {
  return one.seconds === other.seconds ? one.nanos - other.nanos : Number(one.seconds - other.seconds);
}

function oneOfNames(field: DescField, numbers: readonly number[]): Holds {
  const names = new Set<string | undefined>(numbers.map((number) => field.enum?.value[number]?.name));
  return (name: string) => names.has(name);
}

const areDifferent = (values: readonly unknown[]): boolean => new Set(values).size === values.length;

function celHolds({ cel, celExpression }: FieldRules): readonly Holds[] {
  return [...cel.map(({ expression }) => expression), ...celExpression].map((text) => knownExpressions[text] ?? unknown);
}

const knownExpressions: Readonly<Record<string, Holds>> = {
  "this.map(e, e.participant_id).unique()": (parts: readonly { readonly participantId: string }[]) =>
    areDifferent(parts.map(({ participantId }) => participantId)),
};
