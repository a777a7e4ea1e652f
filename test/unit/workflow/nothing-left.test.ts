import { getEventListeners } from "node:events";
import { afterEach, beforeEach, expect, test } from "vitest";
import { err, ok } from "../../../src/kernel/result.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import { createWatch } from "../../../src/workflow/watch.ts";
import { trackCollections } from "../../support/grown.ts";
import {
  allowed,
  beginTogether,
  creation,
  denied,
  managerOver,
  moveTo,
  requestId,
  tx,
  workflowId,
} from "../../support/workflow-manager.ts";

// A manager that runs for a year answers more requests than fit in memory. What is over leaves nothing behind, whatever its answer was.

const count = 2_000;
const boundMax = 100;

let tracked: ReturnType<typeof trackCollections>;
beforeEach(() => {
  tracked = trackCollections();
});
afterEach(() => tracked.stop());

const key = (index: number) => ({ id: requestId(`r${index}`), digest: "d" });

async function withWorkflow() {
  const under = managerOver();
  await under.manager.create(creation());
  return under;
}

type Under = Awaited<ReturnType<typeof withWorkflow>>;

const requests: Readonly<Record<string, (under: Under, index: number) => Promise<unknown>>> = {
  "of moves that are denied": async ({ manager, engine }, index) => {
    engine.answer = async () => denied;
    await manager.move(moveTo("ACTIVE", { request: key(index) }));
  },
  "of moves whose callers have left": async ({ manager, engine }, index) => {
    engine.answer = () => new Promise(() => {});
    const left = new AbortController();
    const moved = manager.move(moveTo("ACTIVE", { request: key(index) }), { signal: left.signal });
    left.abort();
    await moved;
  },
  "of workflows that are not there": ({ manager }, index) =>
    manager.move({ ...moveTo("ACTIVE", { request: key(index) }), workflowId: `none-${index}` as typeof workflowId }),
  "of prepares that are refused": async (under, index) => {
    under.engine.answer = async () => allowed;
    const begun = await beginTogether(under, moveTo("ACTIVE", { request: key(index) }));
    under.engine.answer = async () => denied;
    await begun.prepare(tx(`t${index}`));
    begun.answer(ok({ transactionId: tx(`t${index}`), outcome: "aborted", abortReason: "a NO", refusals: [] }));
    await begun.moved;
  },
  "of holds that are released": async (under, index) => {
    const begun = await beginTogether(under, moveTo("ACTIVE", { request: key(index) }));
    await begun.prepare(tx(`t${index}`));
    await under.participant.resource.abort({ transactionId: tx(`t${index}`) });
    begun.answer(ok({ transactionId: tx(`t${index}`), outcome: "aborted", abortReason: "another NO", refusals: [] }));
    await begun.moved;
  },
  "of holds that are released when their callers have left": async (under, index) => {
    const left = new AbortController();
    const begun = await beginTogether(under, moveTo("ACTIVE", { request: key(index) }), { signal: left.signal });
    await begun.prepare(tx(`t${index}`));
    left.abort();
    begun.answer(err({ type: "pending", cause: "the caller has left" }));
    await begun.moved;
    await under.participant.resource.abort({ transactionId: tx(`t${index}`) });
  },
  "of transactions that never reach the manager": async (under, index) => {
    const begun = await beginTogether(under, moveTo("ACTIVE", { request: key(index) }));
    begun.answer(err({ type: "unavailable", cause: "away" }));
    await begun.moved;
    await under.participant.resource.abort({ transactionId: tx(`t${index}`) });
    await under.participant.log.get(tx(`t${index}`));
  },
  "of an operator's words about what is not held": ({ manager }, index) =>
    manager.resolve({ workflowId, transactionId: tx(`t${index}`), outcome: "aborted" }),
};

test.each(Object.entries(requests))(`nothing is left ${`of ${count}`} requests: %s`, async (_, run) => {
  const under = await withWorkflow();
  for (let index = 0; index < count; index += 1) await run(under, index);
  expect(tracked.largerThan(boundMax)).toEqual([]);
  expect(under.ownPart.counts).toEqual({ endings: 0, wanted: 0 });
});

test("nothing is left at the signal of a caller who asks often", async () => {
  const under = await withWorkflow();
  const { signal } = new AbortController();
  for (const state of ["ACTIVE", "PAUSED", "ACTIVE"] as const) await under.manager.move(moveTo(state), { signal });
  expect(getEventListeners(signal, "abort")).toEqual([]);
});

test(`nothing is left of ${count} watches, each of another workflow`, async () => {
  const { store } = await withWorkflow();
  const watch = createWatch({ clock: systemClock, store, turns: (signal) => () => signal?.throwIfAborted() as undefined });
  for (let index = 0; index < count; index += 1) {
    const left = new AbortController();
    const messages = watch({
      workflowId: `w${index}` as typeof workflowId,
      filter: undefined,
      afterSequence: 0,
      progressIntervalMs: 60_000,
      signal: left.signal,
    });
    await messages.next();
    const next = messages.next();
    // It has caught up, and is told from memory.
    await new Promise((resolve) => void setImmediate(resolve));
    left.abort(new Error("left"));
    await next.catch(() => undefined);
    await messages.return();
  }
  expect(tracked.largerThan(boundMax)).toEqual([]);
});
