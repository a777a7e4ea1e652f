import { assert } from "../../kernel/assert.ts";
import { workflowStates } from "../../kernel/lifecycle.ts";
import { choices, isWithin, type Range } from "../../kernel/range.ts";
import type { LedBy, WorkflowOrder, WorkflowRanges } from "../../workflow/ports.ts";
import type { Condition } from "./scan.ts";
import type { SqlValue } from "./statement.ts";

/** An index that leads to workflows: to those that have these values, in this order. */
type WorkflowIndex = {
  readonly name: string;
  readonly by: WorkflowOrder["by"];
  /** Of which one value each must be known; of states it may be all. */
  readonly fields: readonly ("type" | "state")[];
  /** What must be said for SQLite to use it. */
  readonly where?: string;
};

/** What is SQLite's own: the primary key. */
const idIndex: WorkflowIndex = { name: "sqlite_autoindex_workflows_1", by: "id", fields: [] };

/** Of each order, those that lead to fewer come first. */
const indexes: readonly WorkflowIndex[] = [
  { name: "workflows_of_type_by_state", by: "id", fields: ["type", "state"], where: "workflow_type <> ''" },
  { name: "workflows_of_type", by: "id", fields: ["type"], where: "workflow_type <> ''" },
  { name: "workflows_by_state", by: "id", fields: ["state"] },
  idIndex,
  { name: "workflows_of_type_by_created", by: "created", fields: ["type"], where: "workflow_type <> ''" },
  { name: "workflows_by_created", by: "created", fields: [] },
  { name: "workflows_of_type_by_updated", by: "updated", fields: ["type"], where: "workflow_type <> ''" },
  { name: "workflows_by_updated", by: "updated", fields: ["state"] },
  { name: "workflows_by_version", by: "version", fields: ["state"] },
];

const columns = { id: "id", created: "created_at_ms", updated: "updated_at_ms", version: "version" } as const;

const fieldColumns = { type: "workflow_type", state: "state" } as const;

/** The range of what a list is sorted by. */
export const sortRanges = { id: "id", created: "createdAtMs", updated: "updatedAtMs", version: "version" } as const;

/** More are not merged: a list of many types is followed in another order. */
export const branchCountMax = 16;

/** A part of an index: the values of its fields. */
type Branch = readonly string[];

/** How an index is read: branch by branch, merged in its order. */
export type Path = {
  /** What it leads by. */
  readonly led: readonly LedBy[];
  readonly branchCount: number;
  /** A query of places: `k`, and `i` for the id. Without ORDER BY and LIMIT. */
  readonly select: (bounds: Bounds) => Condition;
};

export type PathInOrder = Path & { readonly by: WorkflowOrder["by"] };

/** The path that gives workflows in this order and leads to the fewest. */
export function pathInOrder(by: WorkflowOrder["by"], ranges: WorkflowRanges): Path {
  const [path] = pathsOf(
    indexes.filter((index) => index.by === by),
    ranges,
  );
  assert(path !== undefined, "each order has an index that needs nothing to be known");
  return path;
}

/** The paths that lead by something, each in an order of its own. */
export const leadingPaths = (ranges: WorkflowRanges): readonly PathInOrder[] =>
  pathsOf(indexes, ranges).filter(({ led }) => led.length > 0);

function pathsOf(from: readonly WorkflowIndex[], ranges: WorkflowRanges): PathInOrder[] {
  return from.flatMap((index) => {
    const values = index.fields.map((field) => valuesOf(field, ranges, index));
    const branches = values.reduce<Branch[] | undefined>(
      (all, choice) => (all && choice ? product(all, choice) : undefined),
      [[]],
    );
    if (branches === undefined || branches.length > branchCountMax) return [];
    const known = index.fields.filter((field) => ranges[field] !== undefined);
    const sort = sortRanges[index.by];
    const isLed = ranges[sort] !== undefined && (choices<string | number>(ranges[sort] as Range<string>)?.length ?? 1) === 1;
    const led = isLed ? [...known, sort] : known;
    return [{ led, branchCount: branches.length, by: index.by, select: (bounds) => selectPlaces(index, branches, bounds) }];
  });
}

/** Undefined: not listed. */
function valuesOf(field: "type" | "state", ranges: WorkflowRanges, { by }: WorkflowIndex): readonly string[] | undefined {
  const range = ranges[field];
  if (field === "state")
    return range || by !== "id" ? workflowStates.filter((state) => isWithin<string>(range, state)) : undefined;
  const types = choices(range);
  return types === undefined || types.includes("") ? undefined : [...new Set(types)];
}

const product = (branches: readonly Branch[], values: readonly string[]): Branch[] =>
  branches.flatMap((branch) => values.map((value) => [...branch, value]));

/** Bounds of a key and an id, both as they are compared: `(key, id)`. */
export type Bound = { readonly key: number; readonly id: string };

/** Both ends are within, except the one that is open. */
export type Bounds = { readonly low: Bound; readonly high: Bound; readonly open?: "low" | "high" };

/** How a key and an id lie within. */
export const comparators = ({ open }: Bounds) => ({ above: open === "low" ? ">" : ">=", below: open === "high" ? "<" : "<=" });

function selectPlaces(index: WorkflowIndex, branches: readonly Branch[], bounds: Bounds): Condition {
  const { above, below } = comparators(bounds);
  const { low, high } = bounds;
  const column = columns[index.by];
  const [key, within] =
    index.by === "id"
      ? ["0", `id ${above} ? AND id ${below} ?`]
      : [column, `(${column}, id) ${above} (?, ?) AND (${column}, id) ${below} (?, ?)`];
  const equal = index.fields.map((field) => `${fieldColumns[field]} = ? AND `).join("");
  const also = index.where === undefined ? "" : `${index.where} AND `;
  const branch = `SELECT ${key} AS k, id AS i FROM workflows INDEXED BY ${index.name} WHERE ${equal}${also}${within}`;
  const ends: readonly SqlValue[] = index.by === "id" ? [low.id, high.id] : [low.key, low.id, high.key, high.id];
  return {
    sql: branches.map(() => branch).join(" UNION ALL "),
    params: branches.flatMap((values) => [...values, ...ends]),
  };
}

/** For places. A key that is the same everywhere would keep SQLite from following the index. */
export function orderClause({ by, descending }: WorkflowOrder): string {
  const direction = descending ? " DESC" : "";
  return by === "id" ? `ORDER BY i${direction}` : `ORDER BY k${direction}, i${direction}`;
}

/** The key as it is sorted by, of a workflow's row. */
export const sortColumn = (by: WorkflowOrder["by"]): string => (by === "id" ? "0" : columns[by]);
