import { assert } from "../../kernel/assert.ts";
import { stretchRowsMax } from "../../kernel/limits.ts";
import type { Breathe } from "../../kernel/turns.ts";
import type {
  Fact,
  RuleRole,
  RuleSetContents,
  RuleSetItemKind,
  RuleTest,
  RuleVersion,
  WorkflowType,
} from "../../predicate/core/types.ts";
import type { LoadedRules } from "../../predicate/ports.ts";
import { toItem } from "./rule-rows.ts";
import type { SqliteEngine } from "./statement.ts";
import { readStretch } from "./stretch.ts";

/** Which versions there are is read at once; what they say, which never changes, with turns for others. */
export async function loadRules(engine: SqliteEngine, breathe: Breathe): Promise<LoadedRules> {
  const { revision, sequence, idleRuleCount, members } = readRuleSet(engine, undefined);
  return { contents: await contentsOf(engine, revision, members, breathe), sequence, idleRuleCount };
}

export async function contentsAt(engine: SqliteEngine, revision: number, breathe: Breathe): Promise<RuleSetContents | undefined> {
  const known = readRuleSet(engine, revision);
  if (revision < known.oldestRevision || revision > known.revision) return undefined;
  return contentsOf(engine, revision, known.members, breathe);
}

type MemberRow = readonly [versionId: number, role: RuleRole];

function readRuleSet(engine: SqliteEngine, revision: number | undefined) {
  const [row] = engine.read(selectRuleSet, revision ?? null);
  assert(row !== undefined, "there is one rule set");
  return {
    revision: Number(row["revision"]),
    sequence: Number(row["sequence"]),
    oldestRevision: Number(row["oldest_revision"]),
    idleRuleCount: Number(row["idle_rules"]),
    members: JSON.parse(row["members"] as string) as readonly MemberRow[],
  };
}

/** In the order of names, bytewise. */
const selectRuleSet = `SELECT revision, sequence, oldest_revision, idle_rules,
  (SELECT json_group_array(json_array(version_id, role) ORDER BY kind, name) FROM members
    WHERE to_revision > coalesce(?1, revision) AND from_revision <= coalesce(?1, revision)) AS members
  FROM rule_set`;

/** In the order of the ids that are asked for. */
const selectVersions = `SELECT kind, content FROM json_each(?) AS wanted CROSS JOIN versions ON versions.id = wanted.value LIMIT ?`;

async function contentsOf(
  engine: SqliteEngine,
  revision: number,
  members: readonly MemberRow[],
  breathe: Breathe,
): Promise<RuleSetContents> {
  const active: RuleVersion[] = [];
  const shadow: RuleVersion[] = [];
  const facts: Fact[] = [];
  const workflowTypes: WorkflowType[] = [];
  const tests: RuleTest[] = [];
  for (let read = 0; read < members.length; ) {
    const turn = breathe();
    if (turn !== undefined) await turn;
    const wanted = members.slice(read, read + stretchRowsMax);
    const ids = JSON.stringify(wanted.map(([id]) => id));
    const { rows } = readStretch(engine, selectVersions, [ids], wanted.length);
    assert(rows.length > 0, "a version is kept for ever");
    for (const [index, row] of rows.entries()) {
      const item = toItem(row["kind"] as RuleSetItemKind, wanted[index]?.[1] ?? "ACTIVE", row["content"] as string);
      if (item.kind === "RULE") (item.role === "SHADOW" ? shadow : active).push(item.rule);
      else if (item.kind === "FACT") facts.push(item.fact);
      else if (item.kind === "WORKFLOW_TYPE") workflowTypes.push(item.workflowType);
      else tests.push(item.test);
    }
    read += rows.length;
  }
  return { revision, active, shadow, facts, workflowTypes, tests };
}
