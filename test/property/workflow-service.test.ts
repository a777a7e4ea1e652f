import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Workflow, type WorkflowEvent, WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import { isMove, isTerminal, type WorkflowState as State, workflowStates } from "../../src/kernel/lifecycle.ts";
import { failureOf, startServer, type TestServer, temporaryFolder } from "../support/concord.ts";

// The eight properties of specs/WorkflowManager.tla, of the real server over gRPC. A failure prints its seed; replay it with
// SEED=n npx vitest run --project property.

const data = temporaryFolder();
let server: TestServer;
let counter = 0;

beforeAll(async () => {
  server = await startServer({ dataDir: data.path });
});

afterAll(async () => {
  await server.stop();
  data.remove();
});

const by = { reason: "a property", requestedBy: "fast-check" };
const stateArbitrary = fc.constantFrom(...workflowStates);
const wire = (state: State) => WorkflowState[state];
const nameOf = (state: WorkflowState) => state.replace("WORKFLOW_STATE_", "") as State;

/** The shortest way from CREATED to each state. */
const ways: Readonly<Record<State, readonly State[]>> = {
  CREATED: [],
  ACTIVE: ["ACTIVE"],
  PAUSED: ["ACTIVE", "PAUSED"],
  COMPLETED: ["ACTIVE", "COMPLETED"],
  FAILED: ["ACTIVE", "FAILED"],
  CANCELLED: ["ACTIVE", "CANCELLED"],
};

async function newWorkflow(state: State = "CREATED"): Promise<string> {
  counter += 1;
  const workflowId = `wf-${counter}`;
  await server.clients.workflows.createWorkflow({ workflowId, ...by });
  for (const step of ways[state]) await move(workflowId, step);
  return workflowId;
}

function move(workflowId: string, target: State, expectedVersion?: number) {
  return server.clients.workflows.transitionWorkflow({
    workflowId,
    targetState: wire(target),
    expectedVersion: expectedVersion === undefined ? undefined : BigInt(expectedVersion),
    ...by,
  });
}

async function get(workflowId: string): Promise<Workflow> {
  const { workflow } = await server.clients.workflows.getWorkflow({ workflowId });
  if (workflow === undefined) throw new Error("no workflow");
  return workflow;
}

async function eventsOf(workflowId: string): Promise<readonly WorkflowEvent[]> {
  const { events } = await server.clients.workflows.listWorkflowEvents({ workflowId, pageSize: 1000 });
  return events;
}

/** Follows any wishes, and keeps those that were granted. */
async function wander(workflowId: string, wishes: readonly State[]): Promise<void> {
  for (const wish of wishes) await move(workflowId, wish).catch(() => undefined);
}

const wishes = fc.array(stateArbitrary, { maxLength: 12 });

test("StateConsistency: a workflow is what its events add up to, whatever was asked of it", async () => {
  await fc.assert(
    fc.asyncProperty(wishes, async (asked) => {
      const workflowId = await newWorkflow();
      await wander(workflowId, asked);
      const workflow = await get(workflowId);
      const events = await eventsOf(workflowId);
      const last = events.at(-1);
      expect(events.map(({ version }) => Number(version))).toEqual(events.map((_, index) => index + 1));
      expect(workflow).toMatchObject({ state: last?.toState, previousState: last?.fromState, version: last?.version });
      expect(workflow.retryCount).toBe(events.filter(({ type }) => type.endsWith("RECOVERED")).length);
      for (const [index, { fromState }] of events.entries()) {
        expect(fromState).toBe(index === 0 ? WorkflowState.UNSPECIFIED : events[index - 1]?.toState);
      }
    }),
    { numRuns: 40 },
  );
});

test("TransitionValidity: of all 36 pairs of states, exactly the nine moves of the lifecycle are made", async () => {
  const made: string[] = [];
  for (const from of workflowStates) {
    for (const to of workflowStates) {
      const workflowId = await newWorkflow(from);
      const before = await get(workflowId);
      if (isMove(from, to)) {
        const { workflow, event } = await move(workflowId, to);
        expect(workflow?.version).toBe(before.version + 1n);
        expect(event).toMatchObject({ fromState: wire(from), toState: wire(to) });
        made.push(`${from}>${to}`);
      } else {
        const { reason } = await failureOf(move(workflowId, to));
        expect(reason).toBe(isTerminal(from) ? "TERMINAL_STATE" : "INVALID_TRANSITION");
        expect(await get(workflowId)).toEqual(before);
      }
    }
  }
  expect(made).toHaveLength(9);
});

test("WorkflowUniqueness: of any number of creations of one id, exactly one succeeds", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 2, max: 12 }), async (attempts) => {
      counter += 1;
      const workflowId = `unique-${counter}`;
      const creations = Array.from({ length: attempts }, (_, index) =>
        server.clients.workflows.createWorkflow({ workflowId, metadata: { index } }),
      );
      const results = await Promise.allSettled(creations);
      const winners = results.filter(({ status }) => status === "fulfilled");
      expect(winners).toHaveLength(1);
      const [event, ...more] = await eventsOf(workflowId);
      expect(more).toEqual([]);
      expect((await get(workflowId)).metadata).toEqual(event?.metadata);
    }),
    { numRuns: 25 },
  );
});

