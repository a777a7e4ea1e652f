import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { Scalar, stringify } from "yaml";
import { compileFiles } from "../../../src/cli/rule-files/compile.ts";
import { ruleSetYaml } from "../../../src/cli/rule-files/to-yaml.ts";
import { parseYaml } from "../../../src/cli/rule-files/yaml-file.ts";
import { type RuleFiles, readRuleFiles } from "../../../src/cli/rule-files.ts";
import { RuleSetItem as WireItem } from "../../../src/gen/concord/predicate/v1/rule_set.ts";
import type { RuleId } from "../../../src/kernel/ids.ts";
import { type WorkflowState, workflowStates } from "../../../src/kernel/lifecycle.ts";
import { positionAt } from "../../../src/predicate/core/position.ts";
import type { Check, Expectation, RuleSetContents, RuleSetItem, RuleVersion } from "../../../src/predicate/core/types.ts";
import { itemToWire } from "../../../src/rpc/convert-rule-set.ts";
import { ruleFolder } from "../../support/rule-folder.ts";
import { contentsOf } from "../../support/rule-values.ts";

const folder = ruleFolder({});
afterAll(() => folder.remove());

function readText(text: string): RuleFiles {
  const path = join(folder.path, "rules.yaml");
  writeFileSync(path, text);
  const files = readRuleFiles([path]);
  if (!files.ok) throw new Error(JSON.stringify(files.error));
  return files.value;
}

/** Whatever a text may have, and what YAML could take for something else. */
const texts = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }).map((text) => text.replaceAll(/\p{Cs}/gu, "")),
  fc.stringMatching(/^[ \n\t#:'"!&*>|{}[\]a-z-]{0,30}$/),
  fc.constantFrom(
    "true",
    "null",
    "~",
    "1e3",
    "0x1F",
    "2026-01-31",
    "<<",
    "- a",
    "a: b",
    "a #b",
    " \n \n",
    "\r\n",
    "x\n",
    '!x && "y"',
    "…\u2028",
    "__proto__",
  ),
);
const required = texts.filter((text) => text !== "");
const optional = fc.oneof(fc.constant(""), texts);
const names = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,12}$/);
const states = fc.constantFrom(...workflowStates);
const anyState = fc.option(states, { nil: undefined });
const times = fc.constantFrom(0, 1, 1_000, 1_700_000_000_123, Date.UTC(2026, 0, 1), Date.UTC(2026, 0, 31, 9, 30));
const json = fc
  .dictionary(texts, fc.jsonValue({ maxDepth: 2, noUnicodeString: false }))
  .map((value) => JSON.parse(JSON.stringify(value)));

const rule = fc.record({
  description: optional,
  operations: fc.constantFrom<RuleVersion["operations"]>(["TRANSITION"], ["TRANSITION", "UPDATE"]),
  moves: fc.array(fc.record({ from: anyState, to: anyState }), { maxLength: 3 }),
  workflowTypes: fc.uniqueArray(names, { maxLength: 2 }),
  condition: optional,
  expression: required,
  message: optional,
  priority: fc.integer({ min: -1000, max: 1000 }),
  action: fc.constantFrom("DENY" as const, "WARN" as const, "AUDIT" as const),
});

const authorship = { version: 1, createdAtMs: 0, createdBy: "" };

const check: fc.Arbitrary<Check> = fc.record({
  workflow: fc.record({
    id: names.map((name) => name as Check["workflow"]["id"]),
    type: fc.oneof(fc.constant(""), names),
    state: states,
    previousState: anyState,
    version: fc.integer({ min: 1, max: 2 ** 40 }),
    retryCount: fc.nat({ max: 9 }),
    createdAtMs: times,
    createdBy: optional,
    updatedAtMs: times,
    updatedBy: optional,
    stateEnteredAtMs: times,
    metadata: json,
  }),
  lastEvent: fc.option(
    fc.record({
      type: fc.constantFrom(undefined, "CREATED" as const, "FAILED" as const),
      fromState: anyState,
      toState: anyState,
      occurredAtMs: times,
      requestedBy: optional,
      reason: optional,
      metadata: json,
    }),
    { nil: undefined },
  ),
  targetState: states as fc.Arbitrary<WorkflowState>,
  reason: optional,
  requestedBy: optional,
  authenticatedAs: optional,
  context: json,
  transaction: fc.record({ id: fc.oneof(fc.constant(""), names), participantIds: fc.uniqueArray(names, { maxLength: 2 }) }),
  atMs: times.filter((atMs) => atMs > 0),
});

