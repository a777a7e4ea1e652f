import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, describe, expect, test } from "vitest";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { createProtoClient, type Message, type ProtoClient, struct } from "../support/proto-client.ts";
import { until } from "../support/until.ts";

// What was decided, and why, as a client in another language sees it.

type World = {
  readonly client: ProtoClient;
  readonly data: ReturnType<typeof temporaryFolder>;
  restart(settings?: Settings): Promise<void>;
};
type Settings = Parameters<typeof startServer>[0];

const ended: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ended.splice(0).toReversed()) await end();
});

async function start(settings: Settings = {}): Promise<World> {
  const data = temporaryFolder();
  let server: TestServer | undefined;
  let client: ProtoClient | undefined;
  const stop = async () => {
    client?.close();
    await server?.stop();
  };
  const run = async (changed: Settings) => {
    await stop();
    server = await startServer({ dataDir: data.path, ...settings, ...changed });
    client = createProtoClient(server.address);
  };
  await run({});
  ended.push(async () => {
    await stop();
    data.remove();
  });
  return {
    data,
    get client() {
      if (client === undefined) throw new Error("it is started");
      return client;
    },
    restart: (changed = {}) => run(changed),
  };
}

const by = { reason: "a test", requested_by: "ada" };

const activate = async ({ client }: World, rule: Message, verb = "ActivateRule") => {
  await client.call("PredicateLogic/CreateRule", { ...rule, ...by });
  await client.call(`PredicateLogic/${verb}`, { rule_id: rule.rule_id, version: 1, ...by });
};

const checkOf = (workflow_id: string, celsius: number): Message => ({
  workflow: { workflow_id, type: "sample", state: "WORKFLOW_STATE_ACTIVE", version: 2, metadata: struct({ celsius }) },
  target_state: "WORKFLOW_STATE_COMPLETED",
  requested_by: "kurt",
});

const ask = ({ client }: World, workflow_id: string, celsius: number) =>
  client.call("PredicateLogic/ValidateTransition", { check: checkOf(workflow_id, celsius) });

const listed = async ({ client }: World, request: Message = {}): Promise<readonly Message[]> =>
  (await client.call("PredicateLogic/ListVerdicts", request)).verdicts;

/** They are written down some tenths of a second later. */
const written = (world: World, count: number) =>
  until(async () => (await listed(world)).length >= count, `${count} verdicts are written down`);

async function replayed(
  { client }: World,
  request: Message = {},
): Promise<{ readonly differences: Message[]; readonly end: Message }> {
  const replay = client.stream("PredicateLogic/ReplayVerdicts", request);
  const differences: Message[] = [];
  for (;;) {
    const { body, difference, progress } = await replay.next();
    if (body === "difference") differences.push(difference);
    else if (progress.complete) {
      expect(await replay.end()).toBeUndefined();
      return { differences, end: progress };
    }
  }
}

const cold = { rule_id: "cold", expression: "workflow.metadata.celsius < 8.0", message: "'too warm'" };
const late = { rule_id: "late", expression: "workflow.metadata.celsius > 0.0", action: "RULE_ACTION_WARN" };
const colder = { rule_id: "colder", expression: "workflow.metadata.celsius < 5.0" };

