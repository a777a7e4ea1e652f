import { globSync, statSync } from "node:fs";
import { join } from "node:path";
import { ApplyRuleSetRequest } from "../gen/concord/predicate/v1/predicate_logic.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import { messageType } from "../rpc/descriptors.ts";
import { InvalidMessage, validatingDecoder } from "../rpc/validation.ts";
import { partProblems } from "./rule-files/checks.ts";
import { pathOfField } from "./rule-files/fields.ts";
import { type FileProblem, inOrder, type PlaceOf } from "./rule-files/problem.ts";
import { type Located, type LocatedParts, readRuleFile } from "./rule-files/read-file.ts";
import { factToWire, type RuleSetParts, ruleToWire, testToWire, workflowTypeToWire } from "./rule-files/to-wire.ts";

/** A rule set that was read from files. docs/rules.md has their form. */
export type RuleFiles = RuleSetParts & {
  /** Of fields of ApplyRuleSetRequest, such as `rules[2].expression`. */
  readonly placeOf: PlaceOf;
};

/** All files of these paths are one rule set; of a folder, those that end with .yaml or .yml. All that is wrong is told, in order. */
export function readRuleFiles(paths: readonly string[]): Result<RuleFiles, readonly FileProblem[]> {
  const listed = paths.map(filesIn);
  const read = listed.flatMap(({ files }) => files).map(readRuleFile);
  const unreadable = [...listed.flatMap(({ problems }) => problems), ...read.flatMap(({ problems }) => problems)];
  if (unreadable.length > 0) return err(inOrder(unreadable));
  const parts: LocatedParts = {
    types: read.flatMap((each) => each.parts.types),
    facts: read.flatMap((each) => each.parts.facts),
    rules: read.flatMap((each) => each.parts.rules),
    tests: read.flatMap((each) => each.parts.tests),
  };
  const files = ruleFilesOf(parts, paths.join(" "));
  const problems = [...partProblems(parts), ...contractProblems(files)];
  return problems.length > 0 ? err(inOrder(problems)) : ok(files);
}

type Listed = { readonly files: readonly string[]; readonly problems: readonly FileProblem[] };

function filesIn(path: string): Listed {
  const problem = (message: string): Listed => ({ files: [], problems: [{ severity: "error", place: { file: path }, message }] });
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return problem("there is no such file or folder");
  if (!stat.isDirectory()) return { files: [path], problems: [] };
  const found = globSync("**/*.{yaml,yml}", { cwd: path }).toSorted();
  return found.length === 0
    ? problem("no file in it ends with .yaml")
    : { files: found.map((name) => join(path, name)), problems: [] };
}

function ruleFilesOf(parts: LocatedParts, paths: string): RuleFiles {
  const { types, facts, rules, tests } = parts;
  const lists: Readonly<Record<string, readonly Located<unknown>[]>> = { rules, facts, workflow_types: types, tests };
  return {
    rules: rules.map(({ shape }) => ruleToWire(shape)),
    facts: facts.map(({ shape }) => factToWire(shape)),
    workflowTypes: types.map(({ shape }) => workflowTypeToWire(shape)),
    tests: tests.map(({ shape }) => testToWire(shape)),
    placeOf(field, within) {
      const [, list = "", index, rest = ""] = /^(\w+)(?:\[(\d+)\])?\.?(.*)$/.exec(field) ?? [];
      return lists[list]?.[Number(index)]?.placeOf(pathOfField(rest), within) ?? { file: paths };
    },
  };
}

const applyType = "concord.predicate.v1.ApplyRuleSetRequest";

/** What the server would refuse without a look at the rules. */
function contractProblems({ placeOf, ...parts }: RuleFiles): readonly FileProblem[] {
  const request = ApplyRuleSetRequest.fromPartial({ ...parts, reason: "is read", requestedBy: "the reader" });
  const decoded = validatingDecoder(messageType(applyType))(ApplyRuleSetRequest.encode(request).finish());
  if (!(decoded instanceof InvalidMessage)) return [];
  return decoded.violations.map(({ field, description }) => ({ severity: "error", place: placeOf(field), message: description }));
}
