import { nearest } from "../../kernel/nearest.ts";
import { analyseSteps, type Finding } from "../../predicate/core/analysis/analyse.ts";
import { variablesWith } from "../../predicate/core/bindings.ts";
import { compile } from "../../predicate/core/compile.ts";
import { lastOf } from "../../predicate/core/compile-rule.ts";
import { factsReadBy, factTypes } from "../../predicate/core/facts.ts";
import type { Position } from "../../predicate/core/position.ts";
import { analysedRules } from "../../predicate/core/rule-set/review.ts";
import type { RuleSet } from "../../predicate/core/rule-set.ts";
import { type CompiledType, metadataViolations } from "../../predicate/core/workflow-types.ts";
import type { RuleFiles } from "../rule-files.ts";
import { activeIndex } from "./compile.ts";
import type { FileProblem, PlaceOf } from "./problem.ts";

/** What a server takes, and is hardly meant. Only what is sure is told. */
export const lintWarnings = (files: RuleFiles, ruleSet: RuleSet): readonly FileProblem[] => [
  ...unknownTypes(files),
  ...unreadFacts(files),
  ...unknownFields(files, ruleSet),
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

/** Facts know no schema, so a server takes one that reads a field which no type has. A type without a schema may have any. */
function unknownFields({ facts, workflowTypes, placeOf }: RuleFiles, ruleSet: RuleSet): readonly FileProblem[] {
  const types = [...ruleSet.workflowTypes.values()];
  if (types.length < workflowTypes.length) return [];
  return facts.flatMap(({ expression }, index) => {
    const found = types.map((type) => unknownFieldsOf(expression, type, ruleSet));
    return (found[0] ?? []).flatMap((problem) => {
      const { line, column } = problem;
      const said = found.flat().filter((each) => each.line === line && each.column === column);
      if (said.length < types.length) return [];
      // The type that has a name like it is the one that is meant.
      const { message } = said.find((each) => each.message.includes("did you mean")) ?? problem;
      return [warning(placeOf(`facts[${index}].expression`, { line, column }), `no type that is described has it: ${message}`)];
    });
  });
}

function unknownFieldsOf(
  source: string,
  { metadata }: CompiledType,
  ruleSet: RuleSet,
): readonly (Position & { message: string })[] {
  const facts = factTypes(ruleSet.facts);
  const compiled = compile(source, variablesWith({ ...(metadata && { metadata }), ...(facts && { facts }) }));
  if (compiled.ok) return [];
  const { error } = compiled;
  // Other types than a fact sees are no mistake of it.
  return [error, ...error.others].filter(({ message }) => /^unknown field "[^"]*" of workflow\.metadata/.test(message));
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
