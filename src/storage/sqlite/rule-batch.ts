import { assert } from "../../kernel/assert.ts";
import { stretchBytesMax } from "../../kernel/limits.ts";
import type { Breathe } from "../../kernel/turns.ts";
import { contentOf, keyOf } from "../../predicate/core/rule-set/content.ts";
import type { RuleRole, RuleSetDifference, RuleSetItem } from "../../predicate/core/types.ts";
import type { RuleBatch, RuleConflict, StoredVersion } from "../../predicate/ports.ts";
import { openEnd } from "./rule-migrations.ts";
import type { SqlValue, Statement } from "./statement.ts";

/** `impossible`: the batch was decided on rules that are not those in the store, though its sequence is. */
export type BatchConflict = RuleConflict | { readonly type: "impossible" };

/**
 * The statements of a batch. Thousands of rules change at once, so all of a kind go to the writer as a few JSON texts, and are made with
 * turns for others. As bytes, which are copied faster than text.
 */
export async function ruleStatements(batch: RuleBatch, breathe: Breathe): Promise<readonly Statement<BatchConflict>[]> {
  // The answer goes first: a repeated change is told that its request is known, not that there was another change.
  const statements: Statement<BatchConflict>[] = answerStatements(batch);
  const { change, expectedSequence } = batch;
  const stale = { changes: 1, conflict: { type: "stale" } } as const;
  if (change === undefined) {
    statements.push({ sql: checkSequence, params: [expectedSequence], expect: stale, returning: true });
    return statements;
  }
  const { sequence, revision, differences, ...entry } = change;
  statements.push(
    { sql: setSequence, params: [sequence, revision, expectedSequence], expect: stale },
    { sql: insertChange, params: [sequence, JSON.stringify({ revision, ...entry })] },
  );
  const each = async (sql: string, rows: readonly unknown[], ...params: SqlValue[]): Promise<void> => {
    for await (const { json, count } of packed(rows, breathe)) {
      statements.push({ sql, params: [json, ...params], expect: { changes: count, conflict: { type: "impossible" } } });
    }
  };
  await each(endMember, batch.membersRemoved, revision);
  // What was before is found before it goes, what is after when it has come.
  await each(insertItem, differences.map(toItemRow), sequence);
  await each(deleteStanding, batch.removedRules);
  for await (const { json } of packed(batch.removedRules, breathe)) statements.push({ sql: removeVersions, params: [json] });
  await each(removeVersion, batch.removedVersions);
  await each(insertVersion, batch.versions.map(toVersionRow));
  await each(putStanding, batch.standings);
  await each(insertMember, batch.membersAdded, revision);
  statements.push({ sql: findAfter, params: [sequence] });
  return statements;
}

function answerStatements({ request }: RuleBatch): Statement<BatchConflict>[] {
  if (request === undefined) return [];
  return [
    {
      sql: "INSERT INTO answers (request_id, digest, answer, at_ms) VALUES (?, ?, ?, ?)",
      params: [request.id, request.digest, JSON.stringify(request.answer), request.atMs],
      expect: { changes: 1, conflict: { type: "request-exists" } },
    },
  ];
}

/** Arrays of them in JSON, each about as long as what is read at a stretch. */
async function* packed(rows: readonly unknown[], breathe: Breathe): AsyncGenerator<{ json: Uint8Array; count: number }> {
  let texts: string[] = [];
  let length = 0;
  for (const [index, row] of rows.entries()) {
    const turn = breathe();
    if (turn !== undefined) await turn;
    const text = JSON.stringify(row);
    texts.push(text);
    length += text.length;
    if (length < stretchBytesMax && index < rows.length - 1) continue;
    yield { json: new TextEncoder().encode(`[${texts.join(",")}]`), count: texts.length };
    texts = [];
    length = 0;
  }
}

const toVersionRow = (stored: StoredVersion) => ({ ...keyOf(stored), content: contentOf(stored) });

function toItemRow({ before, after }: RuleSetDifference, index: number) {
  const part = after ?? before;
  assert(part !== undefined, "a difference is of something that was there, or is there now");
  const { kind, name } = keyOf(part);
  return {
    place: index,
    kind,
    name,
    beforeVersion: before ? keyOf(before).version : 0,
    beforeRole: before && roleOf(before),
    afterVersion: after ? keyOf(after).version : 0,
    afterRole: after && roleOf(after),
  };
}

const roleOf = (item: RuleSetItem): RuleRole => (item.kind === "RULE" ? item.role : "ACTIVE");

const checkSequence = "SELECT 1 FROM rule_set WHERE sequence = ?";

const setSequence = "UPDATE rule_set SET sequence = ?, revision = ? WHERE sequence = ?";

const insertChange = "INSERT INTO changes (sequence, entry) VALUES (?, ?)";

/** The rows of an array in JSON, as `value`. */
const rowsOf = "json_each(CAST(?1 AS TEXT))";

const versionId = (version: string): string => `(SELECT id FROM versions WHERE kind = value ->> '$.kind'
  AND name = value ->> '$.name' AND version = ${version} AND NOT gone)`;

// With IN, as a join might look through all members for each row.
const endMember = `UPDATE members SET to_revision = ?2 WHERE to_revision = ${openEnd}
  AND (kind, name, role) IN (SELECT value ->> '$.kind', value ->> '$.name', value ->> '$.role' FROM ${rowsOf})`;

const insertMember = `INSERT INTO members (to_revision, kind, name, role, from_revision, version_id)
  SELECT ${openEnd}, value ->> '$.kind', value ->> '$.name', value ->> '$.role', ?2, ${versionId("value ->> '$.version'")}
  FROM ${rowsOf}`;

const insertItem = `INSERT INTO change_items
  (sequence, place, kind, name, before_version, before_id, before_role, after_version, after_id, after_role)
  SELECT ?2, value ->> '$.place', value ->> '$.kind', value ->> '$.name',
    value ->> '$.beforeVersion', coalesce(${versionId("value ->> '$.beforeVersion'")}, 0), value ->> '$.beforeRole',
    value ->> '$.afterVersion', 0, value ->> '$.afterRole'
  FROM ${rowsOf}`;

/** NULL, which the column does not take, if it is not there. */
const findAfter = `UPDATE change_items SET after_id = (SELECT id FROM versions WHERE kind = change_items.kind
  AND name = change_items.name AND version = after_version AND NOT gone)
  WHERE sequence = ? AND after_version > 0`;

const deleteStanding = `DELETE FROM standings WHERE id IN (SELECT value FROM ${rowsOf})`;

const removeVersions = `UPDATE versions SET gone = 1 WHERE kind = 'RULE' AND NOT gone AND name IN (SELECT value FROM ${rowsOf})`;

const removeVersion = `UPDATE versions SET gone = 1 WHERE kind = 'RULE' AND NOT gone
  AND (name, version) IN (SELECT value ->> '$.id', value ->> '$.version' FROM ${rowsOf})`;

const insertVersion = `INSERT INTO versions (kind, name, version, content)
  SELECT value ->> '$.kind', value ->> '$.name', value ->> '$.version', value -> '$.content' FROM ${rowsOf}`;

const putStanding = `INSERT INTO standings (id, standing) SELECT value ->> '$.id', value FROM ${rowsOf} WHERE true
  ON CONFLICT DO UPDATE SET standing = excluded.standing`;
