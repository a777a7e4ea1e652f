import { type DescEnum, type DescField, type DescMessage, type DescOneof, getOption, ScalarType } from "@bufbuild/protobuf";
import type { Duration } from "@bufbuild/protobuf/wkt";
import {
  type FieldRules,
  field as fieldRules,
  Ignore,
  oneof as oneofRules,
} from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { registry } from "../../src/rpc/descriptors.ts";
import { commentOf } from "./comments.ts";

export type Schema = { readonly [keyword: string]: unknown };

/** Where a message stands: in requests, in answers, or in both. */
export type Use = "request" | "response" | "both";

const namesakes = Map.groupBy(
  [...registry].filter((one) => (one.kind === "message" || one.kind === "enum") && one.typeName.startsWith("concord.")),
  ({ typeName }) => typeName.split(".").at(-1) ?? "",
);

/** Its own name; where packages have one of the same name, with that of the package before it. */
export function componentName({ name, typeName }: { readonly name: string; readonly typeName: string }): string {
  if ((namesakes.get(name)?.length ?? 0) < 2) return name;
  const packageName = typeName.split(".")[1] ?? "";
  return `${packageName.slice(0, 1).toUpperCase()}${packageName.slice(1)}${name}`;
}

export const ref = (descriptor: DescMessage | DescEnum): Schema => ({
  $ref: `#/components/schemas/${componentName(descriptor)}`,
});

/** `without`: fields that stand in the path. */
export function messageSchema(descriptor: DescMessage, use: Use, without: ReadonlySet<string>): Schema {
  const fields = descriptor.fields.filter(({ name }) => !without.has(name));
  const required = fields.filter((field) => (use === "response" ? isAlwaysThere(field) : isRequired(field)));
  const choices = descriptor.oneofs.map(choice);
  return {
    type: "object",
    ...described(commentOf(descriptor)),
    properties: Object.fromEntries(
      fields.map((field) => [
        field.jsonName,
        use === "response" || isRequired(field) ? fieldSchema(field, use) : orNull(fieldSchema(field, use)),
      ]),
    ),
    ...(required.length > 0 && { required: required.map(({ jsonName }) => jsonName) }),
    ...(choices.length > 0 && { allOf: choices }),
    // An answer may have more one day; of a request, what is not known is refused.
    ...(use === "request" && { additionalProperties: false }),
  };
}

/** In a request, null is as if the field were not there. */
function orNull({ description, ...schema }: Schema): Schema {
  const { type, enum: values } = schema;
  const nullable =
    type === undefined || values !== undefined
      ? { anyOf: [schema, { type: "null" }] }
      : { ...schema, type: [type, "null"].flat() };
  return { ...nullable, ...(description !== undefined && { description }) };
}

export function enumSchema(descriptor: DescEnum): Schema {
  const lines = descriptor.values.map((value) => `- \`${value.name}\`: ${commentOf(value).replaceAll("\n", " ")}`);
  return {
    type: "string",
    enum: descriptor.values.map(({ name }) => name),
    ...described([commentOf(descriptor), ...lines].join("\n")),
  };
}

/** At most one of them; exactly one where the contract says so. */
function choice(oneof: DescOneof): Schema {
  const each = oneof.fields.map(({ jsonName }) => ({ required: [jsonName] }));
  return { oneOf: [...each, ...(getOption(oneof, oneofRules).required ? [] : [{ not: { anyOf: each } }])] };
}

export function fieldSchema(field: DescField, use: Use): Schema {
  const rules = getOption(field, fieldRules);
  const value = field.fieldKind === "list" ? listSchema(field, rules, use) : singleSchema(field, rules, use);
  const said = rules.cel.map(({ message }) => `Otherwise refused: it ${message}.`);
  const range = durationRange(rules);
  return { ...value, ...described([commentOf(field), ...(range === undefined ? [] : [range]), ...said].join("\n\n")) };
}

function listSchema(field: DescField, { type }: FieldRules, use: Use): Schema {
  const rules = type.case === "repeated" ? type.value : undefined;
  return {
    type: "array",
    items: singleSchema(field, rules?.items, use),
    ...(rules?.minItems && { minItems: Number(rules.minItems) }),
    ...(rules?.maxItems && { maxItems: Number(rules.maxItems) }),
    ...(rules?.unique && { uniqueItems: true }),
  };
}

function singleSchema(field: DescField, rules: FieldRules | undefined, use: Use): Schema {
  if (field.fieldKind === "map") return { type: "object", additionalProperties: mapValueSchema(field, use) };
  if (field.enum !== undefined) return enumRuled(field.enum, rules);
  if (field.message !== undefined) return wellKnown[field.message.typeName] ?? ref(field.message);
  return scalarSchema(field.scalar as ScalarType, rules, use);
}

function mapValueSchema(field: DescField & { readonly fieldKind: "map" }, use: Use): Schema {
  if (field.mapKind === "enum") return ref(field.enum);
  if (field.mapKind === "message") return wellKnown[field.message.typeName] ?? ref(field.message);
  return scalarSchema(field.scalar, undefined, use);
}

const wellKnown: Readonly<Record<string, Schema>> = {
  "google.protobuf.Struct": { type: "object" },
  "google.protobuf.Value": {},
  "google.protobuf.Timestamp": { type: "string", format: "date-time" },
  "google.protobuf.Duration": { type: "string", pattern: "^-?[0-9]+(\\.[0-9]{1,9})?s$", examples: ["1.5s"] },
};

