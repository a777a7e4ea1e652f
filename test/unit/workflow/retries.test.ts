import { describe, expect, test } from "vitest";
import type { TransactionId } from "../../../src/kernel/ids.ts";
import { err, ok } from "../../../src/kernel/result.ts";
import {
  allowed,
  beginTogether,
  creation,
  denied,
  type ManagerUnderTest,
  managerOver,
  moveTo,
  requestId,
  tx,
  workflowId,
} from "../../support/workflow-manager.ts";

const key = (digest = "d") => ({ id: requestId("r"), digest });
const command = moveTo("ACTIVE", { request: key() });
const transactionId = tx("t1");
const committed = { transactionId, outcome: "committed", abortReason: "", refusals: [] } as const;
const aborted = { ...committed, outcome: "aborted", abortReason: "no" } as const;

async function withWorkflow() {
  const under = managerOver();
  await under.manager.create(creation());
  return under;
}

/** An atomic transition that is prepared, and not decided yet. */
async function prepared(caller: { readonly signal?: AbortSignal } = {}) {
  const under = await withWorkflow();
  const begun = await beginTogether(under, command, caller);
  await begun.prepare(transactionId);
  const resource = under.participant.resource;
  return { ...under, ...begun, commit: () => resource.commit({ transactionId }), abort: () => resource.abort({ transactionId }) };
}

/** The same store, another process: its manager knows what is stored. */
const restart = ({ store }: Pick<ManagerUnderTest, "store">) => {
  const restarted = managerOver(store);
  const { resource } = restarted.participant;
  return {
    ...restarted,
    commit: () => resource.commit({ transactionId }),
    abort: () => resource.abort({ transactionId }),
  };
};

/** The answer, if it comes of what has happened already: who is never woken would wait for as long as the test may last. */
const heard = <Answer>(answer: Promise<Answer>) => Promise.race([answer, manyTurns().then(() => "nobody has told it" as const)]);

async function manyTurns(): Promise<void> {
  for (let turns = 0; turns < 50; turns += 1) await new Promise((resolve) => void setImmediate(resolve));
}

