import { type DescField, type DescMessage, type JsonValue, ScalarType } from "@bufbuild/protobuf";
import type { FieldViolation } from "../rpc/errors.ts";

type JsonObject = { [name: string]: JsonValue };

/** What a query can say of a message: a field, or one of a message within it, `b.c`. */
export type QueryField = { readonly path: readonly DescField[]; readonly field: DescField };

/** All of them, in the order of the contract. What has no single text as its JSON, a Struct, a list of messages, can only stand in a body. */
export function queryFields({ fields }: DescMessage, within: readonly DescField[] = []): readonly QueryField[] {
  return fields.flatMap((field) => {
    const path = [...within, field];
    if (field.fieldKind === "map") return [];
    if (field.message === undefined || isText(field.message)) return [{ path, field }];
    const isOpen = field.fieldKind === "message" && !field.message.typeName.startsWith("google.protobuf.");
    return isOpen ? queryFields(field.message, path) : [];
  });
}

/** Whose JSON is a string. */
const isText = ({ typeName }: DescMessage): boolean =>
  typeName === "google.protobuf.Timestamp" || typeName === "google.protobuf.Duration";

const nameOf = ({ path }: QueryField): string => path.map(({ name }) => name).join(".");
const jsonNameOf = ({ path }: QueryField): string => path.map(({ jsonName }) => jsonName).join(".");

/** `a=1&b.c=x`: in either spelling of a field; what may be many is repeated. */
export function queryJson(
  descriptor: DescMessage,
  text: string,
): { readonly json: JsonObject; readonly problems: readonly FieldViolation[] } {
  const json: JsonObject = {};
  const problems: FieldViolation[] = [...notUnicode(text)];
  if (problems.length > 0) return { json, problems };
  const query = new URLSearchParams(text);
  const known = queryFields(descriptor);
  for (const key of new Set(query.keys())) {
    const found = known.find((one) => nameOf(one) === key || jsonNameOf(one) === key);
    if (found === undefined) {
      const names = known.length === 0 ? "none" : known.map(nameOf).join(", ");
      problems.push({ field: key, description: `is not known in a query; the fields here are ${names}` });
    } else if (!put(json, found, query.getAll(key))) {
      problems.push({ field: nameOf(found), description: "must be given once" });
    }
  }
  return { json, problems };
}

/** What is encoded must be UTF-8: of other bytes, the platform would silently make another text. */
function notUnicode(query: string): readonly FieldViolation[] {
  const isUnicode = (part: string): boolean => (part.match(/(?:%[0-9a-f]{2})+/gi) ?? []).every(isUtf8);
  return query
    .split("&")
    .filter((part) => !isUnicode(part))
    .map((part) => ({
      field: [...new URLSearchParams(part).keys()].join(),
      description: "is no Unicode text: what is encoded with % must be UTF-8",
    }));
}

function isUtf8(encoded: string): boolean {
  try {
    decodeURIComponent(encoded);
    return true;
  } catch {
    return false;
  }
}

function put(json: JsonObject, { path, field }: QueryField, texts: readonly string[]): boolean {
  let target = json;
  for (const { name } of path.slice(0, -1)) {
    target[name] ??= {};
    target = target[name] as JsonObject;
  }
  const values = texts.map((text) => valueJson(field, text));
  if (field.fieldKind !== "list" && (values.length > 1 || field.name in target)) return false;
  target[field.name] = field.fieldKind === "list" ? values : (values[0] ?? null);
  return true;
}

/** What a text of a path or a query is in JSON. A string is taken for a number there, but for nothing else. */
export function valueJson(field: DescField, text: string): JsonValue {
  if (field.scalar === ScalarType.BOOL) return text === "true" ? true : text === "false" ? false : text;
  if (field.enum !== undefined && /^-?\d{1,10}$/.test(text)) return Number(text);
  return text;
}
