import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { RuleRole, RuleSetChange, RuleSetContents, RuleSetItem, RuleState } from "../../../src/predicate/core/types.ts";
import type { Engine } from "../../../src/predicate/engine.ts";
import type { RuleStore } from "../../../src/predicate/ports.ts";
import { createTurns } from "../../../src/runtime/turns.ts";
import { createMemoryRuleStore } from "../../../src/storage/memory/rule-store.ts";
import { openSqliteRuleStore } from "../../../src/storage/sqlite/rule-store.ts";
import { applying, by, create, described, engineOver, fact, id, testOf } from "../../support/engine-values.ts";
import { storageDir } from "../../support/storage-dir.ts";

const names = fc.constantFrom("a", "b", "c");
const texts = fc.constantFrom("true", "false", "facts.f", "facts.g && true");
const factNames = fc.constantFrom("f", "g");
const factTexts = fc.constantFrom("true", "1 < 2", "facts.f");
const versions = fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined });
const roles = fc.constantFrom<RuleRole>("ACTIVE", "SHADOW", "DRAFT");
const verdicts = fc.constantFrom("allowed" as const, "rule-denied" as const);

const commands = fc.oneof(
  fc.record({ do: fc.constantFrom("create" as const, "update" as const), name: names, text: texts }),
  fc.record({ do: fc.constantFrom("activate" as const, "shadow" as const), name: names, version: versions }),
  fc.record({ do: fc.constantFrom("deactivate" as const, "deprecate" as const, "delete" as const), name: names }),
  fc.record({ do: fc.constant("set fact" as const), name: factNames, text: factTexts }),
  fc.record({ do: fc.constant("set test" as const), name: names, verdict: verdicts }),
  fc.record({ do: fc.constant("delete item" as const), name: fc.oneof(names, factNames) }),
  fc.record({
    do: fc.constant("apply" as const),
    rules: fc.uniqueArray(fc.record({ name: names, text: texts, role: roles }), {
      maxLength: 4,
      selector: ({ name, role }) => `${name} ${role === "ACTIVE"}`,
    }),
    facts: fc.uniqueArray(fc.record({ name: factNames, text: factTexts }), { selector: ({ name }) => name }),
    tests: fc.uniqueArray(fc.record({ name: names, verdict: verdicts }), { maxLength: 1, selector: ({ name }) => name }),
    dryRun: fc.boolean(),
  }),
  fc.record({ do: fc.constant("roll back" as const), revision: fc.integer({ min: 0, max: 8 }), dryRun: fc.boolean() }),
);

type Command = typeof commands extends fc.Arbitrary<infer Value> ? Value : never;

/** What a rule set says: of each name the version and the text. */
type Said = {
  readonly active: Readonly<Record<string, string>>;
  readonly shadow: Readonly<Record<string, string>>;
  readonly facts: Readonly<Record<string, string>>;
  readonly tests: Readonly<Record<string, string>>;
};

/** `texts[0]` is version 1. */
type ModelRule = { texts: string[]; active: number | undefined; shadow: number | undefined; judged: boolean; givenUp: boolean };

const without = <Value>(record: Readonly<Record<string, Value>>, name: string): Record<string, Value> =>
  Object.fromEntries(Object.entries(record).filter(([key]) => key !== name));

