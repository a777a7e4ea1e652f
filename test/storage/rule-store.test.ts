import { join } from "node:path";
import { expect, test } from "vitest";
import { stretchBytesMax, stretchRowsMax } from "../../src/kernel/limits.ts";
import { ok } from "../../src/kernel/result.ts";
import type { Turns } from "../../src/kernel/turns.ts";
import type { RuleStore } from "../../src/predicate/ports.ts";
import { createTurns } from "../../src/runtime/turns.ts";
import { createMemoryRuleStore } from "../../src/storage/memory/rule-store.ts";
import { openSqlite } from "../../src/storage/sqlite/engine.ts";
import { ruleStatements } from "../../src/storage/sqlite/rule-batch.ts";
import { ruleMigrations } from "../../src/storage/sqlite/rule-migrations.ts";
import { openSqliteRuleStore, ruleSchema, sqliteRuleStore } from "../../src/storage/sqlite/rule-store.ts";
import { by, create, engineOver, request } from "../support/engine-values.ts";
import { pausing } from "../support/pausing.ts";
import {
  activation,
  batchOf,
  draft,
  factOf,
  hostile,
  itemOf,
  memberOf,
  requestId,
  ruleId,
  standingOf,
  stored,
  versionOf,
} from "../support/rule-batches.ts";
import { verdictOf } from "../support/rule-values.ts";
import { createStoreWorld, openOnSimulatedDisk, watched } from "../support/simulated-store.ts";
import { storageDir } from "../support/storage-dir.ts";
import { unhurried } from "../support/unhurried.ts";
import { ruleStoreSuite } from "./rule-store-suite.ts";

async function openSqliteRules(path = join(storageDir(), "rules.db"), turns: Turns = pausing()): Promise<RuleStore> {
  const opened = await openSqliteRuleStore({ path, turns });
  if (!opened.ok) throw new Error(opened.error.message);
  return opened.value;
}

ruleStoreSuite("sqlite", openSqliteRules);
ruleStoreSuite("sqlite on a simulated disk", async () =>
  openOnSimulatedDisk(ruleSchema, (engine) => sqliteRuleStore(engine, unhurried)),
);
ruleStoreSuite("memory", async () => createMemoryRuleStore());

// One text of all would be as long as the rule set, and be copied whole to the writer.
test("what a batch writes goes in pieces about as long as what is read at a stretch", async () => {
  const description = "x".repeat(stretchBytesMax / 2);
  const versions = ["a", "b", "c", "d", "e"].map((id) => stored(versionOf(id, 1, { description })));
  const statements = await ruleStatements(batchOf(0, { versions }), () => undefined);
  const long = statements.filter(({ params: [json] }) => json instanceof Uint8Array && json.length > stretchBytesMax / 2);
  expect(long.map(({ expect: wanted }) => wanted?.changes)).toEqual([2, 2, 1]);
});

test("a file that is open already is refused", async () => {
  const path = join(storageDir(), "rules.db");
  const store = await openSqliteRules(path);
  expect(await openSqliteRuleStore({ path, turns: createTurns() })).toMatchObject({ ok: false, error: { type: "locked" } });
  await store.close();
});

test("a file that is opened again has the same rules, and knows its requests", async () => {
  const path = join(storageDir(), "rules.db");
  const look = async (store: RuleStore) => [
    await store.load(),
    await store.contentsAt(1),
    await store.changesAfter({ sequence: 0, limit: 9 }),
    await store.listRules({ afterId: undefined, limit: 9 }),
  ];
  const first = await openSqliteRules(path);
  for (const batch of [activation(0, 1, "a"), activation(1, 2, "b"), draft(2, "c")]) await first.apply(batch);
  const before = await look(first);
  await first.close();
  const second = await openSqliteRules(path);
  expect(await look(second)).toStrictEqual(before);
  await second.close();
});

test("an engine over a file that is opened again judges the same, and knows its requests", async () => {
  const path = join(storageDir(), "rules.db");
  const answers = [];
  for (let round = 0; round < 2; round += 1) {
    const store = await openSqliteRules(path);
    const engine = await engineOver(store);
    answers.push([
      await engine.createRule({ ...create("cold"), request: request("r1") }),
      await engine.activate({ id: ruleId("cold"), ...by, request: request("r2") }),
      await verdictOf(engine),
    ]);
    await store.close();
  }
  expect(answers[1]).toStrictEqual(answers[0]);
  expect(answers[0]?.[2]).toMatchObject({ type: "rule-denied", ruleSetRevision: 1, violations: [{ ruleId: "cold" }] });
});

