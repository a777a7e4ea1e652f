import type { WorkflowId } from "../../kernel/ids.ts";
import { sortedRowsMax, stretchLookMax } from "../../kernel/limits.ts";
import { choices, compare, isEmpty } from "../../kernel/range.ts";
import { placeOf } from "../../workflow/place.ts";
import type { LedBy, SortedStretch, WorkflowOrder, WorkflowPlace, WorkflowRanges, WorkflowStore } from "../../workflow/ports.ts";
import { type Condition, conditions, highest, largest, lowest, smallest } from "./scan.ts";
import type { SqliteEngine } from "./statement.ts";
import { readStretch } from "./stretch.ts";
import {
  type Bound,
  type Bounds,
  comparators,
  leadingPaths,
  orderClause,
  type Path,
  pathInOrder,
  sortColumn,
  sortRanges,
} from "./workflow-indexes.ts";
import { metadataPath, usableRanges } from "./workflow-metadata.ts";
import { toWorkflow } from "./workflow-rows.ts";

/** Behind every id: no character sorts after this one, and no id begins with it. */
const behindAllIds = "\u{10ffff}";

const none: SortedStretch = { rows: [], upTo: undefined, looked: 0, led: [] };

type Page = Parameters<WorkflowStore["listSorted"]>[0];

/** Workflows that are few, and what has led to them. */
type Few = { readonly ids: Condition; readonly count: number };

export function listSorted(engine: SqliteEngine, { order, after, limit, ranges = {} }: Page): SortedStretch {
  const { metadata: _, ...others } = ranges;
  if (Object.values(others).some(isEmpty) || ranges.metadata?.some(({ oneOf }) => oneOf?.length === 0)) return none;
  const page = { order, bounds: boundsOf(order, after, ranges), limit };
  const usable = usableRanges(engine, ranges);
  const stretch = listBy(engine, { ...others, metadata: usable }, page);
  // A policy that has been changed meanwhile may ask for fewer indexes.
  const isStill = usableRanges(engine, ranges).length >= usable.length;
  return isStill ? stretch : listBy(engine, others, page);
}

function listBy(engine: SqliteEngine, ranges: WorkflowRanges, page: SortedPage): SortedStretch {
  const { by } = page.order;
  const path = pathInOrder(by, ranges);
  if (path.branchCount === 0) return none;
  const wanted = ledByIndexes(ranges);
  const known = conditionsOf(ranges);
  const isLed = Object.keys(ranges).every((field) => field === "metadata" || path.led.includes(field as LedBy));
  const metadata = (ranges.metadata ?? []).map(metadataPath);
  if (isLed && metadata.length === 0) return follow(engine, path, page, undefined);
  const few = fewest(engine, [...leadingPaths(ranges), ...metadata], ranges);
  if (few !== undefined) return { ...sortFew(engine, few, page, known), led: wanted };
  const byMetadata = by === "id" ? metadata.find(({ isInOrder }) => isInOrder) : undefined;
  return follow(engine, byMetadata ?? path, page, isLed && byMetadata === undefined ? undefined : known);
}

/** All that there are indexes for: of few, the rest of it is looked at in a moment. */
function ledByIndexes({ createdBy: _, updatedBy: __, stateEnteredAtMs: ___, metadata = [], ...ranges }: WorkflowRanges): LedBy[] {
  return [...(Object.keys(ranges) as (keyof typeof ranges)[]), ...metadata.map(({ key }) => `metadata.${key}` as const)];
}

const conditionsOf = (ranges: WorkflowRanges): Condition | undefined =>
  conditions({
    id: ranges.id,
    workflow_type: ranges.type,
    state: ranges.state,
    created_at_ms: ranges.createdAtMs,
    created_by: ranges.createdBy,
    updated_at_ms: ranges.updatedAtMs,
    updated_by: ranges.updatedBy,
    state_entered_at_ms: ranges.stateEnteredAtMs,
    version: ranges.version,
  });

type SortedPage = { readonly order: WorkflowOrder; readonly bounds: Bounds; readonly limit: number };

/** Of all that may be in the list, and comes after the place. */
function boundsOf({ by, descending }: WorkflowOrder, after: WorkflowPlace | undefined, ranges: WorkflowRanges): Bounds {
  const { low, high } = endsOf(by, ranges);
  if (after === undefined) return { low, high };
  if (descending) return compareBounds(after, high) <= 0 ? { low, high: after, open: "high" } : { low, high };
  return compareBounds(after, low) >= 0 ? { low: after, high, open: "low" } : { low, high };
}

