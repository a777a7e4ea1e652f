import { stretchBytesMax, stretchRowsMax } from "../../kernel/limits.ts";
import type { Stretch } from "../../kernel/stretch.ts";
import type { Breathe } from "../../kernel/turns.ts";
import type { RuleRole, RuleSetChange, RuleSetDifference, RuleSetItem, RuleSetItemKind } from "../../predicate/core/types.ts";
import type { RuleStore } from "../../predicate/ports.ts";
import { toItem } from "./rule-rows.ts";
import type { Row, SqliteEngine, SqlValue } from "./statement.ts";
import { readStretch } from "./stretch.ts";

type Changes = Stretch<RuleSetChange, number>;

type Page<Name extends "changesAfter" | "changesBefore"> = Parameters<RuleStore[Name]>[0];

export const changesAfter = (engine: SqliteEngine, { sequence, limit }: Page<"changesAfter">, breathe: Breathe) =>
  changes(engine, "SELECT sequence, entry FROM changes WHERE sequence > ? ORDER BY sequence LIMIT ?", [sequence], limit, breathe);

export function changesBefore(engine: SqliteEngine, { sequence, name, limit }: Page<"changesBefore">, breathe: Breathe) {
  const before = sequence ?? Number.MAX_SAFE_INTEGER;
  return name === undefined
    ? changes(engine, selectBefore, [before], limit, breathe)
    : changes(engine, selectBeforeOfName, [name, before], limit, breathe);
}

const selectBefore = "SELECT sequence, entry FROM changes WHERE sequence < ? ORDER BY sequence DESC LIMIT ?";

const selectBeforeOfName = `SELECT items.sequence, entry FROM change_items AS items CROSS JOIN changes USING (sequence)
  WHERE name = ? AND items.sequence < ? GROUP BY items.sequence ORDER BY items.sequence DESC LIMIT ?`;

const selectItems = `SELECT place, items.kind, before_role, was.content AS was, after_role, now.content AS now
  FROM change_items AS items LEFT JOIN versions AS was ON was.id = before_id LEFT JOIN versions AS now ON now.id = after_id
  WHERE sequence = ? AND place > ? ORDER BY place LIMIT ?`;

/** A change is written once and never altered: nothing can happen to it while others have their turn. */
async function changes(
  engine: SqliteEngine,
  sql: string,
  params: readonly SqlValue[],
  limit: number,
  breathe: Breathe,
): Promise<Changes> {
  const { rows: entries, isCut } = readStretch(engine, sql, params, limit);
  const found: RuleSetChange[] = [];
  let length = 0;
  for (const row of entries) {
    if (length >= stretchBytesMax) break;
    const sequence = Number(row["sequence"]);
    const differences: RuleSetDifference[] = [];
    for (let more = true, place = -1; more; ) {
      const turn = breathe();
      if (turn !== undefined) await turn;
      const items = readStretch(engine, selectItems, [sequence, place], stretchRowsMax);
      differences.push(...items.rows.map(toDifference));
      length += items.length;
      place = Number(items.rows.at(-1)?.["place"]);
      more = items.isCut;
    }
    found.push({
      sequence,
      ...(JSON.parse(row["entry"] as string) as Omit<RuleSetChange, "sequence" | "differences">),
      differences,
    });
  }
  const last = found.at(-1);
  const upTo = isCut || found.length < entries.length ? last?.sequence : undefined;
  return { rows: found, upTo, looked: found.length };
}

const toDifference = (row: Row): RuleSetDifference => ({
  before: toItemIn(row, "before_role", "was"),
  after: toItemIn(row, "after_role", "now"),
});

function toItemIn(row: Row, role: string, content: string): RuleSetItem | undefined {
  const text = row[content];
  return typeof text === "string" ? toItem(row["kind"] as RuleSetItemKind, row[role] as RuleRole, text) : undefined;
}
