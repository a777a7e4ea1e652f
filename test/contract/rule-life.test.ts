import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { createProtoClient, type Message, type ProtoClient, struct } from "../support/proto-client.ts";

// The life of rules, as a client in another language sees it.

const data = temporaryFolder();
let server: TestServer;
let client: ProtoClient;

const by = { reason: "a test", requested_by: "ada" };
const rules = (rpc: string, request: Message = {}) => client.call(`PredicateLogic/${rpc}`, request);
const change = (rpc: string, request: Message = {}) => rules(rpc, { ...request, ...by });
const refused = (rpc: string, request: Message) => client.failure(`PredicateLogic/${rpc}`, { ...request, ...by });

async function restart(): Promise<void> {
  client?.close();
  await server?.stop();
  server = await startServer({ dataDir: data.path });
  client = createProtoClient(server.address);
}

beforeAll(restart);

afterAll(async () => {
  client.close();
  await server.stop();
  data.remove();
});

const ACTIVE = "WORKFLOW_STATE_ACTIVE";

/** Whether a sample of this temperature may be completed, and who says what. */
async function verdictAt(celsius: number, changes: Message = {}): Promise<Message> {
  const workflow = { workflow_id: "w", state: ACTIVE, version: 2, metadata: struct({ celsius }), ...changes };
  const { verdict } = await rules("ValidateTransition", { check: { workflow, target_state: "WORKFLOW_STATE_COMPLETED" } });
  const idsOf = (violations: readonly Message[]) => violations.map(({ rule_id, message }) => `${rule_id}: ${message}`);
  const { violations, warnings, audits, shadows } = verdict;
  return { denied: idsOf(violations), warned: idsOf(warnings), audited: idsOf(audits), shadows };
}

const quiet = { denied: [], warned: [], audited: [], shadows: [] };

/** Each test has rules of its own. */
const clear = () => change("ApplyRuleSet");

const historyOf = async (name: string): Promise<readonly string[]> =>
  (await rules("ListRuleSetChanges", { name })).changes.map(({ kind }: Message) => kind.replace("RULE_SET_CHANGE_KIND_", ""));

test("a rule is written, tried in shadow, activated, corrected, given up and taken back; its history says so, after a restart too", async () => {
  const cold = (limit: number) => ({ rule_id: "cold", expression: `workflow.metadata.celsius < ${limit}.0`, message: "'warm'" });
  await change("CreateRule", cold(8));
  expect(await verdictAt(9)).toEqual(quiet);
  await change("ShadowRule", { rule_id: "cold", version: 1 });
  expect(await verdictAt(9)).toMatchObject({
    denied: [],
    shadows: [{ rule_id: "cold", shadow_version: 1, active_version: 0, holds: false, message: "warm" }],
  });
  await change("ActivateRule", { rule_id: "cold" });
  expect(await verdictAt(9)).toMatchObject({ denied: ["cold: warm"], shadows: [] });
  await change("UpdateRule", cold(10));
  expect(await verdictAt(9)).toMatchObject({ denied: ["cold: warm"] });
  await change("ShadowRule", { rule_id: "cold", version: 2 });
  expect(await verdictAt(9)).toMatchObject({ denied: ["cold: warm"], shadows: [{ shadow_version: 2, holds: true }] });
  await change("ActivateRule", { rule_id: "cold", version: 2 });
  expect(await verdictAt(9)).toEqual(quiet);
  await change("ActivateRule", { rule_id: "cold", version: 1 });
  expect((await rules("GetRule", { rule_id: "cold" })).rule).toMatchObject({ version: 2, active_version: 1, latest_version: 2 });
  expect(await refused("DeprecateRule", { rule_id: "cold" })).toMatchObject({ reason: "RULE_STATE" });
  await change("DeactivateRule", { rule_id: "cold" });
  await change("DeprecateRule", { rule_id: "cold" });
  expect(await refused("ActivateRule", { rule_id: "cold" })).toMatchObject({ metadata: { state: "DEPRECATED" } });
  expect(await refused("DeleteRule", { rule_id: "cold" })).toMatchObject({ reason: "RULE_STATE" });
  await change("UpdateRule", cold(5));
  await restart();
  expect((await rules("GetRule", { rule_id: "cold" })).rule).toMatchObject({ version: 3, state: "RULE_STATE_INACTIVE" });
  expect((await rules("GetRule", { rule_id: "cold", version: 1 })).rule).toMatchObject({ ...cold(8), created_by: "ada" });
  expect(await historyOf("cold")).toEqual([
    "RULE_UPDATED",
    "RULE_DEPRECATED",
    "RULE_DEACTIVATED",
    "RULE_ACTIVATED",
    "RULE_ACTIVATED",
    "RULE_SHADOWED",
    "RULE_UPDATED",
    "RULE_ACTIVATED",
    "RULE_SHADOWED",
    "RULE_CREATED",
  ]);
});

