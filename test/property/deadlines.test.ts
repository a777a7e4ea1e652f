import fc from "fast-check";
import { expect, test } from "vitest";
import type { WorkflowId } from "../../src/kernel/ids.ts";
import { allowedMoves, type WorkflowState } from "../../src/kernel/lifecycle.ts";
import { err } from "../../src/kernel/result.ts";
import { createMemoryWorkflowStore } from "../../src/storage/memory/workflow-store.ts";
import { createDeadlines } from "../../src/workflow/deadlines.ts";
import { createFireDeadline } from "../../src/workflow/fire-deadline.ts";
import type { WorkflowStore } from "../../src/workflow/ports.ts";
import { fakeClock, settled } from "../support/fake-clock.ts";
import { allowed, creation, denied, managerOver, moveTo } from "../support/workflow-manager.ts";

// Moves, changes of deadlines, an engine that denies or is away, a clock that is set, and processes that die at any moment, in any order. What is
// true of deadlines is read off the history. A failure prints its seed; replay it with SEED=n npx vitest run --project property.

const ids = ["a", "b", "c"] as readonly string[] as readonly WorkflowId[];

const step = fc.oneof(
  fc.record({ do: fc.constant("move" as const), of: fc.nat(2), to: fc.nat(3), afterMs: fc.option(fc.nat(300)) }),
  fc.record({ do: fc.constant("set" as const), of: fc.nat(2), to: fc.nat(3), afterMs: fc.nat(300) }),
  fc.record({ do: fc.constant("cancel" as const), of: fc.nat(2) }),
  fc.record({ do: fc.constant("pass" as const), ms: fc.nat(400) }),
  fc.record({ do: fc.constant("clock" as const), ms: fc.integer({ min: -500, max: 500 }) }),
  fc.record({ do: fc.constant("crash" as const) }),
  fc.record({ do: fc.constant("engine" as const), says: fc.constantFrom("allowed", "denied", "away") }),
);

type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

/** A process: once it is dead, nothing of it reaches the store. */
function processOver(stored: WorkflowStore, clock: ReturnType<typeof fakeClock>, engine: { says: string }) {
  const process = { isAlive: true };
  const store: WorkflowStore = {
    ...stored,
    apply: async (batch) =>
      process.isAlive ? stored.apply(batch) : err({ type: "storage-unavailable", cause: "dead", outcomeUnknown: true }),
  };
  const under = managerOver(store, {}, clock.nowMs);
  under.engine.answer = async () => {
    if (engine.says === "away") return err({ type: "unavailable", cause: "away" });
    return engine.says === "denied" ? denied : allowed;
  };
  const report = { fired: () => {}, failed: (error: unknown) => expect(error).toBeUndefined() };
  const fire = createFireDeadline({ store, environment: under.environment, move: under.manager.move });
  const deadlines = createDeadlines({ store, clock, fire, report });
  deadlines.start();
  return { process, under, deadlines };
}

async function run(
  steps: readonly Step[],
): Promise<{ readonly store: WorkflowStore; readonly clock: ReturnType<typeof fakeClock> }> {
  const store = createMemoryWorkflowStore();
  const clock = fakeClock(1_000_000);
  const engine = { says: "allowed" };
  let running = processOver(store, clock, engine);
  for (const id of ids) await running.under.manager.create(creation(id));
  const targetOf = (state: WorkflowState, index: number): WorkflowState | undefined => {
    const targets = allowedMoves(state);
    return targets[index % targets.length];
  };
  for (const each of steps) {
    const { manager } = running.under;
    const id = "of" in each ? ids[each.of] : undefined;
    const state = (id && (await store.get(id)))?.state;
    switch (each.do) {
      case "move": {
        const target = state && targetOf(state, each.to);
        const next = target && targetOf(target, each.to);
        if (id === undefined || target === undefined) break;
        const { move, ...command } = moveTo(target, { workflowId: id });
        const deadline =
          each.afterMs === null || next === undefined
            ? {}
            : { deadline: { due: { afterMs: each.afterMs }, targetState: next, reason: "late" } };
        void manager.move({ ...command, move: { ...move, ...deadline } });
        break;
      }
      case "set":
      case "cancel": {
        const target = each.do === "set" ? state && targetOf(state, each.to) : undefined;
        if (id === undefined || (each.do === "set" && target === undefined)) break;
        const wanted =
          each.do === "set" && target ? { due: { afterMs: each.afterMs }, targetState: target, reason: "late" } : undefined;
        const asked = { expectedVersion: undefined, reason: "because", requestedBy: "ada", request: undefined };
        void manager.setDeadline({ workflowId: id, wanted, ...asked });
        break;
      }
      case "pass":
        await clock.pass(each.ms);
        break;
      case "clock":
        clock.set(clock.nowMs() + each.ms);
        break;
      case "crash":
        running.process.isAlive = false;
        await running.deadlines.close();
        running = processOver(store, clock, engine);
        break;
      case "engine":
        engine.says = each.says;
        break;
    }
  }
  await settled();
  // In the end all is well, and everything that is due has had its time.
  engine.says = "allowed";
  await clock.pass(200_000);
  await running.deadlines.close();
  return { store, clock };
}

test("a deadline passes at most once, not before its time, never after it was cancelled, changed or left; and none is lost", () =>
  fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const { store, clock } = await run(steps);
      const { rows } = await store.listEvents({ afterSequence: 0, limit: 1_000 });
      for (const id of ids) {
        const events = rows.filter(({ workflowId }) => workflowId === id);
        for (const [index, event] of events.entries()) {
          expect(event.version).toBe(index + 1);
          if (event.requestedBy !== "system:deadline") continue;
          // It is the deadline that the change before it has set, and no other: so it is that state's own, and is used once.
          const { deadline } = events[index - 1] ?? {};
          expect(deadline).toBeDefined();
          expect(event.occurredAtMs).toBeGreaterThanOrEqual(deadline?.atMs ?? 0);
          if (event.type !== "DEADLINE_REFUSED") {
            expect([event.toState, event.reason]).toEqual([deadline?.targetState, deadline?.reason]);
          }
        }
        const workflow = await store.get(id);
        expect(workflow?.deadline).toEqual(events.at(-1)?.deadline);
        // What is still waited for is not due.
        if (workflow?.deadline !== undefined) expect(workflow.deadline.atMs).toBeGreaterThan(clock.nowMs());
      }
    }),
    { numRuns: 300 },
  ));