/** Maps of names, told only of what the engine has accepted. */
function createModel() {
  const rules = new Map<string, ModelRule>();
  let items: Pick<Said, "facts" | "tests"> = { facts: {}, tests: {} };
  /** Of items, all texts that there ever were. */
  const latest = new Map<string, number>();
  const of = (role: "active" | "shadow") =>
    Object.fromEntries(
      [...rules].flatMap(([name, rule]) => {
        const version = rule[role];
        return version === undefined ? [] : [[name, `${version} ${rule.texts[version - 1]}`]];
      }),
    );
  const said = (): Said => ({ active: of("active"), shadow: of("shadow"), ...items });
  const revisions: Said[] = [said()];

  function ruleNamed(name: string): ModelRule {
    const rule = rules.get(name) ?? { texts: [], active: undefined, shadow: undefined, judged: false, givenUp: false };
    rules.set(name, rule);
    return rule;
  }

  function itemFor(place: "facts" | "tests", name: string, text: string): string {
    const before = items[place][name];
    if (before !== undefined && before.slice(before.indexOf(" ") + 1) === text) return before;
    const version = (latest.get(`${place} ${name}`) ?? 0) + 1;
    latest.set(`${place} ${name}`, version);
    return `${version} ${text}`;
  }

  /** A version that says this: one that is near, the newest, or a new one. */
  function versionFor({ texts }: ModelRule, near: readonly (number | undefined)[], text: string): number {
    const known = [texts.length, ...near].find((version) => version !== undefined && texts[version - 1] === text);
    if (known !== undefined) return known;
    if (texts.includes(text)) return texts.lastIndexOf(text) + 1;
    return texts.push(text);
  }

  function apply({ rules: wanted, facts, tests }: Command & { do: "apply" }): void {
    const before = new Map([...rules].map(([name, { active, shadow }]) => [name, [active, shadow]]));
    for (const rule of rules.values()) [rule.active, rule.shadow] = [undefined, undefined];
    for (const role of ["ACTIVE", "SHADOW", "DRAFT"]) {
      for (const { name, text } of wanted.filter((each) => each.role === role)) {
        const rule = ruleNamed(name);
        const version = versionFor(rule, before.get(name) ?? [], text);
        if (role === "ACTIVE") rule.active = version;
        if (role === "SHADOW") rule.shadow = version;
        rule.givenUp = false;
      }
    }
    items = {
      facts: Object.fromEntries(facts.map(({ name, text }) => [name, itemFor("facts", name, text)])),
      tests: Object.fromEntries(tests.map(({ name, verdict }) => [name, itemFor("tests", name, verdict)])),
    };
  }

  function rollBack({ active, shadow, facts, tests }: Said): void {
    const versionIn = (text: string | undefined) => (text === undefined ? undefined : Number.parseInt(text, 10));
    for (const [name, rule] of rules) {
      [rule.active, rule.shadow] = [versionIn(active[name]), versionIn(shadow[name])];
      rule.givenUp &&= rule.active === undefined && rule.shadow === undefined;
    }
    items = { facts, tests };
  }

  function carryOut(command: Command): void {
    const place = "name" in command && isFact(command.name) ? "facts" : "tests";
    switch (command.do) {
      case "apply":
        if (!command.dryRun) apply(command);
        return;
      case "roll back":
        if (!command.dryRun) rollBack(revisions[command.revision] as Said);
        return;
      case "set fact":
      case "set test": {
        const text = command.do === "set fact" ? command.text : command.verdict;
        items = { ...items, [place]: { ...items[place], [command.name]: itemFor(place, command.name, text) } };
        return;
      }
      case "delete item":
        items = { ...items, [place]: without(items[place], command.name) };
        return;
      case "delete":
        rules.delete(command.name);
        return;
      default:
        changeRule(ruleNamed(command.name), command);
    }
  }

  function changeRule(rule: ModelRule, command: Command): void {
    const newest = rule.texts.length;
    if (command.do === "create" || command.do === "update") {
      if (rule.texts.at(-1) !== command.text) rule.texts.push(command.text);
      rule.givenUp = false;
    }
    if (command.do === "activate") {
      rule.active = command.version ?? newest;
      if (rule.shadow === rule.active) rule.shadow = undefined;
    }
    if (command.do === "shadow") rule.shadow = command.version;
    if (command.do === "deactivate") rule.active = undefined;
    if (command.do === "deprecate") rule.givenUp = true;
  }

  return {
    revisions,
    carryOut(command: Command): void {
      carryOut(command);
      for (const rule of rules.values()) rule.judged ||= rule.active !== undefined || rule.shadow !== undefined;
      if (JSON.stringify(sorted(said())) !== JSON.stringify(sorted(revisions.at(-1)))) revisions.push(said());
    },
    rules: () => [...rules].map(([name, rule]) => [name, stateOf(rule), rule.texts.length]).sort(),
  };
}

const sorted = (said: Said | undefined) =>
  Object.values(said ?? {}).map((part: Readonly<Record<string, string>>) => Object.entries(part).sort());

function stateOf({ active, shadow, givenUp, judged }: ModelRule): RuleState {
  if (active !== undefined) return "ACTIVE";
  if (shadow !== undefined) return "SHADOW";
  return givenUp ? "DEPRECATED" : judged ? "INACTIVE" : "DRAFT";
}

const isFact = (name: string): boolean => name === "f" || name === "g";

async function run(engine: Engine, command: Command): Promise<boolean> {
  const outcome = await outcomeOf(engine, command);
  return outcome.ok;
}

function outcomeOf(engine: Engine, command: Command) {
  switch (command.do) {
    case "create":
      return engine.createRule(create(command.name, { expression: command.text }));
    case "update":
      return engine.updateRule(create(command.name, { expression: command.text }));
    case "activate":
      return engine.activate({ id: id(command.name), version: command.version, ...by });
    case "shadow":
      return engine.shadow({ id: id(command.name), version: command.version, ...by });
    case "deactivate":
      return engine.deactivate({ id: id(command.name), ...by });
    case "deprecate":
      return engine.deprecate({ id: id(command.name), ...by });
    case "delete":
      return engine.deleteRule({ id: id(command.name), ...by });
    case "set fact":
      return engine.setItem(fact(command.name, command.text), by);
    case "set test":
      return engine.setItem({ kind: "TEST", test: testOf(command.name, command.verdict) }, by);
    case "delete item":
      return engine.deleteItem({ kind: isFact(command.name) ? "FACT" : "TEST", name: command.name, ...by });
    case "apply": {
      const rules = command.rules.map(({ name, text, role }) => described(name, { expression: text }, role));
      const facts = command.facts.map(({ name, text }) => fact(name, text).fact);
      const tests = command.tests.map(({ name, verdict }) => testOf(name, verdict));
      return engine.apply(applying({ rules, facts, tests, dryRun: command.dryRun }));
    }
    case "roll back":
      return engine.rollback({ revision: command.revision, dryRun: command.dryRun, ...by });
  }
}