function enumRuled(descriptor: DescEnum, rules: FieldRules | undefined): Schema {
  const enumRules = rules?.type.case === "enum" ? rules.type.value : undefined;
  const [wanted, refused] = [enumRules?.in ?? [], enumRules?.notIn ?? []];
  if (wanted.length === 0 && refused.length === 0) return ref(descriptor);
  const isAllowed = (number: number): boolean => !refused.includes(number) && (wanted.length === 0 || wanted.includes(number));
  return { type: "string", enum: descriptor.values.filter(({ number }) => isAllowed(number)).map(({ name }) => name) };
}

function scalarSchema(scalar: ScalarType, rules: FieldRules | undefined, use: Use): Schema {
  switch (scalar) {
    case ScalarType.STRING:
      return { type: "string", ...stringBounds(rules) };
    case ScalarType.BYTES: {
      const most = rules?.type.case === "bytes" ? Number(rules.type.value.maxLen) : 0;
      return { type: "string", contentEncoding: "base64", ...(most > 0 && { maxLength: 4 * Math.ceil(most / 3) }) };
    }
    case ScalarType.BOOL:
      return { type: "boolean" };
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return { type: "number", ...numberBounds(rules) };
    case ScalarType.INT64:
    case ScalarType.UINT64:
      // 64 bits are more than a number of JSON is sure to have.
      return use === "response"
        ? { type: "string", format: "int64", pattern: "^-?[0-9]+$" }
        : { type: ["integer", "string"], format: "int64", pattern: "^-?[0-9]+$", ...safe, ...numberBounds(rules) };
    default:
      return { type: "integer", format: "int32", minimum: -(2 ** 31), maximum: 2 ** 31 - 1, ...numberBounds(rules) };
  }
}

const safe = { minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER };

function stringBounds(rules: FieldRules | undefined): Schema {
  if (rules?.type.case !== "string") return {};
  const { minLen, maxLen, pattern } = rules.type.value;
  return {
    ...(minLen > 0n && { minLength: Number(minLen) }),
    ...(maxLen > 0n && { maxLength: Number(maxLen) }),
    ...(pattern !== "" && { pattern: mayBeEmpty(rules) ? `^$|${plain(pattern)}` : plain(pattern) }),
  };
}

const mayBeEmpty = ({ ignore }: FieldRules): boolean => ignore === Ignore.IF_ZERO_VALUE;

/** The category of control characters by its members: not every reader of a schema knows categories. */
const plain = (pattern: string): string => pattern.replaceAll("\\P{Cc}", "[^\\u0000-\\u001f\\u007f-\\u009f]");

function numberBounds(rules: FieldRules | undefined): Schema {
  const { case: kind, value } = rules?.type ?? {};
  if (kind === undefined || !/^u?int|^double|^float/.test(kind)) return {};
  const { greaterThan, lessThan } = value as {
    readonly greaterThan: { readonly case?: string; readonly value?: unknown };
    readonly lessThan: { readonly case?: string; readonly value?: unknown };
  };
  return {
    ...(greaterThan.case === "gte" && { minimum: Number(greaterThan.value) }),
    ...(greaterThan.case === "gt" && { exclusiveMinimum: Number(greaterThan.value) }),
    ...(lessThan.case === "lte" && { maximum: Number(lessThan.value) }),
    ...(lessThan.case === "lt" && { exclusiveMaximum: Number(lessThan.value) }),
  };
}

function durationRange({ type }: FieldRules): string | undefined {
  if (type.case !== "duration") return undefined;
  const { greaterThan, lessThan } = type.value;
  const seconds = ({ seconds, nanos }: Duration): string => `${Number(seconds) + nanos / 1e9}s`;
  const words = [
    ...(greaterThan.value === undefined
      ? []
      : [`${greaterThan.case === "gt" ? "more than" : "at least"} ${seconds(greaterThan.value)}`]),
    ...(lessThan.value === undefined ? [] : [`${lessThan.case === "lt" ? "less than" : "at most"} ${seconds(lessThan.value)}`]),
  ];
  return words.length === 0 ? undefined : `In JSON, ${words.join(", ")}.`;
}

/** In an answer: the JSON has every field that has no presence. */
const isAlwaysThere = (field: DescField): boolean =>
  field.oneof === undefined &&
  (field.fieldKind === "list" || field.fieldKind === "map" || (field.message === undefined && !field.proto.proto3Optional));

/** In a request: what is left out has its zero value, which the rules do not allow. */
export function isRequired(field: DescField): boolean {
  const { required, ignore, type } = getOption(field, fieldRules);
  if (required) return true;
  if (ignore === Ignore.IF_ZERO_VALUE || ignore === Ignore.ALWAYS || field.oneof !== undefined || field.proto.proto3Optional)
    return false;
  switch (type.case) {
    case "string":
      return type.value.minLen > 0n || (type.value.pattern !== "" && !new RegExp(type.value.pattern, "u").test(""));
    case "enum":
      return type.value.notIn.includes(0);
    case "repeated":
      return type.value.minItems > 0n;
    default:
      return false;
  }
}

function described(text: string): Schema {
  return text.trim() === "" ? {} : { description: text.trim() };
}