/** As schema version 1 had it. */
const oldRule = (id: string, state: string) => ({
  id,
  version: 1,
  description: `${hostile}${id}`,
  moves: [{ to: "COMPLETED" }, { from: "ACTIVE" }],
  expression: `'😀' == "${id}"`,
  message: JSON.stringify(hostile),
  priority: 3,
  state,
  createdAtMs: 1_700_000_000_001,
  updatedAtMs: 1_700_000_000_002,
  requestedBy: `lab ${hostile}`,
  reason: `why ${hostile}`,
});

async function oldFile(states: Readonly<Record<string, string>>, revision: number): Promise<string> {
  const path = join(storageDir(), "rules.db");
  const opened = await openSqlite({ path, kind: "rules", migrations: ruleMigrations.slice(0, 1) });
  if (!opened.ok) throw new Error(opened.error.message);
  const rows = Object.entries(states).map(([id, state]) => ({
    sql: "INSERT INTO rules (rule, state, id, version) VALUES (?, ?, ?, ?)",
    params: [JSON.stringify(oldRule(id, state)), state, id, 1],
  }));
  const answers = ["DRAFT", "ACTIVE"].map((state, index) => ({
    sql: "INSERT INTO answers (request_id, digest, rule, revision, at_ms) VALUES (?, ?, ?, ?, ?)",
    params: [`r${index}`, `d${index}`, JSON.stringify(oldRule("b", state)), index, 10 + index],
  }));
  const applied = await opened.value.apply([
    ...rows,
    ...answers,
    { sql: "UPDATE rule_set SET revision = ?", params: [revision] },
  ]);
  expect(applied.ok).toBe(true);
  await opened.value.close();
  return path;
}

const carriedVersion = (id: string) => ({
  id,
  version: 1,
  description: `${hostile}${id}`,
  moves: [
    { from: undefined, to: "COMPLETED" },
    { from: "ACTIVE", to: undefined },
  ],
  operations: ["TRANSITION"],
  workflowTypes: [],
  condition: "",
  expression: `'😀' == "${id}"`,
  message: JSON.stringify(hostile),
  priority: 3,
  action: "DENY",
  createdAtMs: 1_700_000_000_001,
  createdBy: `lab ${hostile}`,
});

const carriedStanding = (id: string, state: string) => ({
  id,
  state,
  latestVersion: 1,
  activeVersion: state === "ACTIVE" ? 1 : undefined,
  shadowVersion: undefined,
  hasJudged: state !== "DRAFT",
  updatedAtMs: 1_700_000_000_002,
  requestedBy: `lab ${hostile}`,
  reason: `why ${hostile}`,
});

test("rules of schema version 1 are carried over, with their revision and answers, as the first entry of the history", async () => {
  const states = { b: "ACTIVE", a: "DRAFT", d: "DEPRECATED", c: "INACTIVE", e: "ACTIVE" };
  const store = await openSqliteRules(await oldFile(states, 7));
  const ids = ["a", "b", "c", "d", "e"] as const;
  const { contents, ...loaded } = await store.load();
  expect(loaded).toStrictEqual({ sequence: 1, idleRuleCount: 3 });
  expect(contents).toMatchObject({ revision: 7, shadow: [], facts: [], workflowTypes: [], tests: [] });
  expect(contents.active).toStrictEqual(["b", "e"].map(carriedVersion));
  expect(await store.contentsAt(7)).toStrictEqual(contents);
  // Nobody knows what it was.
  expect(await store.contentsAt(6)).toBeUndefined();
  expect((await store.listRules({ afterId: undefined, limit: 9 })).rows).toStrictEqual(
    ids.map((id) => ({ version: carriedVersion(id), standing: carriedStanding(id, states[id]) })),
  );
  expect((await store.changesAfter({ sequence: 0, limit: 9 })).rows).toStrictEqual([
    {
      sequence: 1,
      revision: 7,
      kind: "IMPORTED",
      changedAtMs: expect.closeTo(Date.now(), -5),
      requestedBy: "concord",
      reason: "These rules are older than the history.",
      differences: ids.map((id) => ({
        before: undefined,
        after: { kind: "RULE", role: states[id] === "ACTIVE" ? "ACTIVE" : "DRAFT", rule: carriedVersion(id) },
      })),
    },
  ]);
  for (const [index, state] of ["DRAFT", "ACTIVE"].entries()) {
    expect(await store.answer(requestId(`r${index}`))).toStrictEqual({
      digest: `d${index}`,
      atMs: 10 + index,
      ruleSetRevision: index,
      rule: { version: carriedVersion("b"), standing: carriedStanding("b", state) },
      changeSequence: undefined,
    });
  }
  const neverUsed = await Promise.all(ids.map((id) => store.versionsNeverUsed(ruleId(id))));
  expect(neverUsed).toStrictEqual([[1], [], [], [], []]);
  // They go on as any others.
  const deactivation = batchOf(1, {
    revision: 8,
    differences: [{ before: itemOf(contents.active[0] ?? versionOf(""), "ACTIVE"), after: undefined }],
    standings: [standingOf("b", { state: "INACTIVE", hasJudged: true })],
    membersRemoved: [memberOf(versionOf("b"))],
  });
  expect(await store.apply(deactivation)).toEqual(ok(undefined));
  expect((await store.changesBefore({ sequence: undefined, name: "b", limit: 1 })).rows).toStrictEqual([deactivation.change]);
  expect((await store.load()).contents.active.map(({ id }) => id)).toStrictEqual(["e"]);
  expect(await store.purge({ olderThanMs: 11, limit: 9 })).toEqual(ok(1));
  await store.close();
});

