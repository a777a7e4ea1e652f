import type { Json, JsonObject } from "../../../kernel/json.ts";
import { anyRecord, enumOf, listOf, recordOf, type Scalar, type Type, types, withValues } from "./type.ts";

/**
 * The type of metadata that a JSON Schema describes, as far as its words for shapes say it: `type`, `properties`, `items`, `enum`,
 * `additionalProperties`, and `$ref` within the schema. All else that it says narrows values down, not types. Where one of several types may
 * be, nothing is known. Of an object whose properties are listed there are no others, unless the schema says that there are.
 */
export const metadataType = (schema: JsonObject): Type => objectType(schema, { root: schema, referred: new Map() });

/** `referred`: the types of what is referred to. While one is made, nothing is known of it: a schema may refer to itself. */
type Within = { readonly root: JsonObject; readonly referred: Map<string, Type> };

function typeOf(schema: Json | undefined, within: Within): Type {
  if (!isObject(schema)) return types.dyn;
  const reference = schema["$ref"];
  if (typeof reference === "string") return referredType(reference, within);
  const values = onlyValues(schema);
  if (values?.every((value) => typeof value === "string")) return enumOf(new Map(values.map((name) => [name, name])));
  const type = typeNamed(schema, within);
  return values === undefined ? type : withValues(type, values);
}

function typeNamed(schema: JsonObject, within: Within): Type {
  const type = schema["type"];
  switch (Array.isArray(type) && type.length === 1 ? type[0] : type) {
    case "string":
      return types.string;
    case "boolean":
      return types.bool;
    case "integer":
      return types.int;
    case "number":
      return types.double;
    case "null":
      return types.null;
    case "array":
      return listOf(schema["prefixItems"] === undefined ? typeOf(schema["items"], within) : types.dyn);
    case "object":
      return objectType(schema, within);
    default:
      return types.dyn;
  }
}

/** Of an enum of texts, numbers, bools and null, or of a constant. */
function onlyValues({ enum: values, const: value }: JsonObject): readonly Scalar[] | undefined {
  const all = Array.isArray(values) ? (values as readonly Json[]) : value === undefined ? [] : [value];
  const scalars = all.filter((each) => typeof each !== "object" || each === null) as readonly Scalar[];
  return scalars.length > 0 && scalars.length === all.length ? scalars : undefined;
}

/** What may add properties that are not listed. */
const additions = ["allOf", "anyOf", "oneOf", "if", "dependentSchemas", "patternProperties", "unevaluatedProperties", "$ref"];

function objectType(schema: JsonObject, within: Within): Type {
  const { properties, additionalProperties: others } = schema;
  const isOpen = others === true || additions.some((word) => Object.hasOwn(schema, word));
  const rest = isOpen ? types.dyn : isObject(others) ? typeOf(others, within) : undefined;
  if (!isObject(properties)) return others === false && !isOpen ? recordOf({}) : anyRecord;
  const fields = Object.entries(properties).map(([name, each]) => [name, typeOf(each, within)] as const);
  return recordOf(Object.fromEntries(fields), rest);
}

function referredType(reference: string, within: Within): Type {
  const known = within.referred.get(reference);
  if (known !== undefined) return known;
  within.referred.set(reference, types.dyn);
  const type = typeOf(at(within.root, reference), within);
  within.referred.set(reference, type);
  return type;
}

/** `#/$defs/site`: https://www.rfc-editor.org/rfc/rfc6901 */
function at(root: JsonObject, reference: string): Json | undefined {
  const [document, ...path] = reference.split("/");
  if (document !== "#") return undefined;
  return path
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))
    .reduce<Json | undefined>((value, part) => (isObject(value) && Object.hasOwn(value, part) ? value[part] : undefined), root);
}

function isObject(json: Json | undefined): json is JsonObject {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}