/** As a rule set is in which each test could pass. */
const contents: fc.Arbitrary<RuleSetContents> = fc
  .record({
    active: fc.uniqueArray(fc.tuple(names, rule), { maxLength: 4, selector: ([name]) => name }),
    shadow: fc.uniqueArray(fc.tuple(names, rule), { maxLength: 2, selector: ([name]) => name }),
    facts: fc.uniqueArray(
      fc.record({ name: fc.stringMatching(/^[A-Za-z][A-Za-z0-9_]{0,8}$/), description: optional, expression: required }),
      { maxLength: 2, selector: ({ name }) => name },
    ),
    types: fc.uniqueArray(
      fc.record({ name: names, description: optional, metadataSchema: fc.option(json, { nil: undefined }) }),
      { maxLength: 2, selector: ({ name }) => name },
    ),
    tests: fc.uniqueArray(
      fc.record({
        // A name has no control characters.
        name: required.map((text) => text.replaceAll(/\p{Cc}/gu, "_")),
        check,
        verdict: fc.constantFrom<Expectation["verdict"]>("allowed", "rule-denied", "invalid-transition"),
        said: fc.array(optional, { minLength: 4, maxLength: 4 }),
      }),
      { maxLength: 3, selector: ({ name }) => name },
    ),
  })
  .map(({ active, shadow, facts, types, tests }) =>
    contentsOf({
      active: active.map(([id, source]) => ({ ...source, ...authorship, id: id as RuleId })),
      shadow: shadow.map(([id, source]) => ({ ...source, ...authorship, version: 2, id: id as RuleId })),
      facts: facts.map((fact) => ({ ...fact, ...authorship })),
      workflowTypes: types.map((type) => ({ ...type, ...authorship })),
      tests: tests.map(({ name, check: asked, verdict, said }) => {
        const named = active
          .filter(([, { action }]) => verdict !== "invalid-transition" && (action !== "DENY" || verdict === "rule-denied"))
          .toSorted(([a], [b]) => (a < b ? -1 : 1))
          .map(([id], index) => ({ ruleId: id as RuleId, message: said[index] ?? "" }));
        return { name, check: asked, expect: { verdict, violations: named }, ...authorship };
      }),
    }),
  );

const itemsOf = (all: RuleSetContents): readonly RuleSetItem[] => [
  ...all.active.map((each) => ({ kind: "RULE", role: "ACTIVE", rule: each }) as const),
  ...all.shadow.map((each) => ({ kind: "RULE", role: "SHADOW", rule: each }) as const),
  ...all.facts.map((fact) => ({ kind: "FACT", fact }) as const),
  ...all.workflowTypes.map((workflowType) => ({ kind: "WORKFLOW_TYPE", workflowType }) as const),
  ...all.tests.map((each) => ({ kind: "TEST", test: each }) as const),
];

const sorted = <Item>(items: readonly Item[], nameOf: (item: Item) => string) =>
  items.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));

test("a rule set that is written as a rule file and read again is the same", () => {
  fc.assert(
    fc.property(contents, (all) => {
      const text = ruleSetYaml(itemsOf(all).map((item) => WireItem.fromPartial(itemToWire(item))));
      const { contents: read } = compileFiles(readText(text)).ruleSet;
      expect(read.active).toEqual(sorted(all.active, ({ id }) => id));
      expect(read.shadow).toEqual(sorted(all.shadow, ({ id }) => id));
      expect(read.facts).toEqual(sorted(all.facts, ({ name }) => name));
      expect(read.workflowTypes).toEqual(sorted(all.workflowTypes, ({ name }) => name));
      expect(read.tests).toEqual(all.tests);
    }),
  );
});

test("a place in a text is found in the file, in whichever way YAML writes it", () => {
  const styles = fc.constantFrom(
    Scalar.PLAIN,
    Scalar.QUOTE_SINGLE,
    Scalar.QUOTE_DOUBLE,
    Scalar.BLOCK_LITERAL,
    Scalar.BLOCK_FOLDED,
  );
  const words = fc.array(fc.constantFrom("to", "==", "'x'", '"y"', "&&", "\n", "\n  ", "(é)", "😀", "\\d", "#"), {
    minLength: 1,
    maxLength: 20,
  });
  fc.assert(
    fc.property(styles, words, fc.integer({ min: 20, max: 100 }), fc.nat(), (style, parts, lineWidth, at) => {
      const scalar = new Scalar(parts.join(" "));
      scalar.type = style;
      const text = stringify({ rules: [{ expression: scalar }] }, { lineWidth });
      const yaml = parseYaml("a.yaml", text);
      // Not always what was written: the library folds some texts into others.
      const value = (yaml.value as { rules: [{ expression: string }] }).rules[0].expression;
      const offset = at % value.length;
      const character = String.fromCodePoint(value.codePointAt(offset) ?? 0);
      // Blanks are where YAML puts them; in escapes it is another one.
      fc.pre(/[^\s'"\\\p{Cs}]/u.test(character));
      const place = yaml.placeOf(["rules", 0, "expression"], positionAt(value, offset));
      const found = [...place.lineText][place.column - 1];
      expect([character, "\\"]).toContain(found);
    }),
    { numRuns: 500 },
  );
});
