import type { WorkflowId } from "../../kernel/ids.ts";
import { sortedRowsMax, stretchLookMax } from "../../kernel/limits.ts";
import { choices, compare, isEmpty } from "../../kernel/range.ts";
import { placeOf } from "../../workflow/place.ts";
import type { SortedStretch, WorkflowOrder, WorkflowPlace, WorkflowRanges, WorkflowStore } from "../../workflow/ports.ts";
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
  selectPlaces,
  sortColumn,
  sortRanges,
} from "./workflow-indexes.ts";
import { toWorkflow } from "./workflow-rows.ts";

/** Behind every id: no character sorts after this one, and no id begins with it. */
const behindAllIds = "\u{10ffff}";

const none: SortedStretch = { rows: [], upTo: undefined, looked: 0, led: [] };

type Page = Parameters<WorkflowStore["listSorted"]>[0];

/** Places of workflows that are few, of whatever order; and what has led to them. */
type Few = { readonly ids: Condition; readonly led: readonly (keyof WorkflowRanges)[]; readonly count: number };

export function listSorted(engine: SqliteEngine, { order, after, limit, ranges = {} }: Page): SortedStretch {
  if (Object.values(ranges).some(isEmpty)) return none;
  const path = pathInOrder(order.by, ranges);
  if (path.branches.length === 0) return none;
  const known = conditionsOf(ranges);
  const page = { order, bounds: boundsOf(order, after, ranges), limit };
  const isLed = Object.keys(ranges).every((field) => path.led.includes(field as keyof WorkflowRanges));
  if (known === undefined || isLed) return follow(engine, path, page, undefined);
  const few = fewest(engine, ranges);
  return few === undefined ? follow(engine, path, page, known) : sortFew(engine, few, page, known);
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
  const all = selectPlaces(path, bounds);
  const selectFar = `SELECT k, i FROM (${all.sql} ${inOrder} LIMIT 1 OFFSET ${stretchLookMax - 1})`;
  const [far] = known ? engine.read(selectFar, ...all.params) : [];
  const farPlace = far && { key: Number(far["k"]), id: far["i"] as WorkflowId };
  const near = farPlace === undefined ? bounds : order.descending ? { ...bounds, low: farPlace } : { ...bounds, high: farPlace };
  const places = selectPlaces(path, near);
  const sql = `SELECT w.* FROM (${places.sql} ${inOrder} LIMIT ?) c CROSS JOIN workflows w ON w.id = c.i WHERE ${known?.sql ?? "true"} LIMIT ?`;
  const params = [...places.params, known ? stretchLookMax : limit, ...(known?.params ?? [])];
  const { rows, isCut } = readStretch(engine, sql, params, limit);
  const looked = known ? stretchLookMax : rows.length;
  return stretchOf(order, rows.map(toWorkflow), { isCut, farPlace, looked, led: path.led });
}

/** The way that leads to the fewest, if they are few enough to be sorted. */
function fewest(engine: SqliteEngine, ranges: WorkflowRanges): Few | undefined {
  const listed = choices(ranges.id);
  if (listed !== undefined && listed.length <= sortedRowsMax)
    return {
      ids: { sql: "SELECT value FROM json_each(?)", params: [JSON.stringify(listed)] },
      led: ["id"],
      count: listed.length,
    };
  return leadingPaths(ranges)
    .map((path): Few => {
      const { sql, params } = selectPlaces(path, endsOf(path.index.by, ranges));
      const count = engine.read(`SELECT count(*) AS count FROM (SELECT 1 FROM (${sql}) LIMIT ${sortedRowsMax + 1})`, ...params);
      return { ids: { sql: `SELECT i FROM (${sql})`, params }, led: path.led, count: Number(count[0]?.["count"]) };
    })
    .filter(({ count }) => count <= sortedRowsMax)
    .toSorted((a, b) => b.led.length - a.led.length || a.count - b.count)[0];
}

function sortFew(
  engine: SqliteEngine,
  { ids, led, count }: Few,
  { order, bounds, limit }: SortedPage,
  known: Condition,
): SortedStretch {
  const { above, below } = comparators(bounds);
  const { low, high } = bounds;
  const key = sortColumn(order.by);
  // The row's own columns are named plainly in what is known; places only are sorted, not rows.
  const places = `SELECT ${key} AS k, id AS i FROM workflows WHERE id IN (${ids.sql})
    AND (${key}, id) ${above} (?, ?) AND (${key}, id) ${below} (?, ?) AND ${known.sql} ${orderClause(order)} LIMIT ?`;
  const sql = `SELECT w.* FROM (${places}) c CROSS JOIN workflows w ON w.id = c.i LIMIT ?`;
  const params = [...ids.params, low.key, low.id, high.key, high.id, ...known.params, limit];
  const { rows, isCut } = readStretch(engine, sql, params, limit);
  return stretchOf(order, rows.map(toWorkflow), { isCut, farPlace: undefined, looked: count, led });
}

function stretchOf(
  order: WorkflowOrder,
  rows: SortedStretch["rows"],
  end: { readonly isCut: boolean; readonly farPlace: WorkflowPlace | undefined } & Pick<SortedStretch, "looked" | "led">,
): SortedStretch {
  const { isCut, farPlace, looked, led } = end;
  const last = rows.at(-1);
  return { rows, upTo: isCut && last !== undefined ? placeOf(order, last) : farPlace, looked, led };
}
