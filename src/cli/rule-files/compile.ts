import { RuleState } from "../../gen/concord/predicate/v1/rule_set.ts";
import { compare } from "../../kernel/range.ts";
import { compileRuleSteps, lastOf } from "../../predicate/core/compile-rule.ts";
import { unknownMove } from "../../predicate/core/rule-set/rule-changes.ts";
import { compileContents, type RuleSet, type RuleSetProblem } from "../../predicate/core/rule-set.ts";
import type { Authorship, RuleSetContents, RuleVersion } from "../../predicate/core/types.ts";
import { appliedRuleFromWire, factFromWire, testFromWire, workflowTypeFromWire } from "../../rpc/convert-rule-set.ts";
import type { RuleFiles } from "../rule-files.ts";
import { type FileProblem, inOrder } from "./problem.ts";

/** What rules were read, ready to judge. */
export type CompiledFiles = { readonly ruleSet: RuleSet; readonly problems: readonly FileProblem[] };

/** What stands in files has no author and no history yet. */
const unwritten: Authorship = { version: 1, createdAtMs: 0, createdBy: "" };

/** As the server would, if they were applied. */
export function compileFiles(files: RuleFiles): CompiledFiles {
  const described = files.rules.map(appliedRuleFromWire);
  const versions = described.map(
    ({ id, role, source }): RuleVersion => ({ ...source, ...unwritten, id, version: role === "ACTIVE" ? 1 : 2 }),
  );
  const inRole = (role: string) =>
    versions.filter((_, index) => described[index]?.role === role).toSorted((a, b) => compare(a.id, b.id));
  const contents: RuleSetContents = {
    revision: 1,
    active: inRole("ACTIVE"),
    shadow: inRole("SHADOW"),
    facts: named(files.facts.map((fact) => ({ ...factFromWire(fact), ...unwritten }))),
    workflowTypes: named(files.workflowTypes.map((type) => ({ ...workflowTypeFromWire(type), ...unwritten }))),
    // In the order of the files, which is what their reader knows.
    tests: files.tests.map((test, index) => ({ ...testFromWire(test, `tests[${index}].`), ...unwritten })),
  };
  const { ruleSet, problems } = lastOf(compileContents(contents));
  const drafts = inRole("DRAFT").flatMap((rule) =>
    lastOf(compileRuleSteps(rule, ruleSet)).errors.map(
      ({ field, ...error }): RuleSetProblem => ({ kind: "RULE", name: rule.id, version: rule.version, field, error }),
    ),
  );
  return {
    ruleSet,
    problems: inOrder([
      ...versions.flatMap((rule, index) => moveProblems(files, rule, index)),
      ...[...problems, ...drafts].map((problem) => compileProblem(files, versions, problem)),
    ]),
  };
}

const named = <Item extends { readonly name: string }>(items: readonly Item[]): readonly Item[] =>
  items.toSorted((a, b) => compare(a.name, b.name));

function moveProblems({ placeOf }: RuleFiles, rule: RuleVersion, index: number): readonly FileProblem[] {
  const field = unknownMove(rule);
  if (field === undefined) return [];
  const message = "the lifecycle has no such move, so the rule would never be asked about it";
  return [{ severity: "error", place: placeOf(`rules[${index}].${field}`), message }];
}

function compileProblem(files: RuleFiles, versions: readonly RuleVersion[], problem: RuleSetProblem): FileProblem {
  const { kind, name, version, field, error } = problem;
  const at = {
    RULE: ["rules", versions.findIndex((rule) => rule.id === name && rule.version === version)],
    FACT: ["facts", files.facts.findIndex((fact) => fact.name === name)],
    WORKFLOW_TYPE: ["workflow_types", files.workflowTypes.findIndex((type) => type.name === name)],
  } as const;
  const [list, index] = at[kind];
  return { severity: "error", place: files.placeOf(`${list}[${index}].${field}`, error), message: error.message };
}

/** Where in the request the rule stands that judges under this id. */
export const activeIndex = ({ rules }: Pick<RuleFiles, "rules">, id: string): number =>
  rules.findIndex(({ ruleId, state }) => ruleId === id && state === RuleState.ACTIVE);
