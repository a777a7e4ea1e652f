import { unreachable } from "../../kernel/assert.ts";
import type { TimeMs } from "../../kernel/time.ts";
import type {
  Check,
  Fact,
  Rule,
  RuleRole,
  RuleSetItem,
  RuleSetItemKind,
  RuleStanding,
  RuleTest,
  RuleVersion,
  WorkflowType,
} from "../../predicate/core/types.ts";
import type { ChangeAnswer } from "../../predicate/ports.ts";
import type { Row } from "./statement.ts";

// JSON drops what is undefined; the types name it.

/** Of a row with a version's `content` and its rule's `standing`. */
export const toRule = (row: Row): Rule => ({
  version: withUndefined(JSON.parse(row["content"] as string) as RuleVersion),
  standing: standingOf(JSON.parse(row["standing"] as string) as RuleStanding),
});

export function toItem(kind: RuleSetItemKind, role: RuleRole, content: string): RuleSetItem {
  const parsed: unknown = JSON.parse(content);
  switch (kind) {
    case "RULE":
      return { kind, role, rule: withUndefined(parsed as RuleVersion) };
    case "FACT":
      return { kind, fact: parsed as Fact };
    case "WORKFLOW_TYPE": {
      const type = parsed as WorkflowType;
      return { kind, workflowType: { ...type, metadataSchema: type.metadataSchema } };
    }
    case "TEST":
      return { kind, test: testOf(parsed as RuleTest) };
    default:
      return unreachable(kind);
  }
}

export function toAnswer(row: Row): ChangeAnswer & { readonly digest: string; readonly atMs: TimeMs } {
  const { ruleSetRevision, rule, changeSequence } = JSON.parse(row["answer"] as string) as ChangeAnswer;
  return {
    digest: row["digest"] as string,
    atMs: Number(row["at_ms"]),
    ruleSetRevision,
    rule: rule && { version: withUndefined(rule.version), standing: standingOf(rule.standing) },
    changeSequence,
  };
}

/** A version that was written before there were updates judges moves. */
const withUndefined = ({ operations = ["TRANSITION"], ...rule }: RuleVersion): RuleVersion => ({
  ...rule,
  operations,
  moves: rule.moves.map(({ from, to }) => ({ from, to })),
});

const standingOf = (standing: RuleStanding): RuleStanding => ({
  ...standing,
  activeVersion: standing.activeVersion ?? undefined,
  shadowVersion: standing.shadowVersion ?? undefined,
});

const testOf = (test: RuleTest): RuleTest => ({ ...test, check: checkOf(test.check) });

export function checkOf({ workflow, lastEvent, ...check }: Check): Check {
  return {
    ...check,
    workflow: { ...workflow, previousState: workflow.previousState },
    lastEvent: lastEvent && {
      ...lastEvent,
      type: lastEvent.type,
      fromState: lastEvent.fromState,
      toState: lastEvent.toState,
    },
  };
}
