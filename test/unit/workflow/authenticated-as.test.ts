import { expect, test } from "vitest";
import { ok } from "../../../src/kernel/result.ts";
import { createMemoryWorkflowStore } from "../../../src/storage/memory/workflow-store.ts";
import { runBulk } from "../../../src/workflow/bulk-run.ts";
import { noTerms } from "../../../src/workflow/core/policy.ts";
import { createFireDeadline } from "../../../src/workflow/fire-deadline.ts";
import { createPolicies } from "../../../src/workflow/policies.ts";
import type { PredicateCheck } from "../../../src/workflow/ports.ts";
import { judgeUpdate } from "../../../src/workflow/update.ts";
import { pausing } from "../../support/pausing.ts";
import {
  beginTogether,
  creation,
  denied,
  type ManagerUnderTest,
  managerOver,
  moveTo,
  tx,
  workflowId,
} from "../../support/workflow-manager.ts";

// Who has asked, as far as it was proved: in each event, and in each question to the rules.

const ada = { authenticatedAs: "spiffe://example.org/ada" };
const signal = new AbortController().signal;

const moveAs = (to: "ACTIVE" | "PAUSED", who: { readonly authenticatedAs?: string } = ada) => {
  const command = moveTo(to);
  return { ...command, move: { ...command.move, ...who } };
};

const told = async ({ store }: Pick<ManagerUnderTest, "store">) =>
  (await store.listEvents({ afterSequence: 0, limit: 99 })).rows.map((event) => [event.type, event.authenticatedAs]);

const askedAs = ({ asked }: ManagerUnderTest) => asked.map(({ authenticatedAs }: PredicateCheck) => authenticatedAs);

test("a creation that starts has it in both events, and the rules of its move are told", async () => {
  const under = managerOver();
  await under.manager.create({ ...creation(), initialState: "ACTIVE", ...ada });
  expect(await told(under)).toEqual([
    ["CREATED", ada.authenticatedAs],
    ["TRANSITION", ada.authenticatedAs],
  ]);
  expect(askedAs(under)).toEqual([ada.authenticatedAs]);
  expect(under.asked[0]?.lastEvent).toMatchObject(ada);
});

test("a move, and a deadline that is set; without a proof it is left out", async () => {
  const under = managerOver();
  await under.manager.create(creation());
  await under.manager.move(moveAs("ACTIVE"));
  const wanted = { due: { afterMs: 5 }, targetState: "FAILED", reason: "late" } as const;
  const asked = { workflowId, expectedVersion: undefined, reason: "late", requestedBy: "ada", request: undefined };
  await under.manager.setDeadline({ ...asked, wanted, ...ada });
  await under.manager.move(moveAs("PAUSED", {}));
  expect(await told(under)).toEqual([
    ["CREATED", undefined],
    ["TRANSITION", ada.authenticatedAs],
    ["DEADLINE_SET", ada.authenticatedAs],
    ["TRANSITION", undefined],
  ]);
  expect(askedAs(under)).toEqual([ada.authenticatedAs, undefined]);
  const { rows } = await under.store.listEvents({ afterSequence: 3, limit: 1 });
  expect(rows[0]).not.toHaveProperty("authenticatedAs");
});

test("what is held keeps it until it is committed", async () => {
  const under = managerOver();
  await under.manager.create(creation());
  const begun = await beginTogether(under, moveAs("ACTIVE"));
  await begun.prepare(tx("t-1"));
  expect((await under.store.get(workflowId))?.hold?.move).toMatchObject(ada);
  // Before there is a transaction, and when it is prepared.
  expect(askedAs(under)).toEqual([ada.authenticatedAs, ada.authenticatedAs]);
  const coordinator = { coordinatorId: "c", coordinatorEpoch: 1 };
  await under.participant.resource.commit({ transactionId: tx("t-1"), ...coordinator });
  begun.answer(ok({ transactionId: tx("t-1"), outcome: "committed", abortReason: "", refusals: [] }));
  await begun.moved;
  expect((await told(under)).at(-1)).toEqual(["TRANSITION", ada.authenticatedAs]);
});

test("an update is asked about in its name", async () => {
  const under = managerOver();
  await under.manager.create(creation());
  const update = { patch: { a: 1 }, reason: "because", requestedBy: "ada", eventMetadata: {}, ...ada };
  const attempts = { store: under.store, environment: under.environment, turns: pausing(), predicates: under.predicates };
  const command = { workflowId, expectedVersion: undefined, context: {}, update };
  expect(await judgeUpdate(attempts, command, { signal })).toMatchObject({ ok: true });
  expect(askedAs(under)).toEqual([ada.authenticatedAs]);
});

test("the move of a deadline, and its refusal, are the manager's own", async () => {
  const under = managerOver();
  await under.manager.create(creation());
  const deadline = { due: { afterMs: 1 }, targetState: "FAILED", reason: "late" } as const;
  const begun = moveAs("ACTIVE");
  await under.manager.move({ ...begun, move: { ...begun.move, deadline } });
  under.engine.answer = async () => denied;
  const fire = createFireDeadline({ store: under.store, environment: under.environment, move: under.manager.move });
  const [due] = await under.store.due({ upToMs: Number.MAX_SAFE_INTEGER, after: undefined, limit: 1 });
  if (due === undefined) throw new Error("it is due");
  expect(await fire(due, signal)).toMatchObject({ type: "refused" });
  expect(askedAs(under).at(-1)).toBe("system:deadline");
  expect((await told(under)).at(-1)).toEqual(["DEADLINE_REFUSED", "system:deadline"]);
});

test("each change of a bulk operation is made in the name of who has started it", async () => {
  const store = createMemoryWorkflowStore();
  const under = managerOver(store);
  await under.manager.create(creation());
  const operation = {
    id: "bulk-1",
    filter: "",
    action: { type: "move", targetState: "ACTIVE", mustRecover: false, context: {}, eventMetadata: {} },
    isDryRun: false,
    ratePerSecond: 1_000,
    state: "RUNNING",
    doneCount: 0,
    refusedCount: 0,
    position: "",
    reason: "all",
    requestedBy: "ada",
    request: undefined,
    createdAtMs: 9_999,
    stateEnteredAtMs: 9_999,
    ...ada,
  } as const;
  await store.bulk.add(operation, 1);
  const running = {
    ...{ store, bulk: store.bulk, environment: under.environment, turns: pausing(), predicates: under.predicates },
    filterOf: () => ({ known: {}, matches: () => true }),
    clock: {
      monotonicMs: () => 0,
      setTimer(_: number, run: () => void) {
        setImmediate(run);
        return () => {};
      },
    },
  };
  await runBulk(running, operation, signal, () => {});
  expect(await told(under)).toEqual([
    ["CREATED", undefined],
    ["TRANSITION", ada.authenticatedAs],
  ]);
  expect(askedAs(under)).toEqual([ada.authenticatedAs]);
});

test("a policy says who has set it", async () => {
  const policies = await createPolicies({ store: createMemoryWorkflowStore(), environment: { nowMs: () => 1 } });
  const command = { workflowType: "sample", expectedRevision: undefined, reason: "r", requestedBy: "ada", request: undefined };
  await policies.set({ ...command, ...ada }, noTerms);
  expect(policies.get("sample")).toMatchObject(ada);
});
