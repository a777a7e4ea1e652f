import type { Json } from "../../../kernel/json.ts";
import { isOver, type Run, spend } from "./run.ts";

/** The same text for equal values, and for no others; unless the steps are used up. */
export function canonical(value: Json, run: Run): string {
  if (typeof value === "string") return spend(run, 1 + value.length / 16) ? JSON.stringify(value) : "";
  // Like JSON, but that what is not finite is itself.
  if (typeof value !== "object" || value === null) return spend(run, 1) ? String(value === 0 ? 0 : value) : "";
  if (Array.isArray(value)) return `[${joined(value, run, (element) => canonical(element, run))}]`;
  const fields = Object.entries(value);
  // To sort them.
  if (!spend(run, fields.length * (1 + Math.log2(1 + fields.length)))) return "";
  fields.sort(([left], [right]) => (left < right ? -1 : 1));
  return `{${joined(fields, run, ([name, field]) => `${canonical(name, run)}:${canonical(field, run)}`)}}`;
}

function joined<T>(elements: readonly T[], run: Run, textOf: (element: T) => string): string {
  const texts: string[] = [];
  for (const element of elements) {
    if (isOver(run)) return "";
    texts.push(textOf(element));
  }
  const text = texts.join(",");
  spend(run, 1 + text.length / 16);
  return text;
}

/** Of a value in the schema, whose size is bounded. */
export const canonicalOf = (value: Json): string =>
  canonical(value, { budget: { steps: Number.POSITIVE_INFINITY, names: 0 }, findings: undefined });
