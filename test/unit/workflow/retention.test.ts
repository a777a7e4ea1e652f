import { describe, expect, test } from "vitest";
import type { WorkflowId } from "../../../src/kernel/ids.ts";
import { err } from "../../../src/kernel/result.ts";
import { createMemoryWorkflowStore } from "../../../src/storage/memory/workflow-store.ts";
import type { RetentionPolicy } from "../../../src/workflow/core/policy.ts";
import { purgeBounds } from "../../../src/workflow/core/purge.ts";
import { endedTypesMax, retentionIntervalMs } from "../../../src/workflow/limits.ts";
import type { Archive, WorkflowStore } from "../../../src/workflow/ports.ts";
import { createPurges } from "../../../src/workflow/purge.ts";
import { createRetention } from "../../../src/workflow/retention.ts";
import { pausing } from "../../support/pausing.ts";
import { answering, event, workflow } from "../../support/storage-values.ts";

const hourMs = 3_600_000;
const policy = (fields: Partial<RetentionPolicy> = {}): RetentionPolicy => ({
  afterMs: hourMs,
  archive: false,
  freeIds: false,
  ...fields,
});
const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

function world(
  policies: Readonly<Record<string, RetentionPolicy>>,
  options: { readonly archive?: Archive; readonly keptBeforeMs?: WorkflowStore["keptBeforeMs"]; readonly pageMax?: number } = {},
) {
  let nowMs = 10 * hourMs;
  const memory = createMemoryWorkflowStore(() => nowMs);
  const log: string[] = [];
  const looks: string[] = [];
  const isReadOnly = { now: false };
  const store: WorkflowStore = {
    ...memory,
    ...(options.keptBeforeMs && { keptBeforeMs: options.keptBeforeMs }),
    ended: (page) => {
      looks.push(page.type);
      return memory.ended({ ...page, limit: Math.min(page.limit, options.pageMax ?? page.limit) });
    },
    purgeWorkflows: async (purge) => {
      if (isReadOnly.now) {
        log.push("no write");
        return err({ type: "storage-unavailable", cause: "full", outcomeUnknown: false });
      }
      log.push(`purge ${purge.workflows.map(({ id }) => id).join(" ")}`);
      return memory.purgeWorkflows(purge);
    },
  };
  const sink: { needed: number | undefined } = { needed: undefined };
  const undelivered = { oldestNeeded: async () => sink.needed, behind: () => [] };
  const purges = createPurges({ store, undelivered, turns: pausing(), nowMs: () => nowMs });
  const timers = new Map<() => void, number>();
  const purged = { workflows: 0, events: 0 };
  const infos: object[] = [];
  const logged = (level: string) => (fields: object, message: string) => {
    log.push(`${level} ${message} ${"type" in fields ? fields.type : ""}`.trimEnd());
    if (level === "info") infos.push(fields);
  };
  const retention = createRetention({
    store,
    purges,
    retentionOf: (type) => policies[type] ?? policies["default"],
    archive: options.archive,
    nowMs: () => nowMs,
    setTimer: (delayMs, run) => {
      timers.set(run, nowMs + delayMs);
      return () => timers.delete(run);
    },
    logger: { info: logged("info"), warn: logged("warn"), error: logged("error") },
    onPurged: (workflows, events) => {
      purged.workflows += workflows;
      purged.events += events;
    },
  });
  return {
    store,
    memory,
    log,
    infos,
    looks,
    timers,
    nowMs: () => nowMs,
    sink,
    isReadOnly,
    purged,
    retention,
    /** Lets so much time pass. */
    async pass(ms: number): Promise<void> {
      const endMs = nowMs + ms;
      for (;;) {
        for (let turns = 0; turns < 60; turns += 1) await turn();
        const [next] = [...timers].toSorted(([, a], [, b]) => a - b);
        if (next === undefined || next[1] > endMs) break;
        const [run, atMs] = next;
        timers.delete(run);
        nowMs = Math.max(nowMs, atMs);
        run();
      }
      nowMs = endMs;
    },
    async ended(id: string, type: string, enteredAtMs: number): Promise<void> {
      const done = workflow(id, { type, state: "COMPLETED", stateEnteredAtMs: enteredAtMs });
      await memory.apply({ puts: [{ workflow: done, expected: "absent" }], events: [event(done)] });
    },
    ids: async () => (await memory.list({ afterId: undefined, limit: 1_000 })).rows.map(({ id }) => id),
  };
}

test("what ended as long ago as the policy of its type says is purged, of no other type, the longest ended first", async () => {
  const { retention, ended, pass, ids, log, purged, store } = world({ short: policy(), long: policy({ afterMs: 100 * hourMs }) });
  await ended("b", "short", 8 * hourMs);
  await ended("a", "short", 9 * hourMs);
  await ended("young", "short", 9.5 * hourMs);
  await ended("kept", "long", 1);
  await ended("without", "", 1);
  await store.apply({ puts: [{ workflow: workflow("alive", { type: "short" }), expected: "absent" }], events: [] });
  retention.start();
  await pass(2_000);
  expect(log).toEqual(["purge b a", "info workflows purged by the policy of their type short"]);
  expect(await ids()).toEqual(["alive", "kept", "without", "young"]);
  expect(purged).toEqual({ workflows: 2, events: 2 });
  await pass(0.5 * hourMs);
  expect(await ids()).toEqual(["alive", "kept", "without"]);
  await retention.stop();
});