test("rules of schema version 2 are whose who has written their first version", async () => {
  const path = join(storageDir(), "rules.db");
  const opened = await openSqlite({ path, kind: "rules", migrations: ruleMigrations.slice(0, 2) });
  if (!opened.ok) throw new Error(opened.error.message);
  const before = sqliteRuleStore(opened.value, unhurried);
  const written = (id: string, version: number, createdAs?: string) => {
    const rule = versionOf(id, version, createdAs === undefined ? {} : { createdAs });
    return { differences: [{ before: undefined, after: itemOf(rule, "DRAFT") }], versions: [stored(rule)] };
  };
  const gone = { differences: [{ before: itemOf(versionOf("c"), "DRAFT"), after: undefined }], removedRules: [ruleId("c")] };
  const batches = [
    { ...written("a", 1, "ada"), standings: [standingOf("a")] },
    {
      ...written("a", 2, "eve"),
      standings: [standingOf("a", { latestVersion: 2 })],
      removedVersions: [{ id: ruleId("a"), version: 1 }],
    },
    { ...written("b", 1), standings: [standingOf("b")] },
    { ...written("b", 2, "ada"), standings: [standingOf("b", { latestVersion: 2 })] },
    { ...written("c", 1, "ada"), standings: [standingOf("c")] },
    gone,
    { ...written("c", 1, "eve"), standings: [standingOf("c")] },
    // What has the name of a rule is none.
    { versions: ["a", "b"].map((name) => stored({ ...factOf(name), ...{ createdAs: "eve" } })) },
  ];
  for (const [index, batch] of batches.entries()) expect(await before.apply(batchOf(index, batch))).toEqual(ok(undefined));
  await before.close();
  const store = await openSqliteRules(path);
  expect(await Promise.all(["ada", "eve"].map((principal) => store.countCreatedAs(principal)))).toEqual([1, 1]);
  expect((await store.rule(ruleId("a"), undefined))?.standing).toStrictEqual(
    standingOf("a", { latestVersion: 2, createdAs: "ada" }),
  );
  expect((await store.rule(ruleId("b"), undefined))?.standing).toStrictEqual(standingOf("b", { latestVersion: 2 }));
  expect((await store.load()).idleRuleCount).toBe(3);
  await store.close();
});

test("a rule that was active in schema version 1 judges, and one that was not can be", async () => {
  const store = await openSqliteRules(await oldFile({ a: "ACTIVE", b: "INACTIVE" }, 3));
  const engine = await engineOver(store);
  const deniedBy = async () => {
    const verdict = await verdictOf(engine);
    return verdict?.type === "rule-denied" ? [verdict.ruleSetRevision, ...verdict.violations.map(({ ruleId }) => ruleId)] : [];
  };
  expect(await deniedBy()).toStrictEqual([3, "a"]);
  expect(await engine.activate({ id: ruleId("b"), ...by })).toMatchObject({ ok: true });
  expect(await deniedBy()).toStrictEqual([4, "a", "b"]);
  expect(await engine.rollback({ revision: 3, dryRun: false, ...by })).toMatchObject({ ok: true });
  expect(await deniedBy()).toStrictEqual([5, "a"]);
  await store.close();
});

test("a file of schema version 1 without rules has no history", async () => {
  const store = await openSqliteRules(await oldFile({}, 0));
  expect(await store.load()).toMatchObject({ contents: { revision: 0, active: [] }, sequence: 0, idleRuleCount: 0 });
  expect(await store.contentsAt(0)).toMatchObject({ revision: 0 });
  await store.close();
});

