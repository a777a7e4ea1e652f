import { assert } from "../../kernel/assert.ts";
import { err, ok, type Result } from "../../kernel/result.ts";
import type { Stretch } from "../../kernel/stretch.ts";
import type { Turns } from "../../kernel/turns.ts";
import type { WriteResult } from "../../kernel/write.ts";
import type { Rule } from "../../predicate/core/types.ts";
import type { RuleBatch, RuleConflict, RuleStore } from "../../predicate/ports.ts";
import { openSqlite } from "./engine.ts";
import { keptBeforeLossIn } from "./lost-sequences.ts";
import { readable } from "./readable.ts";
import { type BatchConflict, ruleStatements } from "./rule-batch.ts";
import { contentsAt, loadRules } from "./rule-contents.ts";
import { changesAfter, changesBefore } from "./rule-history.ts";
import { ruleMigrations } from "./rule-migrations.ts";
import { toAnswer, toRule } from "./rule-rows.ts";
import { openFailure } from "./sqlite-error.ts";
import type { OpenFailure, SqliteEngine, SqlValue, StoreOptions, StoreSchema } from "./statement.ts";
import { readStretch } from "./stretch.ts";

export const ruleSchema: StoreSchema = { kind: "rules", migrations: ruleMigrations };

export async function openSqliteRuleStore({
  turns,
  ...options
}: StoreOptions & {
  /** What is as large as a rule set is read and written with turns for others. */
  readonly turns: Turns;
  /** For tests of a full disk. */
  readonly pageCountMax?: number;
}): Promise<Result<RuleStore, OpenFailure>> {
  const opened = await openSqlite({ ...options, ...ruleSchema });
  if (!opened.ok) return opened;
  try {
    return ok(sqliteRuleStore(opened.value, turns));
  } catch (error) {
    await opened.value.close();
    return err(openFailure(options.path, error));
  }
}

/** On an engine that is open. */
export function sqliteRuleStore(engine: SqliteEngine, turns: Turns): RuleStore {
  const changeListeners = new Set<(sequence: number) => void>();
  let told = newestSequence(engine);
  const keptBeforeLoss = keptBeforeLossIn(engine);
  const tell = (): void => {
    for (const listener of changeListeners) listener(told);
  };
  const tellChanges = (): void => {
    const newest = readable(() => newestSequence(engine));
    // If nobody can read it now, there may be more: those who wait look for themselves.
    if (newest === undefined) tell();
    // One by one: a flush may have several.
    while (told < (newest ?? told)) {
      told += 1;
      tell();
    }
  };
  engine.onFlush(tellChanges);
  // A flush that fails may be durable all the same; when the store can be written again, there is no doubt about any of them.
  engine.onWritableChange(tellChanges);

  const write = async (batch: RuleBatch): WriteResult<void, RuleConflict> => {
    const applied = await engine.apply<BatchConflict>(await ruleStatements(batch, turns()));
    if (applied.ok) return ok(undefined);
    if (applied.error.type === "storage-unavailable") return err(applied.error);
    const { conflict } = applied.error;
    assert(conflict.type !== "impossible", "a batch is decided on the rules that are stored");
    return err({ type: "conflict", conflict });
  };
  /** Not with the engine yet. */
  const writing = new Set<Promise<unknown>>();

  return {
    get writable() {
      return engine.writable;
    },
    onWritableChange: engine.onWritableChange,
    keptBeforeMs: engine.keptBeforeMs,
    load: () => loadRules(engine, turns()),
    rule: async (id, version) => engine.read(selectRule, id, version ?? null).map(toRule)[0],
    listRules: async ({ afterId, limit }) =>
      readRules(engine, selectRules, [afterId ?? ""], limit, ({ version: { id } }) => id as string),
    listVersions: async ({ id, beforeVersion, limit }) =>
      readRules(
        engine,
        selectRuleVersions,
        [id, beforeVersion ?? Number.MAX_SAFE_INTEGER],
        limit,
        ({ version }) => version.version,
      ),
    countCreatedAs: async (principal) => Number(engine.read(countCreatedAs, principal)[0]?.["count"]),
    latestVersion: async (kind, name) => Number(engine.read(selectLatest, kind, name)[0]?.["latest"]),
    versionsNeverUsed: async (id) => engine.read(selectNeverUsed, id).map((row) => Number(row["version"])),
    contentsAt: (revision) => contentsAt(engine, revision, turns()),
    changesAfter: (page) => changesAfter(engine, page, turns()),
    keptBeforeLoss: async (sequence) => keptBeforeLoss(sequence),
    changesBefore: (page) => changesBefore(engine, page, turns()),
    answer: async (requestId) =>
      engine.read("SELECT digest, answer, at_ms FROM answers WHERE request_id = ?", requestId).map(toAnswer)[0],
    apply: async (batch) => {
      const written = write(batch);
      writing.add(written);
      try {
        return await written;
      } finally {
        writing.delete(written);
      }
    },
    onChange: (listener) => {
      changeListeners.add(listener);
      return () => changeListeners.delete(listener);
    },
    purge: async ({ olderThanMs, limit }) => {
      const purged = await engine.apply<never>([{ sql: purgeAnswers, params: [olderThanMs, limit], returning: true }]);
      return purged.ok ? ok(purged.value.flat().length) : purged;
    },
    close: async () => {
      await Promise.allSettled(writing);
      await engine.close();
    },
  };
}

const newestSequence = (engine: SqliteEngine): number => Number(engine.read("SELECT sequence FROM rule_set")[0]?.["sequence"]);

function readRules<Place>(
  engine: SqliteEngine,
  sql: string,
  params: readonly SqlValue[],
  limit: number,
  placeOf: (rule: Rule) => Place,
): Stretch<Rule, Place> {
  const { rows, isCut } = readStretch(engine, sql, params, limit);
  const rules = rows.map(toRule);
  const last = rules.at(-1);
  return { rows: rules, upTo: isCut && last !== undefined ? placeOf(last) : undefined, looked: rules.length };
}

const rulesWhere = (version: string): string => `SELECT standing, content FROM standings CROSS JOIN versions
  ON kind = 'RULE' AND name = standings.id AND NOT gone AND ${version}`;

const selectRule = `${rulesWhere("version = coalesce(?2, latest_version)")} WHERE standings.id = ?1`;

const selectRules = `${rulesWhere("version = latest_version")} WHERE standings.id > ? ORDER BY standings.id LIMIT ?`;

const selectRuleVersions = `${rulesWhere("true")} WHERE standings.id = ? AND version < ? ORDER BY version DESC LIMIT ?`;

const countCreatedAs = "SELECT count(*) AS count FROM standings WHERE created_as = ?";

const selectLatest = "SELECT coalesce(max(version), 0) AS latest FROM versions WHERE kind = ? AND name = ? AND NOT gone";

const selectNeverUsed = `SELECT version FROM versions WHERE kind = 'RULE' AND name = ? AND NOT gone
  AND NOT EXISTS (SELECT 1 FROM members WHERE version_id = versions.id) ORDER BY version`;

const purgeAnswers = `DELETE FROM answers WHERE request_id IN
  (SELECT request_id FROM answers WHERE at_ms < ? ORDER BY at_ms LIMIT ?) RETURNING 1`;
