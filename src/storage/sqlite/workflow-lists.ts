import { stretchLookMax } from "../../kernel/limits.ts";
import { choices, compare, isEmpty, type Range } from "../../kernel/range.ts";
import type { Stretch } from "../../kernel/stretch.ts";
import type { WorkflowStore } from "../../workflow/ports.ts";
import type { Row, SqliteEngine, SqlValue } from "./statement.ts";
import { readStretch } from "./stretch.ts";
import { toEvent, toWorkflow } from "./workflow-rows.ts";

/** Behind every id: no character sorts after this one, and no id begins with it. */
const behindAllIds = "\u{10ffff}";

type Page<Name extends "list" | "listEvents"> = Parameters<WorkflowStore[Name]>[0];

export function listWorkflows(engine: SqliteEngine, { afterId, limit, ranges = {} }: Page<"list">) {
  if (Object.values(ranges).some(isEmpty)) return nothing;
  const { id, type, state, createdAtMs, createdBy, updatedAtMs, updatedBy, stateEnteredAtMs } = ranges;
  const after = afterId ?? "";
  const oneType = onlyChoice(type);
  const stretch = read(engine, {
    table: "workflows",
    key: "id",
    first: largest(after, lowest(id)),
    last: smallest(behindAllIds, highest(id)),
    always: oneType ? { sql: `id <> ? AND ${ofOneType}`, params: [after, oneType] } : { sql: "id <> ?", params: [after] },
    known: conditions({
      id: listed(id),
      workflow_type: oneType ? undefined : type,
      state,
      created_at_ms: createdAtMs,
      created_by: createdBy,
      updated_at_ms: updatedAtMs,
      updated_by: updatedBy,
      state_entered_at_ms: stateEnteredAtMs,
    }),
    limit,
  });
  return values(stretch, toWorkflow, ({ id }) => id);
}

export function listEvents(engine: SqliteEngine, { afterSequence, limit, ranges = {} }: Page<"listEvents">) {
  if (Object.values(ranges).some(isEmpty)) return nothing;
  const { id, sequence, workflowId, workflowType, type, toState, occurredAtMs, requestedBy } = ranges;
  const oneWorkflow = onlyChoice(workflowId);
  const stretch = read(engine, {
    table: "events",
    key: "sequence",
    first: largest(afterSequence + 1, lowest(sequence)),
    last: smallest(Number.MAX_SAFE_INTEGER, highest(sequence)),
    always: oneWorkflow ? { sql: "workflow_id = ?", params: [oneWorkflow] } : { sql: "true", params: [] },
    known: conditions({
      id,
      sequence: listed(sequence),
      workflow_id: oneWorkflow ? undefined : workflowId,
      workflow_type: workflowType,
      type,
      to_state: toState,
      occurred_at_ms: occurredAtMs,
      requested_by: requestedBy,
    }),
    limit,
  });
  return values(stretch, toEvent, ({ sequence }) => sequence);
}

const nothing = { rows: [], upTo: undefined, looked: 0 };

/** A part of a WHERE. Its text depends on which columns something is known of, and on nothing else: texts are prepared once. */
type Condition = { readonly sql: string; readonly params: readonly SqlValue[] };

type Scan = {
  readonly table: string;
  readonly key: string;
  /** Of the key, both included. */
  readonly first: SqlValue;
  readonly last: SqlValue;
  /** True of all that is looked at. */
  readonly always: Condition;
  /** True of all that is not passed over. */
  readonly known: Condition | undefined;
  readonly limit: number;
};

type Rows = {
  readonly rows: readonly Row[];
  readonly isCut: boolean;
  readonly farKey: SqlValue | undefined;
  readonly looked: number;
};

/** The key's own index leads to the first row; how far it is followed is found in it, before any row is read. */
function read(engine: SqliteEngine, { table, key, first, last, always, known, limit }: Scan): Rows {
  const within = `FROM ${table} WHERE ${key} >= ? AND ${key} <= ? AND ${always.sql}`;
  const selectFar = `SELECT ${key} ${within} ORDER BY ${key} LIMIT 1 OFFSET ${stretchLookMax - 1}`;
  const farKey = known && engine.read(selectFar, first, last, ...always.params)[0]?.[key];
  const sql = `SELECT * ${within} AND ${known?.sql ?? "true"} ORDER BY ${key} LIMIT ?`;
  const params = [first, farKey ?? last, ...always.params, ...(known?.params ?? [])];
  const { rows, isCut } = readStretch(engine, sql, params, limit);
  return { rows, isCut, farKey, looked: known ? stretchLookMax : rows.length };
}

function values<Value, Place>(
  { rows, isCut, farKey, looked }: Rows,
  toValue: (row: Row) => Value,
  placeOf: (value: Value) => Place,
): Stretch<Value, Place> {
  const made = rows.map(toValue);
  const last = made.at(-1);
  return { rows: made, upTo: isCut && last !== undefined ? placeOf(last) : (farKey as Place | undefined), looked };
}

/** Nothing, if nothing is known. What is NULL in the parameters is not known of a column of which something else is. */
function conditions(columns: Readonly<Record<string, Range<string> | Range<number> | undefined>>): Condition | undefined {
  const known = Object.entries(columns).flatMap(([column, range]) => (range === undefined ? [] : [{ column, ...range }]));
  if (known.length === 0) return undefined;
  return {
    sql: known.map(({ column }) => condition(column)).join(" AND "),
    params: known.flatMap(({ min = null, max = null, oneOf }) => {
      const list = oneOf === undefined ? null : JSON.stringify(oneOf);
      return [min, max, list, list];
    }),
  };
}

const condition = (column: string): string =>
  `coalesce(${column} >= ?, 1) AND coalesce(${column} <= ?, 1) AND (? IS NULL OR ${column} IN (SELECT value FROM json_each(?)))`;

/** The index has no workflow without a type, and is used by whom that is said to. */
const ofOneType = "workflow_type = ? AND workflow_type <> ''";

function onlyChoice(range: Range<string> | undefined): string | undefined {
  const [only, ...others] = choices(range) ?? [];
  return others.length === 0 ? only : undefined;
}

/** What the order of the list does not tell of its key. */
const listed = <Value extends string | number>(range: Range<Value> | undefined): Range<Value> | undefined =>
  range?.oneOf && { oneOf: range.oneOf };

const lowest = <Value extends string | number>({ min, oneOf = [] }: Range<Value> = {}) => [min, oneOf.toSorted(compare)[0]];

const highest = <Value extends string | number>({ max, oneOf = [] }: Range<Value> = {}) => [max, oneOf.toSorted(compare).at(-1)];

const largest = <Value extends string | number>(value: Value, others: readonly (Value | undefined)[]): Value =>
  others.reduce<Value>((a, b) => (b !== undefined && compare(a, b) < 0 ? b : a), value);

const smallest = <Value extends string | number>(value: Value, others: readonly (Value | undefined)[]): Value =>
  others.reduce<Value>((a, b) => (b !== undefined && compare(a, b) > 0 ? b : a), value);
