import { intersection, type Range } from "../kernel/range.ts";
import type { Comparison } from "../predicate/core/comparisons.ts";
import type { MetadataRange } from "../workflow/ports.ts";

/** How a store keeps a field. Of an enum: its names. */
type FieldKind = "text" | "number" | "time" | readonly string[];

/** The fields that expressions know and stores too. `as`: what the store calls it. */
export type KnownFields<Ranges> = Readonly<Record<string, { readonly as: keyof Ranges & string; readonly kind: FieldKind }>>;

type AnyRange = Range<string | number>;

/** What the comparisons of a filter say of these fields: whatever matches lies in the ranges, and perhaps more does. */
export function rangesOf<Ranges>(comparisons: readonly Comparison[], fields: KnownFields<Ranges>): Ranges {
  const ranges: Record<string, AnyRange> = {};
  for (const comparison of comparisons) {
    const field = Object.hasOwn(fields, comparison.field) ? fields[comparison.field] : undefined;
    const range = field && rangeOf(field.kind, comparison);
    if (field !== undefined && range !== undefined) ranges[field.as] = intersection(ranges[field.as] ?? {}, range);
  }
  // Each kind has ranges of its own type; the table says which field has which.
  return ranges as Ranges;
}

function rangeOf(kind: FieldKind, { operator, literals }: Comparison): AnyRange | undefined {
  const wanted = kind === "number" || kind === "time" ? kind : "text";
  // What is of another type is never equal.
  const values = literals.flatMap((literal) => (literal.type === wanted ? [literal.value as string | number] : []));
  if (kind === "time") return operator === "in" ? undefined : timeRange(operator, Number(values[0]));
  if (operator === "==" || operator === "in") return { oneOf: values };
  if (operator === "!=") return Array.isArray(kind) ? { oneOf: kind.filter((name) => !values.includes(name)) } : undefined;
  const [value] = values;
  return value === undefined ? undefined : orderRange(operator, value);
}

/** Stores keep whole milliseconds. */
function timeRange(operator: Comparison["operator"], atMs: number): AnyRange | undefined {
  if (Number.isNaN(atMs)) return undefined;
  const [from, to] = [Math.ceil(atMs), Math.floor(atMs)];
  return operator === "==" ? { min: from, max: to } : orderRange(operator, operator[0] === "<" ? to : from);
}

function orderRange(operator: Comparison["operator"], value: string | number): AnyRange | undefined {
  switch (operator) {
    case "<":
    case "<=":
      return { max: value };
    case ">":
    case ">=":
      return { min: value };
    case "startsWith":
      return typeof value === "string" ? prefixRange(value) : undefined;
    default:
      return undefined;
  }
}

/** To what comes next after all texts that begin so. Only after a character of ASCII is it sure that there is a next one. */
function prefixRange(prefix: string): AnyRange | undefined {
  if (!/\p{ASCII}$/u.test(prefix)) return undefined;
  return { min: prefix, max: prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1) };
}

const metadataField = /^workflow\.metadata\.([A-Za-z_][A-Za-z0-9_]{0,63})$/;

/** What they say of values in a workflow's metadata: one thing of each key, that it is one of these if there is such a thing. */
export function metadataRangesOf(comparisons: readonly Comparison[]): readonly MetadataRange[] {
  const byKey = new Map<string, MetadataRange>();
  for (const comparison of comparisons) {
    const key = metadataField.exec(comparison.field)?.[1];
    const range = key && metadataRange(comparison);
    if (key && range) byKey.set(key, narrower(byKey.get(key), { key, ...range }));
  }
  return [...byKey.values()];
}

function metadataRange({ operator, literals }: Comparison): Omit<MetadataRange, "key"> | undefined {
  // A time is equal to nothing that metadata has.
  const values = literals.flatMap(({ type, value }) => (type === "time" ? [] : [value]));
  if (operator === "==" || operator === "in") return { oneOf: values };
  const [value] = values;
  return typeof value === "string" || typeof value === "number" ? orderRange(operator, value) : undefined;
}

/** Of two that are for themselves true, what is of use: a list alone, or two ends of the same kind. */
function narrower(known: MetadataRange | undefined, next: MetadataRange): MetadataRange {
  if (known === undefined || next.oneOf !== undefined) return known?.oneOf === undefined ? next : known;
  if (known.oneOf !== undefined || typeof (known.min ?? known.max) !== typeof (next.min ?? next.max)) return known;
  return { ...next, ...known };
}