test("ConcurrentSafety: one success at most for each expected version, and the versions of all successes form a chain", async () => {
  const rival = fc.record({ target: stateArbitrary, expected: fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined }) });
  await fc.assert(
    fc.asyncProperty(fc.array(rival, { minLength: 2, maxLength: 24 }), async (rivals) => {
      const workflowId = await newWorkflow("ACTIVE");
      const results = await Promise.allSettled(rivals.map(({ target, expected }) => move(workflowId, target, expected)));
      const versions: number[] = [];
      const byExpected = new Map<number, number>();
      for (const [index, result] of results.entries()) {
        if (result.status === "rejected") continue;
        const version = Number(result.value.workflow?.version);
        const expected = rivals[index]?.expected;
        versions.push(version);
        if (expected === undefined) continue;
        expect(version).toBe(expected + 1);
        byExpected.set(expected, (byExpected.get(expected) ?? 0) + 1);
      }
      versions.sort((a, b) => a - b);
      expect(versions).toEqual(versions.map((_, index) => index + 3));
      expect([...byExpected.values()].every((count) => count === 1)).toBe(true);
      expect((await get(workflowId)).version).toBe(BigInt(2 + versions.length));
      expect(await eventsOf(workflowId)).toHaveLength(2 + versions.length);
    }),
    { numRuns: 40 },
  );
});

test("TerminalStateImmutability: nothing moves a COMPLETED or CANCELLED workflow", async () => {
  await fc.assert(
    fc.asyncProperty(fc.constantFrom("COMPLETED", "CANCELLED") as fc.Arbitrary<State>, wishes, async (terminal, asked) => {
      const workflowId = await newWorkflow(terminal);
      const before = await get(workflowId);
      for (const wish of asked) expect((await failureOf(move(workflowId, wish))).reason).toBe("TERMINAL_STATE");
      const recovery = await failureOf(server.clients.workflows.recoverWorkflow({ workflowId, ...by }));
      expect(recovery.reason).toBe("TERMINAL_STATE");
      expect(await get(workflowId)).toEqual(before);
    }),
    { numRuns: 20 },
  );
});

test("VersionMonotonicity: each applied change adds exactly 1, and a refused one adds nothing", async () => {
  await fc.assert(
    fc.asyncProperty(wishes, async (asked) => {
      const workflowId = await newWorkflow();
      let { version } = await get(workflowId);
      for (const wish of asked) {
        const result = await move(workflowId, wish).catch(() => undefined);
        if (result !== undefined) version += 1n;
        expect((await get(workflowId)).version).toBe(version);
      }
    }),
    { numRuns: 30 },
  );
});

test("PredicateLogicDependency: without the engine nothing moves, and with it again everything does, without a restart", async () => {
  const engineData = temporaryFolder();
  const managerData = temporaryFolder();
  let engine = await startServer({ dataDir: engineData.path, services: "predicate" });
  const manager = await startServer({
    dataDir: managerData.path,
    services: "workflow,commit",
    predicateAddress: engine.address,
    predicateTimeout: "500ms",
  });
  const { workflows } = manager.clients;
  const request = { workflowId: "wf", targetState: WorkflowState.ACTIVE, ...by };
  try {
    await workflows.createWorkflow({ workflowId: "wf" });
    await engine.stop();
    for (let attempt = 0; attempt < 8; attempt += 1) {
      const failure = await failureOf(workflows.transitionWorkflow(request));
      expect(failure).toMatchObject({ reason: "PREDICATE_LOGIC_UNAVAILABLE", retryAfterMs: 1000 });
    }
    const { workflow } = await workflows.getWorkflow({ workflowId: "wf" });
    expect(workflow).toMatchObject({ state: WorkflowState.CREATED, version: 1n });

    engine = await startServer({ dataDir: engineData.path, services: "predicate", listen: engine.address });
    const moved = await untilItMoves(() => workflows.transitionWorkflow(request));
    expect(moved.workflow).toMatchObject({ state: WorkflowState.ACTIVE, version: 2n });
  } finally {
    await manager.stop();
    await engine.stop();
    engineData.remove();
    managerData.remove();
  }
});

/** A caller that obeys RetryInfo. The test's own time limit ends it. */
async function untilItMoves<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch {
      // Not yet.
    }
  }
}

test("RecoveryCompleteness: every FAILED workflow can be recovered, once per failure, and counts it", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 6 }), async (failures) => {
      const workflowId = await newWorkflow("ACTIVE");
      for (let failure = 1; failure <= failures; failure += 1) {
        expect((await failureOf(server.clients.workflows.recoverWorkflow({ workflowId, ...by }))).reason).toBe("NOT_FAILED");
        await move(workflowId, "FAILED");
        const { workflow, event } = await server.clients.workflows.recoverWorkflow({ workflowId, ...by });
        expect(workflow).toMatchObject({ state: WorkflowState.ACTIVE, retryCount: failure });
        expect(event).toMatchObject({ type: "WORKFLOW_EVENT_TYPE_RECOVERED", retryCount: failure });
      }
      const stats = await server.clients.workflows.getSystemStats({});
      expect(stats.recoveriesInProgress).toBe(0n);
      expect(nameOf((await get(workflowId)).state)).toBe("ACTIVE");
    }),
    { numRuns: 15 },
  );
});
