import { assert } from "../kernel/assert.ts";
import type { ParticipantId, TransactionId } from "../kernel/ids.ts";
import { err } from "../kernel/result.ts";
import { firstCharacters } from "../kernel/text.ts";
import type { TimeMs } from "../kernel/time.ts";
import { type Attempts, earlierAnswer, judgeAndWrite, rememberAnswer, stampOf } from "./attempt.ts";
import { commitHold, holdMove, releaseHold } from "./core/step.ts";
import type { Hold, Workflow, WorkflowEvent } from "./core/types.ts";
import type { ManagerError } from "./errors.ts";
import type { OwnPart } from "./own-part.ts";
import type { KnownCoordinator, TransactionOutcome, WorkflowBatch } from "./ports.ts";

/** As the contract has it for `Vote.reason`. */
const refusalLengthMax = 1000;

/**
 * The workflow manager as a participant of TwoPhaseCommit. Its store is its log: a hold is the durable promise, the event with the
 * transaction's id is the durable commit. All three verbs are idempotent, for any of them may be repeated after a crash.
 */
export function createWorkflowParticipant(
  dependencies: Attempts & { readonly participantId: ParticipantId; readonly ownPart: OwnPart },
) {
  const { store, environment, participantId, ownPart } = dependencies;

  /** Nothing if the hold has ended: the verb was carried out before. */
  async function heldBy(transactionId: TransactionId): Promise<Workflow | undefined> {
    const workflowId = ownPart.workflowOf(transactionId);
    const candidates = workflowId === undefined ? await store.held() : [await store.get(workflowId)];
    return candidates.find((workflow) => workflow?.hold?.transactionId === transactionId);
  }

  /** Throws if it cannot be written now; the caller comes again. */
  async function write({ request, ...batch }: WorkflowBatch): Promise<WorkflowEvent | undefined> {
    const applied = await store.apply(request === undefined ? batch : { ...batch, request });
    if (applied.ok) return applied.value[0];
    // The id was misused for another request since the prepare. The decision stands; only its answer is not remembered.
    if (applied.error.type === "conflict" && applied.error.conflict.type === "request-exists") return write(batch);
    throw new Error(`the end of a hold was not written: ${JSON.stringify(applied.error)}`);
  }

  const resource = {
    async prepare(work: {
      readonly transactionId: TransactionId;
      readonly payload: Uint8Array;
      readonly coordinatorId: string;
      readonly coordinatorEpoch: number;
    }) {
      const { transactionId, coordinatorId, coordinatorEpoch } = work;
      const wanted = ownPart.take(transactionId, work.payload);
      if (wanted === undefined) {
        return (await heldBy(transactionId)) === undefined
          ? refuse(`${participantId} is reserved: the payload was not made by this workflow manager, or its caller has left`)
          : consented;
      }
      const { command, deadlineMs } = wanted;
      // specs/WorkflowManager.tla: Unchanged. What was done already is not held again.
      const earlier = await earlierAnswer(store, command.move.request);
      if (earlier !== undefined) {
        wanted.refusal = earlier;
        return refuse("the request was carried out already");
      }
      const prepared = await judgeAndWrite(
        dependencies,
        command,
        { signal: never, deadlineMs },
        async ({ workflow, ruleSetRevision }) => {
          const { move } = command;
          const preparedAtMs = environment.nowMs();
          const hold = { transactionId, coordinatorId, coordinatorEpoch, move, preparedAtMs, deadlineMs, ruleSetRevision };
          return store.apply({
            puts: [{ workflow: holdMove(workflow, hold), expected: { version: workflow.version, heldBy: undefined } }],
            events: [],
          });
        },
      );
      if (prepared.ok || isHeldBy(transactionId, prepared.error)) {
        ownPart.held(transactionId, wanted);
        return consented;
      }
      assert(prepared.error.type !== "request-exists", "a prepare stores no answer");
      wanted.refusal = err(prepared.error);
      return refuse(refusalText(prepared.error));
    },

    async commit({ transactionId }: { readonly transactionId: TransactionId }): Promise<{ readonly lost: string } | undefined> {
      const held = await heldBy(transactionId);
      if (held?.hold === undefined) {
        return (await store.outcome(transactionId))?.outcome === "committed"
          ? undefined
          : { lost: "the workflow store has neither the hold of this transaction nor its event" };
      }
      const { workflow, event } = commitHold(held, stampOf(environment));
      const stored = await write({
        puts: [{ workflow, expected: { version: held.version, heldBy: transactionId } }],
        events: [event],
        outcome: endedAs("committed", held.hold),
        ...rememberAnswer(held.hold.move.request, environment),
      });
      assert(stored !== undefined, "EventPerChange");
      ownPart.ended(transactionId, { workflow, event: stored });
      return undefined;
    },

    async abort({ transactionId }: { readonly transactionId: TransactionId }): Promise<void> {
      const held = await heldBy(transactionId);
      if (held?.hold === undefined) return;
      await write({
        puts: [{ workflow: releaseHold(held), expected: { version: held.version, heldBy: transactionId } }],
        events: [],
        outcome: endedAs("aborted", held.hold),
      });
      ownPart.ended(transactionId, undefined);
    },
  };

  /** What the participant's protocol must not forget, read off the store. What the resource has written needs no second record. */
  const log = {
    /** The store is the log of nobody else. */
    id: participantId,

    async load() {
      return (await store.held())
        .map(({ hold }) => hold)
        .filter((hold) => hold !== undefined)
        .map(recordOfHold);
    },

    async get(transactionId: TransactionId) {
      const ended = await store.outcome(transactionId);
      if (ended !== undefined) return recordOf(ended, ended.outcome, environment.nowMs());
      const hold = (await heldBy(transactionId))?.hold;
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
        outcome: endedAs("aborted", record),
      });
    },

    /** The store's own retention does this. */
    purge: () => Promise.resolve(0),
  };

  const endedAs = (
    outcome: TransactionOutcome,
    { transactionId, coordinatorId }: Pick<Hold, "transactionId" | "coordinatorId">,
  ) => ({ transactionId, coordinatorId, outcome, atMs: environment.nowMs() });

  return { resource, log };
}

/** A prepare is abandoned by an abort of its transaction, not by its caller. */
const never = new AbortController().signal;

const isHeldBy = (transactionId: TransactionId, error: { readonly type: string; readonly transactionId?: unknown }): boolean =>
  error.type === "in-transition" && error.transactionId === transactionId;

const consented = { value: "commit", reason: "" } as const;

function refuse(reason: string) {
  return { value: "abort", reason } as const;
}

/** The other participants' side of the story; the caller of TransitionWorkflow gets the error itself. */
function refusalText(error: ManagerError): string {
  const reason = error.type.toUpperCase().replaceAll("-", "_");
  if (error.type === "in-transition") return `${reason}: held by transaction ${error.transactionId}`;
  if (error.type !== "rule-denied") return reason;
  const denials = error.violations.map(({ ruleId, message }) => `${ruleId}: ${message}`);
  return firstCharacters(`${reason}: ${denials.join("; ")}`, refusalLengthMax);
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