test("a typo costs nothing: a rule that never judged is deleted, and its id is free", async () => {
  await change("CreateRule", { rule_id: "tpyo", expression: "false" });
  await change("DeleteRule", { rule_id: "tpyo" });
  expect(await client.failure("PredicateLogic/GetRule", { rule_id: "tpyo" })).toMatchObject({ reason: "RULE_NOT_FOUND" });
  expect((await change("CreateRule", { rule_id: "tpyo", expression: "true" })).rule).toMatchObject({ version: 1 });
  const { changes } = await rules("ListRuleSetChanges", { name: "tpyo" });
  expect(changes.at(-2)).toMatchObject({ differences: [{ before: { rule: { expression: "false" } }, after: null }] });
});

test("what warns and audits is told beside the move that goes on", async () => {
  await clear();
  const rule = { expression: "workflow.metadata.celsius < 8.0" };
  await change("ApplyRuleSet", {
    rules: [
      { ...rule, rule_id: "warns", action: "RULE_ACTION_WARN", message: "'mild'" },
      { ...rule, rule_id: "audits", action: "RULE_ACTION_AUDIT", message: "'noted'" },
    ],
  });
  expect(await verdictAt(9)).toEqual({ ...quiet, warned: ["warns: mild"], audited: ["audits: noted"] });
  expect(await verdictAt(7)).toEqual(quiet);
});

test("types, a condition and facts say when a rule applies", async () => {
  await clear();
  await change("ApplyRuleSet", {
    facts: [{ name: "warm", expression: "workflow.metadata.celsius > 8.0" }],
    rules: [
      { rule_id: "typed", workflow_types: ["sample"], expression: "!facts.warm", message: "'typed'" },
      { rule_id: "rare", condition: "workflow.metadata.celsius > 20.0", expression: "false", message: "'rare'" },
    ],
  });
  expect(await verdictAt(9)).toEqual(quiet);
  expect(await verdictAt(9, { type: "sample" })).toMatchObject({ denied: ["typed: typed"] });
  expect(await verdictAt(21, { type: "sample" })).toMatchObject({ denied: ["rare: rare", "typed: typed"] });
  expect(await refused("DeleteRuleSetItem", { kind: "RULE_SET_ITEM_KIND_FACT", name: "warm" })).toMatchObject({
    reason: "RULE_INVALID",
    metadata: { rule_id: "typed" },
  });
});

