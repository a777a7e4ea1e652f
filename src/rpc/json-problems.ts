import { type DescField, type DescMessage, fromJson, type JsonValue, ScalarType } from "@bufbuild/protobuf";
import { isFieldError } from "@bufbuild/protobuf/reflect";
import type { FieldViolation } from "./errors.ts";
import { notUnicodePlace, notUnicodeWords } from "./unicode.ts";
import { oneOf } from "./value-rules.ts";

type JsonObject = Readonly<Record<string, JsonValue>>;

/** Fields that are named of one message. */
const violationCountMax = 20;

/**
 * What is wrong with JSON that is no message of its type, each at its place. The library decides what is wrong, and says of the first thing only
 * in which field of which type it is: so it is asked again about smaller and smaller parts. Only of what is refused already, or is suspected. Texts
 * that are no Unicode it takes within a Struct, and durations that only begin as such: they are refused here.
 */
export function jsonProblems(descriptor: DescMessage, json: JsonValue): readonly FieldViolation[] {
  const found: FieldViolation[] = [];
  inMessage(descriptor, json, "", found);
  return found;
}

function inMessage(descriptor: DescMessage, json: JsonValue, path: string, found: FieldViolation[]): void {
  if (!isObject(json)) {
    found.push({ field: path, description: "must be a JSON object" });
    return;
  }
  const names = new Map(descriptor.fields.flatMap((field) => [field.name, field.jsonName].map((name) => [name, field] as const)));
  const before = found.length;
  for (const [name, value] of Object.entries(json)) {
    if (found.length >= violationCountMax) return;
    const field = names.get(name);
    const shown = field?.name ?? (name.isWellFormed() ? name : JSON.stringify(name));
    const place = path === "" ? shown : `${path}.${shown}`;
    if (field === undefined) {
      found.push({ field: place, description: `is not known; the fields here are ${listed(descriptor)}` });
    } else {
      inField(descriptor, field, value, { name, place }, found);
    }
  }
  if (found.length > before) return;
  const twice = descriptor.fields.filter(({ name, jsonName }) => name !== jsonName && name in json && jsonName in json);
  for (const { name, jsonName } of twice) {
    found.push({ field: path === "" ? name : `${path}.${name}`, description: `is there twice, as ${jsonName} and as ${name}` });
  }
  // Each field alone is right: two of a oneof.
  const cause = twice.length === 0 ? causeOf(descriptor, json) : undefined;
  if (cause !== undefined) found.push({ field: path, description: cause });
}

function inField(
  descriptor: DescMessage,
  field: DescField,
  value: JsonValue,
  { name, place }: { readonly name: string; readonly place: string },
  found: FieldViolation[],
): void {
  const notUnicodeAt = notUnicodePlace(value);
  const cause = causeOf(descriptor, { [name]: value }) ?? (notUnicodeAt === undefined ? undefined : notUnicodeWords);
  if (cause === undefined) return;
  if (field.fieldKind === "message" && !isWellKnown(field.message)) {
    inMessage(field.message, value, place, found);
    return;
  }
  if (field.fieldKind === "list" && Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      if (found.length >= violationCountMax) return;
      const itemPlace = `${place}[${index}]`;
      if (item === null) found.push({ field: itemPlace, description: "must not be null" });
      else if (field.listKind === "message" && !isWellKnown(field.message)) inMessage(field.message, item, itemPlace, found);
      else if (notUnicodePlace(item) !== undefined) found.push({ field: itemPlace, description: notUnicodeWords });
      else if (causeOf(descriptor, { [name]: [item] }) !== undefined) {
        found.push({ field: itemPlace, description: wanted(field) ?? cause });
      }
    }
    return;
  }
  if (notUnicodeAt !== undefined && (cause === notUnicodeWords || typeof value === "string")) {
    found.push({ field: `${place}${notUnicodeAt}`, description: notUnicodeWords });
    return;
  }
  const words = field.fieldKind === "list" ? "must be a JSON array" : wanted(field);
  found.push({ field: place, description: words ?? cause });
}

/** Why it is not taken, in the library's words if it is the library's verdict. */
function causeOf(descriptor: DescMessage, json: JsonValue): string | undefined {
  try {
    fromJson(descriptor, json);
    return hasFalseDuration(descriptor, json) ? "has a duration with more behind it" : undefined;
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    if (isFieldError(cause)) return `${cause.field().name}: ${cause.message}`;
    return error instanceof Error ? error.message : String(error);
  }
}

const durationText = /^-?\d+(?:\.\d{1,9})?s$/;

/** Of JSON that the library has taken: it reads "5s*" as five seconds. */
export function hasFalseDuration(descriptor: DescMessage, json: JsonValue): boolean {
  if (descriptor.typeName === "google.protobuf.Duration") return typeof json === "string" && !durationText.test(json);
  if (isWellKnown(descriptor) || !isObject(json)) return false;
  return descriptor.fields.some((field) => {
    const { message, name, jsonName } = field;
    const value = json[name] ?? json[jsonName];
    if (message === undefined || value === undefined) return false;
    const values = field.fieldKind === "map" && isObject(value) ? Object.values(value) : [value].flat();
    return values.some((one) => hasFalseDuration(message, one));
  });
}

const integers = new Set([ScalarType.INT32, ScalarType.UINT32, ScalarType.INT64, ScalarType.UINT64]);

/** What a value of the field looks like in JSON, as far as there is a short word for it. */
function wanted(field: DescField): string | undefined {
  if (field.enum !== undefined) return oneOf(field.enum, field);
  if (field.scalar !== undefined) {
    if (integers.has(field.scalar)) return "must be a whole number, or one in quotes";
    if (field.scalar === ScalarType.STRING) return "must be a string";
    if (field.scalar === ScalarType.BOOL) return "must be true or false";
    if (field.scalar === ScalarType.BYTES) return "must be a string of base64";
    return "must be a number";
  }
  switch (field.message?.typeName) {
    case "google.protobuf.Timestamp":
      return 'must be a time such as "2026-11-26T09:30:00Z", of the years 1 to 9999';
    case "google.protobuf.Duration":
      return 'must be a duration in seconds such as "1.5s"';
    case "google.protobuf.Struct":
      return "must be a JSON object, nested no deeper than 32 levels";
    default:
      return undefined;
  }
}

const listed = ({ fields }: DescMessage): string => (fields.length === 0 ? "none" : fields.map(({ name }) => name).join(", "));

const isWellKnown = ({ typeName }: DescMessage): boolean => typeName.startsWith("google.protobuf.");

const isObject = (json: JsonValue): json is JsonObject => typeof json === "object" && json !== null && !Array.isArray(json);