function endsOf(by: WorkflowOrder["by"], ranges: WorkflowRanges): Bounds {
  if (by === "id") {
    const { id } = ranges;
    return { low: { key: 0, id: largest("", lowest(id)) }, high: { key: 0, id: smallest(behindAllIds, highest(id)) } };
  }
  const range = ranges[sortRanges[by]];
  const min = largest(Number.MIN_SAFE_INTEGER, lowest(range));
  return { low: { key: min, id: "" }, high: { key: smallest(Number.MAX_SAFE_INTEGER, highest(range)), id: behindAllIds } };
}

const compareBounds = (a: Bound, b: Bound): number => a.key - b.key || compare(a.id, b.id);

/**
 * How far the order is followed is found in the index, before any row is read. The inner limit also keeps SQLite from taking the merge apart,
 * which would lose its order.
 */
function follow(
  engine: SqliteEngine,
  path: Path,
  { order, bounds, limit }: SortedPage,
  known: Condition | undefined,
): SortedStretch {
  const inOrder = orderClause(order);
  const all = path.select(bounds);
  const selectFar = `SELECT k, i FROM (${all.sql} ${inOrder} LIMIT 1 OFFSET ${stretchLookMax - 1})`;
  const [far] = known ? engine.read(selectFar, ...all.params) : [];
  const farPlace = far && { key: Number(far["k"]), id: far["i"] as WorkflowId };
  const near = farPlace === undefined ? bounds : order.descending ? { ...bounds, low: farPlace } : { ...bounds, high: farPlace };
  const places = path.select(near);
  const sql = `SELECT w.* FROM (${places.sql} ${inOrder} LIMIT ?) c CROSS JOIN workflows w ON w.id = c.i WHERE ${known?.sql ?? "true"} LIMIT ?`;
  const params = [...places.params, known ? stretchLookMax : limit, ...(known?.params ?? [])];
  const { rows, isCut } = readStretch(engine, sql, params, limit);
  const looked = known ? stretchLookMax : rows.length;
  return { ...stretchOf(order, rows.map(toWorkflow), { isCut, farPlace, looked }), led: path.led };
}

/** The way that leads to the fewest, if they are few enough to be sorted. */
function fewest(
  engine: SqliteEngine,
  paths: readonly (Path & { readonly by: WorkflowOrder["by"] })[],
  ranges: WorkflowRanges,
): Few | undefined {
  const listed = choices(ranges.id);
  if (listed !== undefined && listed.length <= sortedRowsMax)
    return { ids: { sql: "SELECT value FROM json_each(?)", params: [JSON.stringify(listed)] }, count: listed.length };
  return paths
    .map((path): Few => {
      const { sql, params } = path.select(endsOf(path.by, ranges));
      const count = engine.read(`SELECT count(*) AS count FROM (SELECT 1 FROM (${sql}) LIMIT ${sortedRowsMax + 1})`, ...params);
      return { ids: { sql: `SELECT i FROM (${sql})`, params }, count: Number(count[0]?.["count"]) };
    })
    .filter(({ count }) => count <= sortedRowsMax)
    .toSorted((a, b) => a.count - b.count)[0];
}

function sortFew(
  engine: SqliteEngine,
  { ids, count }: Few,
  { order, bounds, limit }: SortedPage,
  known: Condition | undefined,
): Omit<SortedStretch, "led"> {
  const { above, below } = comparators(bounds);
  const { low, high } = bounds;
  const key = sortColumn(order.by);
  // The row's own columns are named plainly in what is known; places only are sorted, not rows.
  const places = `SELECT ${key} AS k, id AS i FROM workflows WHERE id IN (${ids.sql})
    AND (${key}, id) ${above} (?, ?) AND (${key}, id) ${below} (?, ?) AND ${known?.sql ?? "true"} ${orderClause(order)} LIMIT ?`;
  const sql = `SELECT w.* FROM (${places}) c CROSS JOIN workflows w ON w.id = c.i LIMIT ?`;
  const params = [...ids.params, low.key, low.id, high.key, high.id, ...(known?.params ?? []), limit];
  const { rows, isCut } = readStretch(engine, sql, params, limit);
  return stretchOf(order, rows.map(toWorkflow), { isCut, farPlace: undefined, looked: count });
}

function stretchOf(
  order: WorkflowOrder,
  rows: SortedStretch["rows"],
  { isCut, farPlace, looked }: { readonly isCut: boolean; readonly farPlace: WorkflowPlace | undefined; readonly looked: number },
): Omit<SortedStretch, "led"> {
  const last = rows.at(-1);
  return { rows, upTo: isCut && last !== undefined ? placeOf(order, last) : farPlace, looked };
}
