import { choices } from "../../kernel/range.ts";
import { ok } from "../../kernel/result.ts";
import type { MetadataIndex, MetadataRange, WorkflowRanges, WorkflowStore } from "../../workflow/ports.ts";
import type { Condition } from "./scan.ts";
import type { SqliteEngine, SqlValue, Statement } from "./statement.ts";
import { type Bounds, branchCountMax, comparators, type PathInOrder } from "./workflow-indexes.ts";

/** Characters of a text that the index has. */
const indexedLength = 256;

/** A value as the index has it. What is cut is compared as it is cut: whatever is equal or sorts before is still so. */
export function indexedValue(value: string | number | boolean): SqlValue {
  if (typeof value === "boolean") return Uint8Array.of(value ? 1 : 0);
  return typeof value === "number" ? value : [...value.slice(0, 2 * indexedLength)].slice(0, indexedLength).join("");
}

/** Where SQLite ends a text is not sure with such a character in it. */
const hasNul = (value: unknown): boolean => typeof value === "string" && value.includes("\0");

/** Those of the ranges that have an index which knows of every workflow that may be wanted. */
export function usableRanges(engine: SqliteEngine, { type, metadata = [] }: WorkflowRanges): readonly MetadataRange[] {
  const types = choices(type);
  const [sql, ...params] = types === undefined ? [selectKnownToAll] : [selectKnownToTypes, JSON.stringify(types)];
  const isUsable = ({ key, oneOf = [], min, max }: MetadataRange): boolean =>
    oneOf.length <= branchCountMax && ![...oneOf, min, max].some(hasNul) && engine.read(sql, ...params, key).length > 0;
  return metadata.filter(isUsable);
}

/** By the one for all, and by each other policy. */
const selectKnownToAll = `SELECT 1 WHERE EXISTS (SELECT 1 FROM metadata_keys WHERE workflow_type = '' AND key = ?1 AND progress = 'ready')
  AND NOT EXISTS (SELECT 1 FROM policies WHERE NOT EXISTS (
    SELECT 1 FROM metadata_keys WHERE workflow_type = policies.workflow_type AND key = ?1 AND progress = 'ready'))`;

/** By the policy of each of these types. */
const selectKnownToTypes = `SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM json_each(?1) wanted WHERE NOT EXISTS (
    SELECT 1 FROM metadata_keys WHERE key = ?2 AND progress = 'ready' AND workflow_type =
      CASE WHEN EXISTS (SELECT 1 FROM policies WHERE workflow_type = wanted.value) THEN wanted.value ELSE '' END))`;

