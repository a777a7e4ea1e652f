import { assert } from "../kernel/assert.ts";
import type { ParticipantId, TransactionId } from "../kernel/ids.ts";
import type { Origin } from "../kernel/origin.ts";
import { err, type Result } from "../kernel/result.ts";
import type { TimeMs } from "../kernel/time.ts";
import type { WriteFailure } from "../kernel/write.ts";
import { type Attempts, earlierAnswers, inSlices, judgeAndWrite } from "./attempt.ts";
import { holdMove } from "./core/step.ts";
import type { Hold } from "./core/types.ts";
import { endHolds, isHolding } from "./end-hold.ts";
import type { MovesError } from "./errors.ts";
import { heldPageSize } from "./limits.ts";
import type { OwnPart } from "./own-part.ts";
import type { KnownCoordinator, TransactionOutcome, WorkflowBatch, WorkflowConflict, WorkflowPut } from "./ports.ts";

import { refusalTextOfMoves } from "./refusal-text.ts";

/**
 * The workflow manager as a participant of TwoPhaseCommit. Its store is its log: a hold is the durable promise, the event with the
 * transaction's id is the durable commit. All three verbs are idempotent, for any of them may be repeated after a crash.
 */
export function createWorkflowParticipant(
  dependencies: Attempts & { readonly participantId: ParticipantId; readonly ownPart: OwnPart },
) {
  const { store, environment, participantId, ownPart, turns } = dependencies;

  const write = async (batch: WorkflowBatch): Promise<void> => written(await store.apply(batch));

  const resource = {
    async prepare(work: {
      readonly transactionId: TransactionId;
      readonly payload: Uint8Array;
      readonly coordinatorId: string;
      readonly coordinatorEpoch: number;
      readonly origin?: Origin | undefined;
    }) {
      const { transactionId, coordinatorId, coordinatorEpoch } = work;
      const wanted = ownPart.take(transactionId, work.payload);
      if (wanted === undefined) {
        return (await isHolding(store, transactionId))
          ? consented
          : refuse(`${participantId} is reserved: the payload was not made by this workflow manager, or its caller has left`);
      }
      const { moves, participantIds, deadlineMs } = wanted;
      // specs/WorkflowManager.tla: Unchanged. What was done already is not held again.
      const earlier = await earlierAnswers(dependencies, moves);
      if (earlier !== undefined) return refuse("the request was carried out already");
      const transaction = { transactionId, participantIds };
      // By way of the coordinator, if it tells.
      const asker = { signal: never, deadlineMs, origin: work.origin ?? wanted.origin };
      const prepared = await judgeAndWrite(dependencies, moves, transaction, asker, async (judged) => {
        const preparedAtMs = environment.nowMs();
        const promised = { transactionId, coordinatorId, coordinatorEpoch, preparedAtMs, deadlineMs };
        const wantedHolds = judged.map((each, index) => ({ ...each, command: moves.commands[index] }));
        const puts = await inSlices(wantedHolds, turns(), ({ workflow, consent, command }): WorkflowPut => {
          assert(command !== undefined, "what is judged was asked for");
          const held = holdMove(workflow, { ...promised, move: command.move, ...consent });
          return { workflow: held, expected: { version: workflow.version, heldBy: undefined }, keeps: "all but the hold" };
        });
        return store.apply({ puts, events: [] });
      });
      if (prepared.ok || isHeldBy(transactionId, prepared.error)) {
        ownPart.held(transactionId, wanted);
        return consented;
      }
      assert(prepared.error.type !== "request-exists", "a prepare stores no answer");
      wanted.refusal = err(prepared.error);
      if (prepared.error.type === "storage-unavailable" && prepared.error.outcomeUnknown) {
        // It may be held all the same, and after a refusal nobody would end that. What fails to prepare is aborted until it is.
        throw new Error(`the hold may be written or not: ${prepared.error.cause}`);
      }
      // The other participants' side of the story; the caller of TransitionWorkflow gets the error itself.
      return refuse(refusalTextOfMoves(prepared.error));
    },

    /** What holds nothing has ended before. */
    async commit({ transactionId }: { readonly transactionId: TransactionId }): Promise<{ readonly lost: string } | undefined> {
      const committed = await endHolds(dependencies, transactionId, "committed");
      if (committed !== undefined) return written(committed);
      const ended = await store.outcome(transactionId);
      if (ended?.outcome === "committed") return undefined;
      return ended === undefined
        ? { lost: "the workflow store has neither the hold of this transaction nor its event" }
        : { lost: "the hold of this transaction was released before" };
    },

    async abort({ transactionId }: { readonly transactionId: TransactionId }): Promise<void> {
      const aborted = await endHolds(dependencies, transactionId, "aborted");
      if (aborted !== undefined) return written(aborted);
      // An operator's word came first. What is not true is never acknowledged; after a restart the record refuses the decision.
      if ((await store.outcome(transactionId))?.outcome === "committed") throw new Error("the held move was made before");
    },
  };

  /** What the participant's protocol must not forget, read off the store. What the resource has written needs no second record. */
  const log = {
    /** The store is the log of nobody else. */
    id: participantId,

    async load() {
      const records: ReturnType<typeof recordOfHold>[] = [];
      const breathe = turns();
      let afterId: TransactionId | undefined;
      for (;;) {
        await breathe();
        const page = await store.held({ afterId, limit: heldPageSize });
        const holds = page.flatMap(({ hold }) => hold ?? []);
        // A transaction that holds several has one record. The next page begins behind all that it holds.
        records.push(...holds.filter((hold, at) => hold.transactionId !== holds[at - 1]?.transactionId).map(recordOfHold));
        if (page.length < heldPageSize) return records;
        afterId = holds.at(-1)?.transactionId;
      }
    },

    async get(transactionId: TransactionId) {
      const ended = await store.outcome(transactionId);
      if (ended !== undefined) return recordOf(ended, ended.outcome, environment.nowMs());
      const hold = (await store.heldBy({ transactionId, limit: 1 }))[0]?.hold;
      return hold === undefined ? undefined : recordOfHold(hold);
    },

    coordinators: () => store.coordinators(),

    async persistCoordinator(coordinator: KnownCoordinator): Promise<void> {
      await write({ puts: [], events: [], coordinator });
    },

    async persist(record: {
      readonly transactionId: TransactionId;
      readonly coordinatorId: string;
      readonly state: RecordState | "lost";
    }): Promise<void> {
      // An abort of what was never prepared here is remembered, so that its Prepare, coming late, is refused. Of a hold that is lost
      // there is nothing to write: it is looked for each time.
      if (record.state !== "aborted" || (await store.outcome(record.transactionId)) !== undefined) return;
      await write({
        puts: [],
        events: [],
        outcome: {
          transactionId: record.transactionId,
          coordinatorId: record.coordinatorId,
          outcome: "aborted",
          atMs: environment.nowMs(),
        },
      });
    },

    /** Also what was committed: its coordinator has had the time to send it again, had it not been acknowledged. */
    async purge({ coordinatorId, updatedBeforeMs: olderThanMs, limit }: PurgeBefore): Promise<number> {
      const purged = await store.purgeOutcomes({ coordinatorId, olderThanMs, limit });
      if (!purged.ok) throw new Error(`outcomes are not purged: ${JSON.stringify(purged.error)}`);
      return purged.value;
    },

    keptBeforeMs: store.keptBeforeMs,
  };

  return { resource, log };
}

