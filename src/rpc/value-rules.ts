import { type DescEnum, type DescEnumValue, type DescField, type DescMessage, getOption, ScalarType } from "@bufbuild/protobuf";
import type { Duration, Timestamp } from "@bufbuild/protobuf/wkt";
import { field as fieldRules } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { structBytesMax } from "../kernel/limits.ts";
import { systemPrefix } from "../kernel/system-actor.ts";
import type { FieldViolation } from "./errors.ts";
import { keyText } from "./key-text.ts";

/**
 * What no field rule of the contract says, because it holds for every message: known enum numbers, Structs that are JSON and not too
 * large, times and durations within their ranges, integers that are exact here, and no caller who calls itself the server. How deep and how wide a Struct is was found on the wire.
 */
export function valueRules(descriptor: DescMessage): (message: object, wireBytes: number) => readonly FieldViolation[] {
  const watched = watchedFields(descriptor);
  return (message, wireBytes) => {
    const found: FieldViolation[] = [];
    watch(message, watched, { path: [], measure: mayBeTooLarge(wireBytes), found });
    return found;
  };
}

/** Of a Struct. A byte on the wire is at most six characters of JSON, an escaped control character: most need not be measured. */
export const mayBeTooLarge = (wireBytes: number): boolean => wireBytes * 6 > structBytesMax;

/** `at`: the place within the value. */
type Problem = { readonly at?: string; readonly description: string };

type Rule = (value: never, measure: boolean) => Problem | undefined;

/** A field with a rule, or one with such fields in it. */
type Watched = { readonly field: DescField; readonly rule: Rule | undefined; readonly inside: readonly Watched[] };

/** No message of the contract contains itself, Struct apart. */
function watchedFields({ fields }: DescMessage): readonly Watched[] {
  return fields
    .map((field) => {
      const rule = ruleOf(field);
      return { field, rule, inside: field.message && !rule ? watchedFields(field.message) : [] };
    })
    .filter(({ rule, inside }) => rule !== undefined || inside.length > 0);
}

export const isLong = (scalar: ScalarType | undefined): boolean => longTypes.has(scalar);

const longTypes = new Set<ScalarType | undefined>([
  ScalarType.INT64,
  ScalarType.UINT64,
  ScalarType.SINT64,
  ScalarType.FIXED64,
  ScalarType.SFIXED64,
]);

function ruleOf(field: DescField): Rule | undefined {
  if (field.enum !== undefined) return enumRule(field.enum, field);
  if (isLong(field.scalar)) return integerProblem;
  if (isRequester(field)) return nameProblem;
  switch (field.message?.typeName) {
    case "google.protobuf.Struct":
      return structProblem;
    case "google.protobuf.Timestamp":
      return timestampProblem;
    case "google.protobuf.Duration":
      return durationProblem;
    default:
      return undefined;
  }
}

type Finding = { readonly path: (string | number)[]; readonly measure: boolean; readonly found: FieldViolation[] };

/** Runs for every request: while nothing is wrong it only walks, and the path is put together when something is. */
function watch(message: object, watched: readonly Watched[], finding: Finding): void {
  const { path } = finding;
  for (const one of watched) {
    const value = valueIn(message as Readonly<Record<string, unknown>>, one.field);
    if (value === undefined) continue;
    path.push(one.field.name);
    if (Array.isArray(value)) {
      for (let index = 0; index < value.length; index += 1) {
        path.push(index);
        watchValue(value[index], one, finding);
        path.pop();
      }
    } else {
      watchValue(value, one, finding);
    }
    path.pop();
  }
}

/** protobuf-es keeps the fields of a oneof under the oneof's name. */
function valueIn(message: Readonly<Record<string, unknown>>, field: DescField): unknown {
  if (field.oneof === undefined) return message[field.localName];
  const chosen = message[field.oneof.localName] as { readonly case?: string; readonly value?: unknown };
  return chosen.case === field.localName ? chosen.value : undefined;
}

function watchValue(value: unknown, { rule, inside }: Watched, finding: Finding): void {
  if (rule === undefined) {
    watch(value as object, inside, finding);
    return;
  }
  const problem = rule(value as never, finding.measure);
  if (problem === undefined) return;
  finding.found.push({ field: `${joined(finding.path)}${problem.at ?? ""}`, description: problem.description });
}