describe("the verdict log", () => {
  test("has denials, warnings and differences of shadows, newest first, and no plain allowance; also after a restart", async () => {
    const world = await start();
    await activate(world, cold);
    await activate(world, late);
    await activate(world, colder, "ShadowRule");
    for (const [id, celsius] of [
      ["a", 9],
      ["b", 4],
      ["c", -1],
      ["d", 6],
    ] as const)
      await ask(world, id, celsius);
    await written(world, 3);
    const expected = [
      { workflow_id: "d", verdict: { judgement: "JUDGEMENT_ALLOWED", shadows: [{ rule_id: "colder", holds: false }] } },
      { workflow_id: "c", verdict: { judgement: "JUDGEMENT_ALLOWED", warnings: [{ rule_id: "late", rule_version: 1 }] } },
      {
        sequence: "1",
        workflow_id: "a",
        workflow_type: "sample",
        from_state: "WORKFLOW_STATE_ACTIVE",
        to_state: "WORKFLOW_STATE_COMPLETED",
        requested_by: "kurt",
        input: null,
        verdict: {
          judgement: "JUDGEMENT_RULE_DENIED",
          rule_set_revision: "3",
          violations: [{ rule_id: "cold", rule_version: 1, message: "too warm" }],
          violations_omitted: 0,
        },
      },
    ];
    const before = await listed(world);
    expect(before).toMatchObject(expected);
    expect(before[0]?.input_digest).toMatch(/^[0-9a-f]{64}$/);
    expect(Number(before[0]?.verdict.cost)).toBeGreaterThan(0);
    await world.restart();
    expect(await listed(world)).toEqual(before);
  });

  test("is read page by page, and filtered by workflow, by rule and by every field", async () => {
    const world = await start({ verdictLog: "all" });
    await activate(world, cold);
    for (const [id, celsius] of [
      ["a", 9],
      ["b", 4],
      ["a", 10],
      ["c", 9],
    ] as const)
      await ask(world, id, celsius);
    await written(world, 4);
    const ids = async (request: Message) => (await listed(world, request)).map(({ sequence }) => Number(sequence));
    expect(await ids({})).toEqual([4, 3, 2, 1]);
    expect(await ids({ workflow_id: "a" })).toEqual([3, 1]);
    expect(await ids({ rule_id: "cold" })).toEqual([4, 3, 1]);
    expect(await ids({ filter: 'verdict.judgement == "ALLOWED"' })).toEqual([2]);
    expect(await ids({ filter: '"cold" in verdict.rules && verdict.workflow_id == "a"' })).toEqual([3, 1]);
    expect(await ids({ filter: "verdict.sequence > 1 && verdict.cost > 0 && verdict.rule_set_revision == 1" })).toEqual([
      4, 3, 2,
    ]);
    expect(await ids({ filter: 'verdict.from == "ACTIVE" && verdict.to == "PAUSED"' })).toEqual([]);
    expect(await ids({ filter: "verdict.judged_at > timestamp('2026-01-01T00:00:00Z')" })).toHaveLength(4);
    const first = await world.client.call("PredicateLogic/ListVerdicts", { page_size: 3 });
    expect(first.verdicts).toHaveLength(3);
    const { next_page_token: page_token } = first;
    expect(await ids({ page_size: 3, page_token })).toEqual([1]);
    expect(await world.client.failure("PredicateLogic/ListVerdicts", { page_token, workflow_id: "a" })).toMatchObject({
      reason: "INVALID_REQUEST",
      fields: ["page_token"],
    });
  });

  test("is refused where nothing is written down", async () => {
    const { client } = await start({ verdictLog: "off" });
    const off = { code: "FAILED_PRECONDITION", reason: "VERDICT_LOG_OFF" };
    expect(await client.failure("PredicateLogic/ListVerdicts", {})).toMatchObject(off);
    expect(await client.stream("PredicateLogic/ReplayVerdicts", {}).end()).toMatchObject(off);
  });

  test("keeps nobody from judging when its file is damaged", async () => {
    const world = await start();
    await activate(world, cold);
    await world.restart({ verdictLog: "off" });
    writeFileSync(join(world.data.path, "verdicts.sqlite"), "no database at all, but more than a hundred bytes ".repeat(50));
    await world.restart();
    expect(await ask(world, "a", 9)).toMatchObject({ verdict: { judgement: "JUDGEMENT_RULE_DENIED" } });
    const unavailable = { code: "UNAVAILABLE", reason: "STORAGE_UNAVAILABLE" };
    expect(await world.client.failure("PredicateLogic/ListVerdicts", {})).toMatchObject(unavailable);
    expect(await world.client.stream("PredicateLogic/ReplayVerdicts", {}).end()).toMatchObject(unavailable);
  });
});