describe("a retry of an atomic transition", () => {
  test("that meets its first attempt joins it: one transaction, one answer", async () => {
    const first = await prepared();
    const retried = first.manager.moveTogether(command);
    first.answer(ok(committed));
    await first.commit();
    expect(await heard(retried)).toMatchObject({ ok: true, value: { event: { transactionId } } });
    expect(await retried).toEqual(await first.moved);
  });

  test("gets the abort of the attempt that it has joined, and the next one runs anew", async () => {
    const first = await prepared();
    const retried = first.manager.moveTogether(command);
    await first.abort();
    first.answer(ok(aborted));
    expect(await retried).toMatchObject({ error: { type: "transaction-aborted", transactionId } });
    expect(await retried).toEqual(await first.moved);
    const anew = await beginTogether(first, command);
    expect(await anew.prepare(tx("t2"))).toMatchObject({ value: "commit" });
  });

  test("after a restart waits for the end of the hold, and gets its answer", async () => {
    const restarted = restart(await prepared());
    const retries = [restarted.manager.moveTogether(command), restarted.manager.moveTogether(command)];
    await restarted.commit();
    const [one, other] = await Promise.all(retries);
    expect(one).toMatchObject({ ok: true, value: { workflow: { version: 2 }, event: { transactionId } } });
    expect(other).toEqual(one);
  });

  test("after a restart hears that its first attempt was aborted, and the next one runs anew", async () => {
    const restarted = restart(await prepared());
    const waits = Promise.withResolvers<TransactionId>();
    const retried = restarted.manager.moveTogether(command, { onBegun: waits.resolve });
    await waits.promise;
    await restarted.abort();
    expect(await heard(retried)).toMatchObject({ error: { type: "transaction-aborted", workflowId, transactionId } });
    expect(await (await beginTogether(restarted, command)).prepare(tx("t2"))).toMatchObject({ value: "commit" });
  });

  test("after a restart, while the decision is not known: names the transaction when its time is over", async () => {
    const restarted = restart(await prepared());
    const begun = Promise.withResolvers<TransactionId>();
    const caller = new AbortController();
    const retried = restarted.manager.moveTogether(command, { signal: caller.signal, onBegun: begun.resolve });
    expect(await begun.promise, "it can ask after it while it waits").toBe(transactionId);
    caller.abort();
    expect(await retried).toMatchObject({ error: { type: "outcome-pending", workflowId, transactionId } });
    expect(await restarted.store.get(workflowId)).toMatchObject({ hold: { transactionId } });
  });

  const toldOf = {
    committed: { ok: true, value: { event: { transactionId } } },
    aborted: { error: { type: "transaction-aborted", transactionId } },
  } as const;

  // Nobody would tell it: who ended it did so before anybody waited.
  test.each(["committed", "aborted"] as const)(
    "after a restart, that was %s since its hold was read, hears so at once",
    async (end) => {
      const restarted = restart(await prepared());
      const { get } = restarted.store;
      const other = restart(restarted);
      restarted.store.get = async (id) => {
        const found = await get(id);
        restarted.store.get = get;
        await (end === "committed" ? other.commit() : other.abort());
        return found;
      };
      expect(await heard(restarted.manager.moveTogether(command))).toMatchObject(toldOf[end]);
      expect(restarted.ownPart.counts).toEqual({ endings: 0, wanted: 0 });
    },
  );

  // There is one look at the store only: what ends behind it is told to who waits by then.
  test.each(["committed", "aborted"] as const)(
    "after a restart, that is %s while its end is looked for, is told of it",
    async (end) => {
      const restarted = restart(await prepared());
      const { outcome } = restarted.store;
      restarted.store.outcome = async (id) => {
        const found = await outcome(id);
        restarted.store.outcome = outcome;
        await (end === "committed" ? restarted.commit() : restarted.abort());
        return found;
      };
      expect(await heard(restarted.manager.moveTogether(command))).toMatchObject(toldOf[end]);
      expect(restarted.ownPart.counts).toEqual({ endings: 0, wanted: 0 });
    },
  );

  test("after its caller has left waits for the end of what it has left behind", async () => {
    const caller = new AbortController();
    const first = await prepared({ signal: caller.signal });
    caller.abort();
    expect(await first.moved).toMatchObject({ error: { type: "outcome-pending", transactionId } });
    const retried = first.manager.moveTogether(command);
    await first.commit();
    expect(await heard(retried)).toMatchObject({ ok: true, value: { event: { transactionId } } });
  });

  test("after its caller has left, that finds the hold in the store before its prepare knows of it, hears the end too", async () => {
    const under = await withWorkflow();
    const caller = new AbortController();
    const begun = await beginTogether(under, command, { signal: caller.signal });
    const gate = Promise.withResolvers<void>();
    const apply = under.store.apply;
    under.store.apply = async (batch) => {
      const applied = await apply(batch);
      await gate.promise;
      return applied;
    };
    const preparing = begun.prepare(transactionId);
    await expect.poll(async () => (await under.store.get(workflowId))?.hold).toBeDefined();
    caller.abort();
    await begun.moved;
    const retried = under.manager.moveTogether(command);
    await new Promise(setImmediate);
    gate.resolve();
    await preparing;
    await under.participant.resource.commit({ transactionId });
    expect(await heard(retried)).toMatchObject({ ok: true, value: { event: { transactionId } } });
  });

  test("that is held by the attempt its caller has left, only while it is prepared itself, is not told of that", async () => {
    const under = await withWorkflow();
    const caller = new AbortController();
    const first = await beginTogether(under, command, { signal: caller.signal });
    const asked = Promise.withResolvers<void>();
    const answered = Promise.withResolvers<typeof allowed>();
    under.engine.answer = () => {
      asked.resolve();
      return answered.promise;
    };
    const preparing = first.prepare(transactionId);
    await asked.promise;
    caller.abort();
    await first.moved;
    under.engine.answer = async () => allowed;
    const second = await beginTogether(under, command);
    answered.resolve(allowed);
    await preparing;
    expect(await second.prepare(tx("t2"))).toMatchObject({ reason: "IN_TRANSITION: held by transaction t1" });
    second.answer(ok({ ...aborted, transactionId: tx("t2") }));
    await under.participant.resource.commit({ transactionId });
    expect(await second.moved).toMatchObject({ ok: true, value: { event: { transactionId } } });
  });

  test("of another request with its id is a misuse, under way or held", async () => {
    const first = await prepared();
    const other = moveTo("ACTIVE", { request: key("other") });
    const misuse = { error: { type: "request-id-reused", requestId: "r" } };
    expect(await first.manager.moveTogether(other)).toMatchObject(misuse);
    expect(await first.manager.move(other)).toMatchObject(misuse);
    expect(await restart(first).manager.moveTogether(other)).toMatchObject(misuse);
    expect(await restart(first).manager.move(other)).toMatchObject(misuse);
  });

  test("that was carried out while it was judged gets the answer, and moves nothing", async () => {
    const under = await withWorkflow();
    const rival = restart(under);
    const late = await beginTogether(under, command);
    const first = await beginTogether(rival, command);
    await first.prepare(transactionId);
    await rival.commit();
    expect(await late.prepare(tx("t2"))).toMatchObject({ reason: "the request was carried out already" });
    late.answer(ok({ ...aborted, transactionId: tx("t2") }));
    expect(await late.moved).toMatchObject({ ok: true, value: { event: { transactionId } } });
  });
});