function joined(path: readonly (string | number)[]): string {
  return path.map((item, index) => (typeof item === "number" ? `[${item}]` : `${index === 0 ? "" : "."}${item}`)).join("");
}

/** What a field rule refuses is not named. */
export function oneOf({ values }: DescEnum, field: DescField): string {
  const { type } = getOption(field, fieldRules);
  const rules = type.case === "enum" ? type.value : undefined;
  const refused = new Set([0, ...(rules?.notIn ?? [])]);
  const isWanted = ({ number }: DescEnumValue): boolean =>
    !refused.has(number) && (!rules?.in.length || rules.in.includes(number));
  const names = values.filter(isWanted).map(({ name }) => name);
  return `must be one of ${names.join(", ")}`;
}

function enumRule(descriptor: DescEnum, field: DescField): Rule {
  const description = oneOf(descriptor, field);
  return (number: number) => (descriptor.value[number] === undefined ? { description } : undefined);
}

/** Of what can be retried. A question may be asked in any name. */
export const isRequester = ({ name, parent }: DescField): boolean =>
  name === "requested_by" && parent.fields.some((field) => field.name === "request_id");

export function nameProblem(name: string): Problem | undefined {
  if (!name.startsWith(systemPrefix)) return undefined;
  return { description: `must not begin with "${systemPrefix}": these are the names of the server's own actors` };
}

/** Concord counts in doubles. No honest count comes near their end. */
export function integerProblem(value: bigint): Problem | undefined {
  if (Number.isSafeInteger(Number(value))) return undefined;
  return {
    description: value > 0n ? `must be at most ${Number.MAX_SAFE_INTEGER}` : `must be at least ${Number.MIN_SAFE_INTEGER}`,
  };
}

/** As google/protobuf/timestamp.proto has them. */
const timestampSecondsMin = -62_135_596_800n;
const timestampSecondsMax = 253_402_300_799n;
const timestampWords = "must be a time of the years 1 to 9999, its nanos from 0 to 999999999";

export function timestampProblem({ seconds, nanos }: Pick<Timestamp, "seconds" | "nanos">): Problem | undefined {
  const inRange = seconds >= timestampSecondsMin && seconds <= timestampSecondsMax && nanos >= 0 && nanos <= 999_999_999;
  return inRange ? undefined : { description: timestampWords };
}

/** As google/protobuf/duration.proto has it: 10,000 years. */
const durationSecondsMax = 315_576_000_000n;
const durationWords = `must be a duration of at most ${durationSecondsMax} seconds, its nanos below 1000000000 and of the same sign`;

export function durationProblem({ seconds, nanos }: Pick<Duration, "seconds" | "nanos">): Problem | undefined {
  const magnitude = seconds < 0n ? -seconds : seconds;
  const inRange = magnitude <= durationSecondsMax && Math.abs(nanos) <= 999_999_999;
  const mixed = (seconds < 0n && nanos > 0) || (seconds > 0n && nanos < 0);
  return inRange && !mixed ? undefined : { description: durationWords };
}

function structProblem(value: unknown, measure: boolean): Problem | undefined {
  const at = notFinitePlace(value);
  if (at !== undefined) return { at, description: "must be a finite number: JSON has neither NaN nor infinity" };
  if (!measure) return undefined;
  // As JSON, the form in which people know it.
  const size = Buffer.byteLength(JSON.stringify(value));
  return size > structBytesMax ? { description: `has ${size} bytes as JSON; at most ${structBytesMax} are allowed` } : undefined;
}

/** Where the first number stands that JSON does not have. */
function notFinitePlace(value: unknown): string | undefined {
  if (typeof value === "number") return Number.isFinite(value) ? undefined : "";
  if (typeof value !== "object" || value === null) return undefined;
  for (const key in value) {
    const place = notFinitePlace((value as Readonly<Record<string, unknown>>)[key]);
    if (place !== undefined) return `${Array.isArray(value) ? `[${key}]` : keyText(key)}${place}`;
  }
  return undefined;
}