/** So many rules of this length in one change. */
const manyRules = (count: number, length: number) => {
  const rules = Array.from({ length: count }, (_, index) =>
    versionOf(`rule-${String(index).padStart(4, "0")}`, 1, { expression: "x".repeat(length) }),
  );
  return batchOf(0, {
    revision: 1,
    differences: rules.map((rule) => ({ before: undefined, after: itemOf(rule, "ACTIVE") })),
    versions: rules.map(stored),
    standings: rules.map(({ id }) => standingOf(id, { state: "ACTIVE", activeVersion: 1, hasJudged: true })),
    membersAdded: rules.map((rule) => memberOf(rule)),
  });
};

test.each([
  ["many", 1_000, 10, 1_000 / stretchRowsMax],
  ["long", 200, 16_000, (200 * 16_000) / stretchBytesMax],
])("%s rules are written and read with turns for others", async (_, count, length, stretches) => {
  let asked = 0;
  const store = await openSqliteRules(undefined, () => () => {
    asked += 1;
    return undefined;
  });
  const askedFor = async <Value>(work: () => Promise<Value>): Promise<Value> => {
    asked = 0;
    const value = await work();
    expect(asked).toBeGreaterThanOrEqual(Math.floor(stretches));
    return value;
  };
  const batch = manyRules(count, length);
  expect(await askedFor(() => store.apply(batch))).toEqual(ok(undefined));
  const rules = batch.versions.map((version) => version.kind === "RULE" && version.rule);
  expect((await askedFor(() => store.load())).contents.active).toStrictEqual(rules);
  expect((await askedFor(() => store.contentsAt(1)))?.active).toStrictEqual(rules);
  expect((await askedFor(() => store.changesAfter({ sequence: 0, limit: 1 }))).rows).toStrictEqual([batch.change]);
  const { rows, upTo } = await store.listRules({ afterId: undefined, limit: 1_000 });
  expect(rows.length).toBeLessThan(count);
  expect(upTo).toBe(rows.at(-1)?.version.id);
  await store.close();
});

test("a rule set is read as it was when it was asked for, though all of it goes meanwhile", async () => {
  let meanwhile: (() => Promise<void>) | undefined;
  const store = await openSqliteRules(undefined, () => () => {
    const run = meanwhile;
    meanwhile = undefined;
    return run?.();
  });
  const batch = manyRules(300, 10);
  await store.apply(batch);
  const before = await store.load();
  meanwhile = async () => {
    const removal = {
      revision: 2,
      removedRules: before.contents.active.map(({ id }) => id),
      membersRemoved: batch.membersAdded,
    };
    expect(await store.apply(batchOf(1, removal))).toEqual(ok(undefined));
  };
  expect(await store.load()).toStrictEqual(before);
  expect(await store.load()).toMatchObject({ contents: { revision: 2, active: [] }, sequence: 2 });
  expect(await store.contentsAt(1)).toStrictEqual(before.contents);
  expect(await store.rule(ruleId("rule-0000"), undefined)).toBeUndefined();
  await store.close();
});

test("a long change ends its stretch of the history", async () => {
  const store = await openSqliteRules();
  await store.apply(manyRules(40, 16_000));
  await store.apply(draft(1, "a"));
  const first = await store.changesAfter({ sequence: 0, limit: 2 });
  expect(first.rows.map(({ sequence }) => sequence)).toStrictEqual([1]);
  expect(first.upTo).toBe(1);
  expect(await store.changesAfter({ sequence: 1, limit: 2 })).toMatchObject({ rows: [{ sequence: 2 }], upTo: undefined });
  await store.close();
});

test("who waits for changes is told of those whose write has failed though it is durable", async () => {
  const world = createStoreWorld(ruleSchema, { fault: "commit fails, durable" });
  const store = sqliteRuleStore(world.open().engine, unhurried);
  const told: number[] = [];
  store.onChange((sequence) => told.push(sequence));
  const failed = [];
  for (const [sequence, id] of ["a", "b"].entries()) {
    failed.push(watched(store.apply(draft(sequence, id))));
    await world.pass(100);
  }
  expect(failed.map(({ value }) => value)).toMatchObject(failed.map(() => ({ ok: false, error: { outcomeUnknown: true } })));
  // While the store cannot be written, what can be read is told.
  expect(told).toEqual([1]);
  world.calm();
  await world.pass(30_000);
  expect(told).toEqual([1, 2]);
});

test("who waits for changes is told to look when it cannot be read what was written", async () => {
  const world = createStoreWorld(ruleSchema, { fault: "commit fails, durable" });
  const store = sqliteRuleStore(world.open().engine, unhurried);
  const told: number[] = [];
  store.onChange((sequence) => told.push(sequence));
  world.failReads();
  await world.until(store.apply(draft(0, "a")));
  expect(told).toEqual([0]);
});