test("a retry that is refused while its first attempt is carried out gets the answer of that", async () => {
  const under = await withWorkflow();
  const rival = restart(under);
  const first = await beginTogether(rival, command);
  under.engine.answer = async () => {
    await first.prepare(transactionId);
    await rival.commit();
    return denied;
  };
  expect(await under.manager.moveTogether(command)).toMatchObject({ ok: true, value: { event: { transactionId } } });
});

// Told of a lost race instead, its caller would take what it has done for another's.
test("a retry of a change that is no move, and is carried out beside it, gets the answer of that", async () => {
  const under = await withWorkflow();
  const rival = restart(under);
  const wanted = { due: { afterMs: 60_000 }, targetState: "ACTIVE", reason: "too slow" } as const;
  const said = { workflowId, expectedVersion: undefined, wanted, reason: "because", requestedBy: "ada", request: key() };
  const { apply } = under.store;
  let first: Awaited<ReturnType<typeof rival.manager.setDeadline>> | undefined;
  under.store.apply = async (batch) => {
    under.store.apply = apply;
    first = await rival.manager.setDeadline(said);
    return apply(batch);
  };
  expect(await under.manager.setDeadline(said)).toEqual(first);
  expect(first).toMatchObject({ ok: true, value: { workflow: { version: 2 } } });
});

