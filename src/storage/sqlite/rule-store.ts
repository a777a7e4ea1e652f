import { ok, type Result } from "../../kernel/result.ts";
import type { Rule } from "../../predicate/core/types.ts";
import type { RuleBatch, RuleConflict, RuleStore } from "../../predicate/ports.ts";
import { openSqlite } from "./engine.ts";
import type { Migration, OpenFailure, SqliteEngine, Statement } from "./statement.ts";

const migrations: readonly Migration[] = [
  {
    version: 1,
    sql: `
      -- state is beside the rule for the compare-and-set; everything else of a version stays as it was created.
      CREATE TABLE rules (
        id TEXT NOT NULL,
        version INTEGER NOT NULL,
        state TEXT NOT NULL,
        rule TEXT NOT NULL,
        PRIMARY KEY (id, version)
      ) STRICT;

      -- One row.
      CREATE TABLE rule_set (revision INTEGER NOT NULL) STRICT;
      INSERT INTO rule_set VALUES (0);

      CREATE TABLE answers (
        request_id TEXT PRIMARY KEY,
        digest TEXT NOT NULL,
        rule TEXT NOT NULL,
        revision INTEGER NOT NULL,
        at_ms INTEGER NOT NULL
      ) STRICT;
      CREATE INDEX answers_by_age ON answers (at_ms)`,
  },
];

export async function openSqliteRuleStore(options: {
  readonly path: string;
  /** For tests of a full disk. */
  readonly pageCountMax?: number;
}): Promise<Result<RuleStore, OpenFailure>> {
  const opened = await openSqlite({ ...options, kind: "rules", migrations });
  return opened.ok ? ok(ruleStore(opened.value)) : opened;
}

function ruleStore(engine: SqliteEngine): RuleStore {
  return {
    get writable() {
      return engine.writable;
    },
    onWritableChange: engine.onWritableChange,
    keptBeforeMs: engine.keptBeforeMs,
    load: async () => {
      // One statement, so that rules and revision belong together.
      const rows = engine.read(selectAll);
      const rules = rows.flatMap((row) => (row["rule"] === null ? [] : [parseRule(row["rule"] as string)]));
      return { rules, revision: Number(rows[0]?.["revision"]) };
    },
    answer: async (requestId) => {
      const [row] = engine.read("SELECT digest, rule, revision FROM answers WHERE request_id = ?", requestId);
      return (
        row && {
          digest: row["digest"] as string,
          rule: parseRule(row["rule"] as string),
          ruleSetRevision: Number(row["revision"]),
        }
      );
    },
    apply: async (batch) => {
      const applied = await engine.apply(statements(batch));
      return applied.ok ? ok(undefined) : applied;
    },
    purge: async ({ olderThanMs, limit }) => {
      const purged = await engine.apply<never>([{ sql: purgeAnswers, params: [olderThanMs, limit], returning: true }]);
      return purged.ok ? ok(purged.value.flat().length) : purged;
    },
    close: () => engine.close(),
  };
}

const selectAll = `SELECT revision, newest.rule FROM rule_set
  LEFT JOIN (SELECT rule, max(version) FROM rules GROUP BY id) AS newest ON true`;

const insertAnswer = "INSERT INTO answers (request_id, digest, rule, revision, at_ms) VALUES (?, ?, ?, ?, ?)";

const insertRule = `INSERT INTO rules (rule, state, id, version)
  SELECT ?1, ?2, ?3, ?4 WHERE NOT EXISTS (SELECT 1 FROM rules WHERE id = ?3)`;

const updateRule = "UPDATE rules SET rule = ?, state = ? WHERE id = ? AND version = ? AND state = ?";

const updateRevision = "UPDATE rule_set SET revision = ? WHERE revision = ?";

const purgeAnswers = `DELETE FROM answers WHERE request_id IN
  (SELECT request_id FROM answers WHERE at_ms < ? ORDER BY at_ms LIMIT ?) RETURNING 1`;

/** The answer goes first: a repeated creation is told that its request is known, not that its rule exists. */
function statements({ rule, expected, revision, request }: RuleBatch): Statement<RuleConflict>[] {
  const stale = { changes: 1, conflict: { type: "stale" } } as const;
  const batch: Statement<RuleConflict>[] = [];
  if (request !== undefined) {
    batch.push({
      sql: insertAnswer,
      params: [request.id, request.digest, JSON.stringify(rule), revision.next, request.atMs],
      expect: { changes: 1, conflict: { type: "request-exists" } },
    });
  }
  const params = [JSON.stringify(rule), rule.state, rule.id];
  batch.push(
    expected === "absent"
      ? { sql: insertRule, params: [...params, rule.version], expect: stale }
      : { sql: updateRule, params: [...params, expected.version, expected.state], expect: stale },
    { sql: updateRevision, params: [revision.next, revision.expected], expect: stale },
  );
  return batch;
}

/** JSON drops what is undefined; the types name it. */
function parseRule(json: string): Rule {
  const rule = JSON.parse(json) as Rule;
  return { ...rule, moves: rule.moves.map(({ from, to }) => ({ from, to })) };
}
