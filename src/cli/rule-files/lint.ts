import { nearest } from "../../kernel/nearest.ts";
import { analyseSteps, type Finding } from "../../predicate/core/analysis/analyse.ts";
import { lastOf } from "../../predicate/core/compile-rule.ts";
import { factsReadBy } from "../../predicate/core/facts.ts";
import { analysedRules } from "../../predicate/core/rule-set/review.ts";
import type { RuleSet } from "../../predicate/core/rule-set.ts";
import { metadataViolations } from "../../predicate/core/workflow-types.ts";
import type { RuleFiles } from "../rule-files.ts";
import { activeIndex } from "./compile.ts";
import type { FileProblem, PlaceOf } from "./problem.ts";

/** What a server takes, and is hardly meant. Only what is sure is told. */
export const lintWarnings = (files: RuleFiles, ruleSet: RuleSet): readonly FileProblem[] => [
  ...unknownTypes(files),
  ...unreadFacts(files),
  ...unlikelyTests(files, ruleSet),
  ...lastOf(analyseSteps(analysedRules(ruleSet))).map((finding) => findingProblem(files, finding)),
];

const warning = (place: ReturnType<PlaceOf>, message: string): FileProblem => ({ severity: "warning", place, message });

/** Where types are described, all of them are; where none is, they are nobody's business. */
function unknownTypes({ rules, workflowTypes, placeOf }: RuleFiles): readonly FileProblem[] {
  const known = workflowTypes.map(({ name }) => name);
  if (known.length === 0) return [];
  return rules.flatMap((rule, index) =>
    rule.workflowTypes.flatMap((type, at) => {
      if (known.includes(type)) return [];
      const meant = nearest(type, known);
      const message = `no type "${type}" is described${meant === undefined ? "" : `; did you mean "${meant}"?`}`;
      return [warning(placeOf(`rules[${index}].workflow_types[${at}]`), message)];
    }),
  );
}

function unreadFacts({ rules, facts, placeOf }: RuleFiles): readonly FileProblem[] {
  const texts = [
    ...rules.flatMap(({ expression, condition, message }) => [expression, condition, message]),
    ...facts.map(({ expression }) => expression),
  ];
  const read = new Set(texts.flatMap((text) => [...factsReadBy(text)]));
  return facts.flatMap(({ name }, index) =>
    read.has(name) ? [] : [warning(placeOf(`facts[${index}].name`), `nothing reads the fact "${name}"`)],
  );
}

/** Of workflows that no server would have taken. */
function unlikelyTests({ placeOf }: RuleFiles, ruleSet: RuleSet): readonly FileProblem[] {
  return ruleSet.contents.tests.flatMap(({ check: { workflow } }, index) => {
    const place = placeOf(`tests[${index}].check.workflow.metadata`);
    return metadataViolations(ruleSet.workflowTypes, workflow.type, workflow.metadata).map(({ path, message }) =>
      warning(place, `not as the type "${workflow.type}" has it: ${path} ${message}`),
    );
  });
}

function findingProblem(files: RuleFiles, { ruleIds, place, message }: Finding): FileProblem {
  const [ruleId = ""] = ruleIds;
  const at = `rules[${activeIndex(files, ruleId)}]`;
  return warning(files.placeOf(place === undefined ? `${at}.rule_id` : `${at}.${place.field}`, place?.position), message);
}
