import { stretchLookMax } from "../../kernel/limits.ts";
import { choices, compare, type Range } from "../../kernel/range.ts";
import type { Stretch } from "../../kernel/stretch.ts";
import type { Row, SqliteEngine, SqlValue } from "./statement.ts";
import { readStretch } from "./stretch.ts";

export const nothing = { rows: [], upTo: undefined, looked: 0 };

/** A part of a WHERE. Its text depends on which columns something is known of, and on nothing else: texts are prepared once. */
export type Condition = { readonly sql: string; readonly params: readonly SqlValue[] };

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
  /** The last ones first. */
  readonly descending?: true;
};

type Rows = {
  readonly rows: readonly Row[];
  readonly isCut: boolean;
  readonly farKey: SqlValue | undefined;
  readonly looked: number;
};

/** The key's own index leads to the first row; how far it is followed is found in it, before any row is read. */
export function scan(engine: SqliteEngine, { table, key, first, last, always, known, limit, descending }: Scan): Rows {
  const within = `FROM ${table} WHERE ${key} >= ? AND ${key} <= ? AND ${always.sql}`;
  const order = `${key}${descending ? " DESC" : ""}`;
  const selectFar = `SELECT ${key} ${within} ORDER BY ${order} LIMIT 1 OFFSET ${stretchLookMax - 1}`;
  const farKey = known && engine.read(selectFar, first, last, ...always.params)[0]?.[key];
  const sql = `SELECT * ${within} AND ${known?.sql ?? "true"} ORDER BY ${order} LIMIT ?`;
  const [from, to] = descending ? [farKey ?? first, last] : [first, farKey ?? last];
  const params = [from, to, ...always.params, ...(known?.params ?? [])];
  const { rows, isCut } = readStretch(engine, sql, params, limit);
  return { rows, isCut, farKey, looked: known ? stretchLookMax : rows.length };
}

export function values<Value, Place>(
  { rows, isCut, farKey, looked }: Rows,
  toValue: (row: Row) => Value,
  placeOf: (value: Value) => Place,
): Stretch<Value, Place> {
  const made = rows.map(toValue);
  const last = made.at(-1);
  return { rows: made, upTo: isCut && last !== undefined ? placeOf(last) : (farKey as Place | undefined), looked };
}

/** Nothing, if nothing is known. What is NULL in the parameters is not known of a column of which something else is. */
export function conditions(columns: Readonly<Record<string, Range<string> | Range<number> | undefined>>): Condition | undefined {
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

export function onlyChoice(range: Range<string> | undefined): string | undefined {
  const [only, ...others] = choices(range) ?? [];
  return others.length === 0 ? only : undefined;
}

/** What the order of the list does not tell of its key. */
export const listed = <Value extends string | number>(range: Range<Value> | undefined): Range<Value> | undefined =>
  range?.oneOf && { oneOf: range.oneOf };

export const lowest = <Value extends string | number>({ min, oneOf = [] }: Range<Value> = {}) => [
  min,
  oneOf.toSorted(compare)[0],
];

export const highest = <Value extends string | number>({ max, oneOf = [] }: Range<Value> = {}) => [
  max,
  oneOf.toSorted(compare).at(-1),
];

export const largest = <Value extends string | number>(value: Value, others: readonly (Value | undefined)[]): Value =>
  others.reduce<Value>((a, b) => (b !== undefined && compare(a, b) < 0 ? b : a), value);

export const smallest = <Value extends string | number>(value: Value, others: readonly (Value | undefined)[]): Value =>
  others.reduce<Value>((a, b) => (b !== undefined && compare(a, b) > 0 ? b : a), value);