test("the log line of a transition that rules deny names them, and the rule set", async () => {
  const lines: Message[] = [];
  const data = temporaryFolder();
  const logger = pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const server = await startServer({ dataDir: data.path }, logger);
  const client = createProtoClient(server.address);
  ended.push(async () => {
    client.close();
    await server.stop();
    data.remove();
  });
  await client.call("WorkflowService/CreateWorkflow", { workflow_id: "w", metadata: struct({ celsius: 9 }), ...by });
  const rule = { rule_id: "cold", expression: "workflow.metadata.celsius < 8.0", ...by };
  await client.call("PredicateLogic/CreateRule", rule);
  await client.call("PredicateLogic/ActivateRule", { rule_id: "cold", ...by });
  const move = { workflow_id: "w", target_state: "WORKFLOW_STATE_ACTIVE", ...by };
  expect(await client.failure("WorkflowService/TransitionWorkflow", move)).toMatchObject({ reason: "RULE_DENIED" });
  expect(lines.filter(({ msg }) => msg === "transition refused")).toMatchObject([
    { workflow: "w", target: "ACTIVE", by: "ada", refused: "RULE_DENIED", rules: ["cold"], ruleSetRevision: 1 },
  ]);
});

describe("a replay", () => {
  test("judges what was kept by any revision, tells what would be otherwise, and is not written down itself", async () => {
    const world = await start({ verdictLog: "all", verdictLogInput: "whole" });
    await activate(world, cold);
    for (const [id, celsius] of [
      ["a", 9],
      ["b", 6],
      ["c", 4],
    ] as const)
      await ask(world, id, celsius);
    await written(world, 3);
    expect(await listed(world, { workflow_id: "a" })).toMatchObject([
      { input: { workflow: { workflow_id: "a", metadata: struct({ celsius: 9 }) }, target_state: "WORKFLOW_STATE_COMPLETED" } },
    ]);
    expect(await replayed(world)).toMatchObject({ differences: [], end: { judged: "3", skipped: "0", different: "0" } });
    await activate(world, colder);
    expect(await replayed(world)).toMatchObject({
      differences: [
        { record: { workflow_id: "b" }, verdict: { judgement: "JUDGEMENT_RULE_DENIED", violations: [{ rule_id: "colder" }] } },
        { record: { workflow_id: "a" }, verdict: { violations: [{ rule_id: "cold" }, { rule_id: "colder" }] } },
      ],
      end: { rule_set_revision: "2", judged: "3", different: "2", complete: true },
    });
    expect(await replayed(world, { revision: 1 })).toMatchObject({
      differences: [],
      end: { rule_set_revision: "1", judged: "3" },
    });
    expect(await replayed(world, { revision: 0 })).toMatchObject({
      differences: [{ record: { workflow_id: "a" }, verdict: { judgement: "JUDGEMENT_ALLOWED" } }],
    });
    expect(await replayed(world, { filter: 'verdict.workflow_id == "b"', limit: 1 })).toMatchObject({
      end: { judged: "1", different: "1" },
    });
    // Nor is what nobody means to do.
    const { target_state: _, ...moves } = checkOf("a", 9);
    expect(await world.client.call("PredicateLogic/ListAllowedTransitions", moves)).toMatchObject({ rule_set_revision: "2" });
    await world.client.call("PredicateLogic/ExplainTransition", { check: checkOf("a", 9) });
    await ask(world, "last", 9);
    await written(world, 4);
    expect((await listed(world)).map(({ workflow_id }) => workflow_id)).toEqual(["last", "c", "b", "a"]);
  });

  test("counts what it cannot judge: the questions were not kept", async () => {
    const world = await start();
    await activate(world, cold);
    await ask(world, "a", 9);
    await written(world, 1);
    expect(await replayed(world)).toMatchObject({ differences: [], end: { judged: "0", skipped: "1", complete: true } });
  });

  test("fails: a revision that never was, a filter that is none", async () => {
    const { client } = await start();
    const failure = (request: Message) => client.stream("PredicateLogic/ReplayVerdicts", request).end();
    expect(await failure({ revision: 7 })).toMatchObject({ code: "NOT_FOUND", reason: "REVISION_NOT_FOUND" });
    expect(await failure({ filter: "verdict.rules ==" })).toMatchObject({ reason: "INVALID_REQUEST", fields: ["filter"] });
  });
});