test("what is purged is counted at once, and not after the pause behind it", async () => {
  const { retention, ended, pass, timers, nowMs, purged, log } = world({ a: policy() });
  await ended("w", "a", 1);
  retention.start();
  // Up to the timer that leads to it, and no further.
  while (log.length === 0) await pass(Math.min(...timers.values()) - nowMs());
  expect(purged).toEqual({ workflows: 1, events: 1 });
  await retention.stop();
});

test("many go in many writes, between which it waits; of many types each is found", async () => {
  const { retention, ended, pass, ids, log } = world({ default: policy({ freeIds: true }) });
  const count = 2 * purgeBounds.workflowCountMax + 1;
  for (let index = 0; index < count; index += 1) await ended(`w-${index}`, "a", index);
  for (let index = 0; index < endedTypesMax + 5; index += 1) await ended(`t-${index}`, `type-${index}`, 1);
  retention.start();
  await pass(60_000);
  expect(await ids()).toEqual([]);
  expect(log.filter((line) => line.startsWith("purge w-"))).toHaveLength(3);
  await retention.stop();
});

test("what a page does not hold is purged in the same round", async () => {
  const { retention, ended, pass, ids } = world({ a: policy() }, { pageMax: 2 });
  for (let index = 0; index < 7; index += 1) await ended(`w-${index}`, "a", index);
  retention.start();
  await pass(retentionIntervalMs / 2);
  expect(await ids()).toEqual([]);
  await retention.stop();
});

test("behind a page of which some must stay, it looks further; behind one of which all must, it does not", async () => {
  const { retention, ended, pass, ids, memory, looks } = world({ a: policy(), b: policy() }, { pageMax: 2 });
  const answered = async (id: string, type: string, atMs: number) => {
    const done = workflow(id, { type, state: "COMPLETED", stateEnteredAtMs: atMs });
    const puts = [{ workflow: done, expected: "absent" as const }];
    await memory.apply({ puts, events: [event(done)], ...answering(`r-${id}`, "d", 10 * hourMs) });
  };
  await answered("a1", "a", 1);
  await ended("a2", "a", 2);
  await ended("a3", "a", 3);
  for (const [index, id] of ["b1", "b2"].entries()) await answered(id, "b", index);
  await ended("b3", "b", 3);
  retention.start();
  await pass(retentionIntervalMs / 2);
  expect(await ids()).toEqual(["a1", "b1", "b2", "b3"]);
  expect(looks).toEqual(["a", "a", "b"]);
  await retention.stop();
});

test("what a sink has still to be told of stays until it has been told", async () => {
  const { retention, ended, pass, ids, sink } = world({ a: policy() });
  await ended("w", "a", 1);
  await ended("x", "a", 2);
  sink.needed = 2;
  retention.start();
  await pass(2_000);
  expect(await ids()).toEqual(["x"]);
  sink.needed = undefined;
  await pass(2 * retentionIntervalMs);
  expect(await ids()).toEqual([]);
  await retention.stop();
});

test("types behind many that have no policy are found", async () => {
  const { retention, ended, pass, ids } = world({ z: policy() });
  for (let index = 0; index < endedTypesMax; index += 1) await ended(`t-${index}`, `type-${index}`, 1);
  await ended("w", "z", 1);
  retention.start();
  await pass(retentionIntervalMs / 2);
  expect(await ids()).not.toContain("w");
  await retention.stop();
});

test("what has ended is kept to the millisecond, also longer than a store remembers how long it was open", async () => {
  const afterMs = 60 * hourMs;
  const { retention, ended, pass, ids, infos } = world({ a: policy({ afterMs }) });
  const startMs = 10 * hourMs;
  await ended("w", "a", startMs);
  await ended("younger", "a", startMs + retentionIntervalMs);
  await pass(afterMs - 1_000);
  retention.start();
  await pass(999);
  expect(await ids()).toEqual(["w", "younger"]);
  await pass(1);
  expect(await ids()).toEqual(["younger"]);
  await pass(2_000);
  expect(infos).toEqual([{ type: "a", workflows: 1, events: 1, archived: false }]);
  await retention.stop();
});

test("a store that cannot be written is tried once in a round, whatever there is to purge", async () => {
  const { retention, ended, pass, log, isReadOnly, ids } = world({ a: policy(), b: policy() });
  await ended("v", "a", 1);
  await ended("w", "b", 1);
  isReadOnly.now = true;
  retention.start();
  await pass(retentionIntervalMs / 2);
  expect(log).toEqual(["no write"]);
  isReadOnly.now = false;
  await pass(2 * retentionIntervalMs);
  expect(await ids()).toEqual([]);
  await retention.stop();
});

