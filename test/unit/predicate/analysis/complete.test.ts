import { expect, test } from "vitest";
import type { Json } from "../../../../src/kernel/json.ts";
import { bindingsOf } from "../../../../src/predicate/core/bindings.ts";
import { evaluateBool } from "../../../../src/predicate/core/evaluate.ts";
import { analyse, analysedRule } from "../../../support/analysed-rules.ts";
import { checkOf } from "../../../support/rule-values.ts";

// What the analysis says is so for all data: test/property/predicate/analysis.test.ts. Of these conditions it also says all that is so.

const a = "workflow.metadata.a";
const atoms = [
  ...[`has(${a})`, a, `${a} == 1`, `${a} < 2`, `3 <= ${a}`, `${a} == 'x'`, `${a} > 'x'`, `${a} <= 'x'`, `${a} in [1, 'x', '3']`],
  ...[`${a} != true`, `${a} == null`, `${a}.b == 1`],
];
const looked = atoms.flatMap((atom) => [atom, `!(${atom})`]);
const conditions = [...looked, `has(${a}.b)`];
/** Some of them, and some that are turned round. */
const few = looked.filter((_, at) => at % 5 === 0);

const values: readonly (Json | undefined)[] = [
  ...[undefined, 0, 1, 2, 2.5, 3, 4, "", "3", "x", "y", true, false, null],
  ...[[], [1], {}, { b: 1 }, { b: 2 }, { b: null }],
];
const bindings = values.map((value) => bindingsOf(checkOf({ workflow: { metadata: value === undefined ? {} : { a: value } } })));

/** What it comes to, of each of the values; undefined: it fails. */
type Outcomes = readonly (boolean | undefined)[];

const outcomes = new Map<string, Outcomes>(
  conditions.map((condition) => {
    const { expression } = analysedRule({ expression: condition });
    const found = bindings.map((each) => evaluateBool(expression, each)).map((each) => (each.ok ? each.value : undefined));
    return [condition, found];
  }),
);
const outcomesOf = (condition: string): Outcomes => outcomes.get(condition) ?? [];

const pairs = conditions.flatMap((one, at) => conditions.slice(at + 1).map((other) => [one, other] as const));

const typesOf = (...expressions: readonly string[]): readonly string[] =>
  analyse(expressions.map((expression) => ({ expression }))).map(({ type }) => type);

/** What is to be said of a rule that comes to this. */
function expected(found: Outcomes): readonly string[] {
  if (!found.includes(true)) return ["never-holds"];
  return found.every((each) => each === true) ? ["never-denies"] : [];
}

const aboutOne = new Set(["never-holds", "never-denies"]);

test("joined by && and ||, whether they can hold, and whether they can fail to", () => {
  const wrong: unknown[] = [];
  for (const [one, other] of pairs) {
    const [first, second] = [outcomesOf(one), outcomesOf(other)];
    const both = first.map((left, at) => (left && second[at]) || (left === false || second[at] === false ? false : undefined));
    const either = first.map((left, at) => left || second[at] || (left === false && second[at] === false ? false : undefined));
    for (const [source, found] of [
      [`${one} && ${other}`, both],
      [`${one} || ${other}`, either],
    ] as const) {
      const said = typesOf(source).filter((type) => aboutOne.has(type));
      if (said.join() !== expected(found).join()) wrong.push([source, said, expected(found)]);
    }
  }
  expect(wrong).toEqual([]);
});

test("chosen by another one, and turned round", () => {
  const wrong: unknown[] = [];
  for (const condition of few) {
    for (const yes of few) {
      for (const no of few) {
        const chosen = outcomesOf(condition).map((each, at) =>
          each === undefined ? undefined : (each ? outcomesOf(yes) : outcomesOf(no))[at],
        );
        const turned = chosen.map((each) => (each === undefined ? undefined : !each));
        for (const [source, found] of [
          [`${condition} ? ${yes} : ${no}`, chosen],
          [`!(${condition} ? ${yes} : ${no})`, turned],
        ] as const) {
          const said = typesOf(source).filter((type) => aboutOne.has(type));
          if (said.join() !== expected(found).join()) wrong.push([source, said, expected(found)]);
        }
      }
    }
  }
  expect(wrong).toEqual([]);
});

test("of two rules, whether they forbid all together, and whether one denies what the other denies", () => {
  const wrong: unknown[] = [];
  for (const [one, other] of pairs) {
    const [first, second] = [outcomesOf(one), outcomesOf(other)];
    if ([first, second].some((found) => expected(found).length > 0)) continue;
    const meet = first.some((left, at) => left === true && second[at] === true);
    const narrow = first.every((left, at) => left === true || second[at] !== true);
    const broad = second.every((right, at) => right === true || first[at] !== true);
    const found = !meet ? "forbid-together" : narrow && broad ? "same" : narrow || broad ? "shadowed" : "";
    const said = typesOf(one, other).join();
    if (said !== found) wrong.push([one, other, said, found]);
  }
  expect(wrong).toEqual([]);
});

test("which parts are evaluated for some data", () => {
  const wrong: unknown[] = [];
  for (const one of few) {
    for (const other of conditions) {
      const [first, second] = [outcomesOf(one), outcomesOf(other)];
      const there = outcomesOf(`has(${a})`);
      for (const [operator, decides] of [
        ["&&", false],
        ["||", true],
      ] as const) {
        // Both sides of what is looked at, and what comes behind these.
        const source = `has(${a}) && (${one} && (${other} ${operator} workflow.metadata.last))`;
        const isReached = there.some((each, at) => each && first[at] !== false && second[at] !== decides);
        const column = source.indexOf("workflow.metadata.last") + 1;
        const unreachable = analyse([{ expression: source }]).filter(({ type }) => type === "unreachable");
        const isNamed = unreachable.some(({ place }) => place !== undefined && place.position.column <= column);
        if (isNamed === isReached && there.some((each, at) => each && first[at] !== false)) wrong.push([source, isReached]);
      }
    }
  }
  expect(wrong).toEqual([]);
});