describe("a caller that leaves", () => {
  test("ends the transaction, unless another still waits for it", async () => {
    const [one, other] = [new AbortController(), new AbortController()];
    const first = await prepared({ signal: one.signal });
    const joined = first.manager.moveTogether(command, { signal: other.signal });
    one.abort();
    expect(await first.moved).toMatchObject({ error: { type: "outcome-pending", transactionId } });
    expect(first.request.signal.aborted).toBe(false);
    other.abort();
    expect(await joined).toMatchObject({ error: { type: "outcome-pending", transactionId } });
    expect(first.request.signal.aborted).toBe(true);
  });

  // Forgotten with the first who leaves, it would be begun a second time beside itself.
  test("leaves it to be joined, as long as another waits for it", async () => {
    const under = await withWorkflow();
    const answered = Promise.withResolvers<typeof allowed>();
    under.engine.answer = () => answered.promise;
    const leaving = new AbortController();
    const left = under.manager.move(command, { signal: leaving.signal });
    const waits = under.manager.move(command);
    leaving.abort();
    expect(await left).toMatchObject({ error: { type: "outcome-pending" } });
    const retried = under.manager.move(command);
    await manyTurns();
    expect(under.asked).toHaveLength(1);
    answered.resolve(allowed);
    expect(await retried).toMatchObject({ ok: true, value: { workflow: { version: 2 } } });
    expect(await retried).toEqual(await waits);
  });

  test("is told nothing more; who has joined is told of the transaction", async () => {
    const under = await withWorkflow();
    const answered = Promise.withResolvers<typeof allowed>();
    under.engine.answer = () => answered.promise;
    const told: string[] = [];
    const leaving = new AbortController();
    const left = under.manager.moveTogether(command, { signal: leaving.signal, onBegun: () => told.push("who has left") });
    const joined = beginTogether(under, command, { onBegun: (id) => told.push(`who has joined: ${id}`) });
    leaving.abort();
    expect(await left).toMatchObject({ error: { type: "outcome-pending", transactionId: undefined } });
    answered.resolve(allowed);
    await (await joined).prepare(transactionId);
    await manyTurns();
    expect(told).toEqual([`who has joined: ${transactionId}`]);
  });

  test("ends a transaction without a request id too", async () => {
    const caller = new AbortController();
    const begun = await beginTogether(await withWorkflow(), moveTo("ACTIVE"), { signal: caller.signal });
    caller.abort();
    await begun.moved;
    expect(begun.request.signal.aborted).toBe(true);
  });

  test("before it has asked is not waited for", async () => {
    const under = await withWorkflow();
    under.engine.answer = () => new Promise(() => {});
    const moved = under.manager.move(moveTo("ACTIVE"), { signal: AbortSignal.abort() });
    expect(await heard(moved)).toMatchObject({ error: { type: "outcome-pending" } });
  });

  test("before its plain move is written: it is not made", async () => {
    const under = await withWorkflow();
    const caller = new AbortController();
    const answered = Promise.withResolvers<typeof allowed>();
    under.engine.answer = () => answered.promise;
    const moved = under.manager.move(moveTo("ACTIVE"), { signal: caller.signal });
    caller.abort();
    expect(await moved).toMatchObject({ error: { type: "outcome-pending" } });
    answered.resolve(allowed);
    await new Promise((resolve) => setImmediate(resolve));
    expect(await under.store.get(workflowId)).toMatchObject({ version: 1 });
  });
});

test("the coordinator is given what is left of the caller's time", async () => {
  const under = await withWorkflow();
  under.engine.answer = async () => {
    under.clock.nowMs += 20_000;
    return allowed;
  };
  const begun = await beginTogether(under, command);
  expect(begun.request.timeoutMs).toBeLessThanOrEqual(40_000);
  expect(begun.request.timeoutMs).toBeGreaterThan(39_000);
});

test("the coordinator is given some time, though the caller's is over", async () => {
  const under = await withWorkflow();
  under.engine.answer = async () => {
    under.clock.nowMs += 100_000;
    return allowed;
  };
  expect((await beginTogether(under, command)).request.timeoutMs).toBe(1);
});

test("a plain move joins its first attempt under way, and gets its answer also when it would be refused itself", async () => {
  const under = await withWorkflow();
  const answered = Promise.withResolvers<typeof allowed>();
  under.engine.answer = () => answered.promise;
  const first = under.manager.move(command);
  const retried = under.manager.move(command);
  answered.resolve(allowed);
  expect(await first).toMatchObject({ ok: true });
  expect(await retried).toEqual(await first);
  expect(under.asked).toHaveLength(1);
});

test("what the coordinator could not begin may be asked for again with the same id", async () => {
  const under = await withWorkflow();
  const first = await beginTogether(under, command);
  first.answer(err({ type: "overloaded", cause: "busy" }));
  expect(await first.moved).toMatchObject({ error: { type: "coordinator-overloaded" } });
  expect(await (await beginTogether(under, command)).prepare(transactionId)).toMatchObject({ value: "commit" });
});