/** Equal values are in the order of ids; what lies between two is not. */
export function metadataPath({ key, oneOf, min, max }: MetadataRange): PathInOrder & { readonly isInOrder: boolean } {
  const led = [`metadata.${key}` as const];
  const select = "SELECT 0 AS k, workflow_id AS i FROM workflow_metadata WHERE key = ?";
  if (oneOf === undefined) {
    const isText = typeof (min ?? max) === "string";
    const [least, most] = isText ? ["", behindAllTexts] : [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
    const ends = [min === undefined ? least : indexedValue(min), max === undefined ? most : indexedValue(max)];
    const range = { sql: `${select} AND value >= ? AND value <= ?`, params: [key, ...ends] as readonly SqlValue[] };
    return { led, by: "id", isInOrder: false, branchCount: 1, select: () => range };
  }
  const values = distinct(oneOf.map(indexedValue));
  const within = (bounds: Bounds): Condition => {
    const { above, below } = comparators(bounds);
    const branch = `${select} AND value = ? AND workflow_id ${above} ? AND workflow_id ${below} ?`;
    return {
      sql: values.map(() => branch).join(" UNION ALL "),
      params: values.flatMap((value) => [key, value, bounds.low.id, bounds.high.id]),
    };
  };
  return { led, by: "id", isInOrder: true, branchCount: values.length, select: within };
}

/** Blobs come after all texts. */
const behindAllTexts = Uint8Array.of(0);

/** One branch each: two that lead to the same would lead to it twice. */
const distinct = (values: readonly SqlValue[]): readonly SqlValue[] =>
  values.filter((value, index) => values.findIndex((other) => isSame(other, value)) === index);

const isSame = (a: SqlValue, b: SqlValue): boolean =>
  a instanceof Uint8Array && b instanceof Uint8Array ? a[0] === b[0] : a === b;

export const metadataIndexes = (engine: SqliteEngine): readonly MetadataIndex[] =>
  engine.read("SELECT workflow_type, key, progress FROM metadata_keys ORDER BY workflow_type, key").map((row) => ({
    workflowType: row["workflow_type"] as string,
    key: row["key"] as string,
    ready: row["progress"] === "ready",
  }));

/** One slice: of the walk over all workflows, for all keys that have waited when it began, or of what is not asked for any more. */
export async function indexMetadata(
  engine: SqliteEngine,
  { limit }: Parameters<WorkflowStore["indexMetadata"]>[0],
): ReturnType<WorkflowStore["indexMetadata"]> {
  const progress = new Set(engine.read("SELECT DISTINCT progress FROM metadata_keys").map((row) => row["progress"]));
  if (progress.has("walking")) return walkOn(engine, limit);
  if (progress.has("waiting")) return applied(engine, beginWalk);
  const [unwanted] = engine.read(selectUnwantedKey);
  return unwanted === undefined
    ? ok(false)
    : applied(engine, [{ sql: deleteUnwanted, params: [unwanted["key"] ?? null, limit] }]);
}

async function applied(engine: SqliteEngine, batch: readonly Statement<never>[]): ReturnType<WorkflowStore["indexMetadata"]> {
  const result = await engine.apply(batch);
  return result.ok ? ok(true) : result;
}

async function walkOn(engine: SqliteEngine, limit: number): ReturnType<WorkflowStore["indexMetadata"]> {
  const walked = await engine.apply<never>([
    { sql: indexNext, params: [limit] },
    { sql: moveOn, params: [limit], returning: true },
  ]);
  if (!walked.ok) return walked;
  const isOver = walked.value[0]?.[0]?.["follows"] === null;
  return isOver ? applied(engine, [endWalk]) : ok(true);
}

const beginWalk: readonly Statement<never>[] = [
  { sql: "UPDATE metadata_keys SET progress = 'walking' WHERE progress = 'waiting'", params: [] },
  { sql: "UPDATE metadata_walk SET after_id = ''", params: [] },
];

/** What was created since is indexed already, and so is what has come between. */
const endWalk: Statement<never> = { sql: "UPDATE metadata_keys SET progress = 'ready' WHERE progress = 'walking'", params: [] };

const nextIds = "SELECT id FROM workflows WHERE id > (SELECT after_id FROM metadata_walk) ORDER BY id LIMIT ?1";

const indexNext = `INSERT INTO workflow_metadata SELECT * FROM indexed_metadata WHERE workflow_id IN (${nextIds}) ON CONFLICT DO NOTHING`;

/** What follows is looked for when it has moved. */
const moveOn = `UPDATE metadata_walk SET after_id = coalesce((SELECT max(id) FROM (${nextIds})), after_id)
  RETURNING (SELECT min(id) FROM workflows WHERE id > after_id) AS follows`;

/** From key to key, of which there are few, not from entry to entry. */
const selectUnwantedKey = `WITH RECURSIVE present (key) AS (
    SELECT min(key) FROM workflow_metadata
    UNION ALL SELECT (SELECT min(key) FROM workflow_metadata WHERE key > present.key) FROM present WHERE present.key IS NOT NULL)
  SELECT key FROM present WHERE key IS NOT NULL AND key NOT IN (SELECT key FROM metadata_keys) LIMIT 1`;

const deleteUnwanted = `DELETE FROM workflow_metadata WHERE (key, value, workflow_id) IN
  (SELECT key, value, workflow_id FROM workflow_metadata WHERE key = ? LIMIT ?)`;
