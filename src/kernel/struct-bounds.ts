import type { Json, JsonObject } from "./json.ts";
import { structBytesMax, structDepthMax, structValueCountMax } from "./limits.ts";
import { byteCount } from "./text.ts";

/** What is too much of a Struct that was made here. Those of requests are measured before they are made. */
export function structExcess(struct: JsonObject): string | undefined {
  if (depthOf(struct) > structDepthMax) return `is nested deeper than ${structDepthMax} levels`;
  const count = valueCount(struct);
  if (count > structValueCountMax) return `has ${count} values; at most ${structValueCountMax} are allowed`;
  const bytes = byteCount(JSON.stringify(struct));
  return bytes > structBytesMax ? `has ${bytes} bytes as JSON; at most ${structBytesMax} are allowed` : undefined;
}

const within = (json: Json): readonly Json[] => (typeof json === "object" && json !== null ? Object.values(json) : []);

/** Each number, text, list and object within it. */
function valueCount(json: Json): number {
  let count = 0;
  for (const value of within(json)) count += 1 + valueCount(value);
  return count;
}

/** Objects and lists, this one counted. */
function depthOf(json: Json): number {
  if (typeof json !== "object" || json === null) return 0;
  let deepest = 0;
  for (const value of within(json)) deepest = Math.max(deepest, depthOf(value));
  return 1 + deepest;
}