type PurgeBefore = { readonly coordinatorId: string; readonly updatedBeforeMs: TimeMs; readonly limit: number };

/** Throws if it was not; the caller comes again. */
function written(applied: Result<unknown, WriteFailure<WorkflowConflict>>): undefined {
  if (!applied.ok) throw new Error(`the end of a hold was not written: ${JSON.stringify(applied.error)}`);
}

/** A prepare is abandoned by an abort of its transaction, not by its caller. */
const never = new AbortController().signal;

/** All of them, then: they are held by one write. */
const isHeldBy = (transactionId: TransactionId, error: MovesError | { readonly type: "request-exists" }): boolean =>
  error.type === "items-refused" &&
  error.errors.some((each) => each?.type === "in-transition" && each.transactionId === transactionId);

const consented = { value: "commit", reason: "" } as const;

function refuse(reason: string) {
  return { value: "abort", reason } as const;
}

type RecordState = "prepared" | TransactionOutcome;

function recordOfHold(hold: Hold) {
  return recordOf(hold, "prepared", hold.preparedAtMs, hold.coordinatorEpoch);
}

function recordOf(
  { transactionId, coordinatorId }: Pick<Hold, "transactionId" | "coordinatorId">,
  state: RecordState,
  updatedAtMs: TimeMs,
  coordinatorEpoch = 0,
) {
  const payload = new Uint8Array();
  return { transactionId, state, onePhase: false, coordinatorId, coordinatorEpoch, payload, reason: "", updatedAtMs };
}