function saidBy(contents: RuleSetContents | undefined): Said | undefined {
  if (contents === undefined) return undefined;
  const { active, shadow, facts, tests } = contents;
  return {
    active: Object.fromEntries(active.map((rule) => [rule.id, `${rule.version} ${rule.expression}`])),
    shadow: Object.fromEntries(shadow.map((rule) => [rule.id, `${rule.version} ${rule.expression}`])),
    facts: Object.fromEntries(facts.map(({ name, version, expression }) => [name, `${version} ${expression}`])),
    tests: Object.fromEntries(tests.map(({ name, version, expect }) => [name, `${version} ${expect.verdict}`])),
  };
}

const nameOf = (item: RuleSetItem): string =>
  item.kind === "RULE" ? item.rule.id : item.kind === "FACT" ? item.fact.name : item.kind === "TEST" ? item.test.name : "";

/** What a reader of the history knows, who has seen nothing else. */
function replay(changes: readonly RuleSetChange[], check: (revision: number, members: ReadonlyMap<string, RuleSetItem>) => void) {
  const members = new Map<string, RuleSetItem>();
  const newest = new Map<string, RuleSetItem & { readonly kind: "RULE" }>();
  let revision = 0;
  for (const [index, change] of changes.entries()) {
    expect(change.sequence).toBe(index + 1);
    expect(change.differences).not.toHaveLength(0);
    const drafts = new Map(newest);
    let judges = false;
    for (const { before, after } of change.differences) {
      const item = after ?? before;
      if (item === undefined) throw new Error("a difference of nothing");
      const name = nameOf(item);
      if (item.kind === "RULE" && item.role === "DRAFT") {
        const known = drafts.get(name);
        expect(before).toEqual(known && { ...known, role: "DRAFT" });
        if (after?.kind === "RULE") newest.set(name, after);
        else newest.delete(name);
        continue;
      }
      judges = true;
      const key = `${item.kind} ${item.kind === "RULE" ? item.role : ""} ${name}`;
      expect(before).toEqual(members.get(key));
      expect(after).not.toEqual(before);
      if (after === undefined) members.delete(key);
      else members.set(key, after);
      if (after?.kind === "RULE" && after.rule.version > (newest.get(name)?.rule.version ?? 0)) newest.set(name, after);
    }
    revision += judges ? 1 : 0;
    expect(change.revision).toBe(revision);
    check(revision, members);
  }
  return { members, newest };
}

const itemsOf = ({ active, shadow, facts, tests }: RuleSetContents): readonly RuleSetItem[] => [
  ...active.map((rule): RuleSetItem => ({ kind: "RULE", role: "ACTIVE", rule })),
  ...shadow.map((rule): RuleSetItem => ({ kind: "RULE", role: "SHADOW", rule })),
  ...facts.map((each): RuleSetItem => ({ kind: "FACT", fact: each })),
  ...tests.map((each): RuleSetItem => ({ kind: "TEST", test: each })),
];

const byText = (items: Iterable<RuleSetItem>): readonly string[] => [...items].map((item) => JSON.stringify(item)).sort();

async function openSqlite(): Promise<RuleStore> {
  const opened = await openSqliteRuleStore({ path: join(storageDir(), "rules.db"), turns: createTurns() });
  if (!opened.ok) throw new Error(opened.error.message);
  return opened.value;
}

test.each([
  ["memory", async () => createMemoryRuleStore(), 300],
  ["sqlite", openSqlite, 10],
] as const)(
  "after any changes in a %s store, each revision is what it was, and its history replays to it",
  async (_name, open, numRuns) => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(commands, fc.boolean()), { maxLength: 30, size: "max" }), async (all) => {
        const store = await open();
        const [one, other] = [await engineOver(store), await engineOver(store)];
        const model = createModel();
        for (const [command, isOther] of all) {
          const engine = isOther ? other : one;
          if (await run(engine, command)) model.carryOut(command);
          expect(engine.ruleSetRevision()).toBe(model.revisions.length - 1);
        }
        const contents = await Promise.all(model.revisions.map((_, revision) => store.contentsAt(revision)));
        expect(contents.map(saidBy)).toEqual(model.revisions);
        const rules = (await one.listRules({ afterId: undefined, limit: 100 })).rows;
        expect(rules.map(({ standing }) => [standing.id, standing.state, standing.latestVersion])).toEqual(model.rules());

        const history = (await store.changesAfter({ sequence: 0, limit: 1000 })).rows;
        const known = replay(history, (revision, members) => {
          expect(byText(members.values())).toEqual(byText(itemsOf(contents[revision] as RuleSetContents)));
        });
        expect([...known.newest.values()].map(({ rule }) => [rule.id, rule.version]).sort()).toEqual(
          rules.map(({ version }) => [version.id, version.version]),
        );
        const reopened = await engineOver(store);
        expect(await reopened.contents()).toEqual(contents.at(-1));
        await store.close();
      }),
      { numRuns },
    );
  },
);