test("who stops it in the midst of a type ends it: no other type is looked at", async () => {
  const { retention, ended, pass, looks } = world({ a: policy(), b: policy() }, { pageMax: 1 });
  for (const id of ["v", "w"]) await ended(id, "a", 1);
  await ended("x", "b", 1);
  retention.start();
  await pass(1_000);
  const stopped = retention.stop();
  await pass(60_000);
  await stopped;
  expect(looks).toEqual(["a"]);
});

describe("a policy that archives", () => {
  test("purges nothing that is not durable in the archive", async () => {
    let isBroken = true;
    const archived: WorkflowId[] = [];
    const archive: Archive = {
      append: async (ids) => {
        if (isBroken) throw new Error("no space left");
        archived.push(...ids);
        log.push(`archive ${ids.join(" ")}`);
      },
    };
    const { retention, ended, pass, ids, log } = world({ a: policy({ archive: true }), b: policy() }, { archive });
    await ended("w", "a", 1);
    await ended("x", "b", 1);
    retention.start();
    await pass(2_000);
    expect(log).toEqual(["error workflows are not purged as the policies of their types say"]);
    expect(await ids()).toEqual(["w", "x"]);
    isBroken = false;
    await pass(2 * retentionIntervalMs);
    const told = "info workflows purged by the policy of their type";
    // What the policy of its type does not want there is not archived.
    expect(log.slice(1)).toEqual(["archive w", "purge w", `${told} a`, "purge x", `${told} b`]);
    expect(archived).toEqual(["w"]);
    await retention.stop();
  });

  test("purges nothing where there is no archive, and says so", async () => {
    const { retention, ended, pass, ids, log } = world({ a: policy({ archive: true }), b: policy() });
    await ended("w", "a", 1);
    await ended("x", "b", 1);
    retention.start();
    await pass(2_000);
    expect(log[0]).toMatch(/^warn nothing is purged of a type whose policy wants an archive.* a$/);
    expect(await ids()).toEqual(["w"]);
    await retention.stop();
  });
});

test("a clock that is far ahead purges nothing that the store has not been open for", async () => {
  const { retention, ended, pass, ids } = world(
    { a: policy({ afterMs: 5 * hourMs }) },
    // Open for an hour.
    { keptBeforeMs: (retentionMs) => (retentionMs > hourMs ? 0 : 9 * hourMs) },
  );
  await ended("w", "a", 1 * hourMs);
  retention.start();
  await pass(hourMs);
  expect(await ids()).toEqual(["w"]);
  await retention.stop();
});

test("who stops it waits for the write that is under way, and then nothing is left of it: no timer, no error", async () => {
  const { retention, ended, pass, store, memory, timers, log } = world({ a: policy() });
  await ended("w", "a", 1);
  const writing = Promise.withResolvers<void>();
  const write = store.purgeWorkflows;
  store.purgeWorkflows = async (purge) => {
    await writing.promise;
    return write(purge);
  };
  retention.start();
  await pass(2_000);
  let isStopped = false;
  const stopping = retention.stop().then(() => {
    isStopped = true;
  });
  await pass(0);
  expect(isStopped).toBe(false);
  await memory.close();
  writing.resolve();
  await stopping;
  expect(timers.size).toBe(0);
  expect(log).toEqual(["purge w"]);

  const looking = world({ a: policy() });
  await looking.ended("w", "a", 1);
  const look = Promise.withResolvers<void>();
  const ends = looking.store.ended;
  looking.store.ended = async (page) => {
    await look.promise;
    return ends(page);
  };
  looking.retention.start();
  await looking.pass(2_000);
  const ending = looking.retention.stop();
  look.resolve();
  await ending;
  expect(looking.log).toEqual([]);

  const idle = world({ a: policy() });
  idle.retention.start();
  await idle.pass(2_000);
  expect(idle.timers.size).toBe(1);
  await idle.retention.stop();
  expect(idle.timers.size).toBe(0);
});

test("it ends between two writes when it is stopped, and with a store that cannot be written until the next time", async () => {
  const { retention, ended, pass, ids, infos, store } = world({ a: policy() });
  for (let index = 0; index <= 2 * purgeBounds.workflowCountMax; index += 1) await ended(`w-${index}`, "a", index);
  retention.start();
  await pass(1_000);
  const stopping = retention.stop();
  await stopping;
  const left = (await ids()).length;
  expect(left).toBeGreaterThan(0);
  expect(infos).toMatchObject([{ workflows: 2 * purgeBounds.workflowCountMax + 1 - left }]);
  await pass(10 * retentionIntervalMs);
  expect(await ids()).toHaveLength(left);

  const closed = world({ a: policy() });
  await closed.ended("w", "a", 1);
  await closed.store.close();
  closed.retention.start();
  await closed.pass(3 * retentionIntervalMs);
  expect(closed.log).toEqual(["purge w", "purge w", "purge w"]);
  await closed.retention.stop();
  await store.close();
});
