import type { Json, JsonObject } from "./json.ts";

/** RFC 7396, of two objects: a key of the patch replaces that of the target, `null` removes it, and objects are merged, however deep. */
export function mergePatch(target: JsonObject, patch: JsonObject): JsonObject {
  // A map, since a key may be called "__proto__".
  const merged = new Map<string, Json>(Object.entries(target));
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) merged.delete(key);
    else if (isObject(value)) merged.set(key, mergePatch(objectOr(merged.get(key)), value));
    else merged.set(key, value);
  }
  return Object.fromEntries(merged);
}

const isObject = (json: Json | undefined): json is JsonObject =>
  typeof json === "object" && json !== null && !Array.isArray(json);

const objectOr = (json: Json | undefined): JsonObject => (isObject(json) ? json : {});
