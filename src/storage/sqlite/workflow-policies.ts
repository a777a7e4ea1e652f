import { provedFrom } from "../../kernel/principal.ts";
import type { PolicyTerms, TypePolicy } from "../../workflow/core/policy.ts";
import type { PolicyChange, PolicyConflict, StoredPolicies } from "../../workflow/ports.ts";
import type { Row, SqliteEngine, Statement } from "./statement.ts";

/** The newest revision is read first: whoever decides upon policies that are newer than it is told so when it writes. */
export function readPolicies(engine: SqliteEngine): StoredPolicies {
  const [row] = engine.read("SELECT newest FROM policy_revision");
  const policies = engine.read("SELECT * FROM policies ORDER BY workflow_type").map(toPolicy);
  return { newest: Number(row?.["newest"]), policies };
}

const toPolicy = (row: Row): TypePolicy => ({
  workflowType: row["workflow_type"] as string,
  revision: Number(row["revision"]),
  terms: JSON.parse(row["terms"] as string) as PolicyTerms,
  updatedAtMs: Number(row["updated_at_ms"]),
  updatedBy: row["updated_by"] as string,
  reason: row["reason"] as string,
  ...provedFrom(row["authenticated_as"] as string),
});

export function policyStatements({ expectedNewest, newest, workflowType, policy, request }: PolicyChange) {
  const batch: Statement<PolicyConflict>[] = [];
  if (request !== undefined) {
    batch.push({
      sql: insertAnswer,
      params: [request.id, request.digest, JSON.stringify(request.answer), request.atMs],
      expect: { changes: 1, conflict: { type: "request-exists" } },
    });
  }
  batch.push({
    sql: "UPDATE policy_revision SET newest = ? WHERE newest = ?",
    params: [newest, expectedNewest],
    expect: { changes: 1, conflict: { type: "stale" } },
  });
  batch.push(
    policy === undefined
      ? { sql: "DELETE FROM policies WHERE workflow_type = ?", params: [workflowType] }
      : {
          sql: upsertPolicy,
          params: [
            workflowType,
            policy.revision,
            JSON.stringify(policy.terms),
            policy.updatedAtMs,
            policy.updatedBy,
            policy.reason,
            policy.authenticatedAs ?? "",
          ],
        },
  );
  return batch;
}

const insertAnswer = `INSERT INTO answers (request_id, digest, workflow, event_sequence, policy, at_ms)
  VALUES (?, ?, '', 0, ?, ?)`;

const upsertPolicy = `INSERT INTO policies (workflow_type, revision, terms, updated_at_ms, updated_by, reason, authenticated_as)
  VALUES (?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET revision = excluded.revision, terms = excluded.terms, updated_at_ms = excluded.updated_at_ms,
    updated_by = excluded.updated_by, reason = excluded.reason, authenticated_as = excluded.authenticated_as`;