describe("a rule set", () => {
  const cold = { rule_id: "cold", expression: "workflow.metadata.celsius < 8.0", message: "'warm'" };
  const check = (celsius: number) => ({
    workflow: { state: ACTIVE, metadata: struct({ celsius }) },
    target_state: "WORKFLOW_STATE_COMPLETED",
  });
  const warmIsDenied = {
    name: "warm samples are refused",
    check: check(9),
    expect: { judgement: "JUDGEMENT_RULE_DENIED", violations: [{ rule_id: "cold", message: "warm" }] },
  };

  test("becomes what is described in one revision, or not at all; a dry run says what would be different", async () => {
    await clear();
    const described = {
      rules: [cold, { rule_id: "other", expression: "true" }],
      facts: [{ name: "limit", expression: "8" }],
      workflow_types: [{ name: "sample", metadata_schema: struct({ properties: { celsius: { type: "number" } } }) }],
      tests: [warmIsDenied],
    };
    const before = (await rules("GetRuleSet")).rule_set_revision;
    const dry = (await change("ApplyRuleSet", { ...described, dry_run: true })).change;
    expect((await rules("GetRuleSet")).rule_set_revision).toBe(before);
    const { change: applied } = await change("ApplyRuleSet", described);
    const named = ({ differences }: Message) => differences.map(({ kind, name }: Message) => `${kind} ${name}`);
    expect(named(applied)).toEqual(named(dry));
    expect(applied.rule_set_revision).toBe(String(Number(before) + 1));
    expect((await rules("GetRuleSet")).items.map(({ item }: Message) => item)).toEqual([
      "rule",
      "rule",
      "fact",
      "workflow_type",
      "test",
    ]);
    expect((await change("ApplyRuleSet", described)).change).toMatchObject({ sequence: "0", differences: [] });
    const broken = { ...described, rules: [cold, { ...cold, rule_id: "broken", expression: "workflow.stat == 1" }] };
    expect(await refused("ApplyRuleSet", broken)).toMatchObject({ reason: "RULE_INVALID" });
    expect((await rules("GetRuleSet")).rule_set_revision).toBe(applied.rule_set_revision);
  });

  test("is not changed by what makes its tests fail", async () => {
    await clear();
    await change("ApplyRuleSet", { rules: [cold], tests: [warmIsDenied] });
    const failed = {
      code: "FAILED_PRECONDITION",
      reason: "RULE_TESTS_FAILED",
      metadata: { failed: "1", total: "1" },
      preconditions: [{ type: "TEST", subject: "warm samples are refused" }],
    };
    expect(await refused("DeactivateRule", { rule_id: "cold" })).toMatchObject(failed);
    expect(await refused("ApplyRuleSet", { tests: [warmIsDenied] })).toMatchObject(failed);
    await change("UpdateRule", { ...cold, message: "'far too warm'" });
    expect(await refused("ActivateRule", { rule_id: "cold" })).toMatchObject(failed);
    expect(await verdictAt(9)).toMatchObject({ denied: ["cold: warm"] });
  });

  test.each(["", "a\0b", "a\nb", "a\u0085b", "x".repeat(257)])("has no test with the name %j", async (name) => {
    expect(await refused("ApplyRuleSet", { tests: [{ ...warmIsDenied, name }] })).toMatchObject({
      reason: "INVALID_REQUEST",
      fields: ["tests[0].name"],
    });
  });

  test("goes back to what it was, and every revision can be read", async () => {
    await clear();
    const first = (await change("ApplyRuleSet", { rules: [cold] })).change.rule_set_revision;
    await change("ApplyRuleSet", {
      rules: [
        { ...cold, expression: "false" },
        { ...cold, rule_id: "new" },
      ],
    });
    const { change: back } = await change("RollbackRuleSet", { revision: first });
    expect(back).toMatchObject({ kind: "RULE_SET_CHANGE_KIND_ROLLED_BACK", rule_set_revision: String(Number(first) + 2) });
    const read = async (revision: string) => (await rules("GetRuleSet", { revision })).items;
    expect(await read(back.rule_set_revision)).toEqual(await read(first));
    expect((await rules("GetRule", { rule_id: "new" })).rule.state).toBe("RULE_STATE_INACTIVE");
  });

  test("is read page by page at one revision, while it changes", async () => {
    await clear();
    const described = ["a", "b", "c"].map((rule_id) => ({ ...cold, rule_id }));
    const { change: applied } = await change("ApplyRuleSet", { rules: described });
    const first = await rules("GetRuleSet", { page_size: 2 });
    await clear();
    const second = await rules("GetRuleSet", { page_size: 2, page_token: first.next_page_token });
    expect([...first.items, ...second.items].map(({ rule }: Message) => rule.rule_id)).toEqual(["a", "b", "c"]);
    expect(second).toMatchObject({ rule_set_revision: applied.rule_set_revision, next_page_token: "" });
    expect(await client.failure("PredicateLogic/GetRuleSet", { page_token: "nonsense" })).toMatchObject({
      fields: ["page_token"],
    });
  });

  test("is watched: every change once, in order, also those of before", async () => {
    const begin = (await rules("ListRuleSetChanges", { page_size: 1 })).changes[0].sequence;
    await clear();
    await change("ApplyRuleSet", { rules: [cold] });
    const watch = client.stream("PredicateLogic/WatchRuleSet", { after_sequence: begin });
    const later = client.stream("PredicateLogic/WatchRuleSet", { progress_interval: { nanos: 100_000_000 } });
    expect(await watch.next()).toMatchObject({ progress_sequence: begin });
    const seen: Message[] = [];
    const follow = async (count: number) => {
      while (seen.length < count) {
        const message = await watch.next();
        if (message.body === "change") seen.push(message.change);
      }
    };
    await follow(1);
    const { progress_sequence } = await later.next();
    await change("CreateRule", { ...cold, rule_id: "watched" });
    await change("DeleteRule", { rule_id: "watched" });
    const { changes } = await rules("ListRuleSetChanges", {});
    const newer = changes.filter(({ sequence }: Message) => Number(sequence) > Number(begin)).toReversed();
    await follow(newer.length);
    expect(seen).toEqual(newer);
    for (;;) {
      const message = await later.next();
      if (message.body !== "change") continue;
      expect(message.change.sequence).toBe(String(Number(progress_sequence) + 1));
      break;
    }
    watch.cancel();
    later.cancel();
  });
});

test("a watch after a change that there is not yet is refused", async () => {
  const newest = Number((await rules("ListRuleSetChanges", { page_size: 1 })).changes[0].sequence);
  const watch = client.stream("PredicateLogic/WatchRuleSet", { after_sequence: newest + 1 });
  expect(await watch.end()).toMatchObject({
    code: "INVALID_ARGUMENT",
    reason: "INVALID_REQUEST",
    fields: ["after_sequence"],
  });
  const last = client.stream("PredicateLogic/WatchRuleSet", { after_sequence: newest });
  expect(await last.next()).toMatchObject({ progress_sequence: String(newest) });
  last.cancel();
});

test("a question may name the revision that it wants at least", async () => {
  const { rule_set_revision } = await rules("GetRuleSet");
  const check = {
    workflow: { workflow_id: "w", state: ACTIVE, version: 2, metadata: struct({}) },
    target_state: "WORKFLOW_STATE_PAUSED",
  };
  const { verdict } = await rules("ValidateTransition", { check, min_revision: rule_set_revision });
  expect(verdict.rule_set_revision).toBe(rule_set_revision);
  const min_revision = Number(rule_set_revision) + 1;
  for (const request of [{ check, min_revision }]) {
    expect(await client.failure("PredicateLogic/ValidateTransition", request)).toMatchObject({
      code: "FAILED_PRECONDITION",
      reason: "REVISION_NOT_REACHED",
    });
  }
});
