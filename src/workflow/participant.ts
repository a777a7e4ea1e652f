import { randomUUID } from "node:crypto";
import { z } from "zod";
import { assert } from "../kernel/assert.ts";
import type { ParticipantId, TransactionId, WorkflowId } from "../kernel/ids.ts";
import { workflowStates } from "../kernel/lifecycle.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import { firstCharacters, hasMoreCharacters } from "../kernel/text.ts";
import type { DurationMs, TimeMs } from "../kernel/time.ts";
import {
  type Answer,
  type Attempts,
  earlierAnswer,
  judgeAndWrite,
  type MoveCommand,
  rememberAnswer,
  stampOf,
} from "./attempt.ts";
import { commitHold, holdMove, releaseHold } from "./core/step.ts";
import type { Hold, Workflow, WorkflowEvent } from "./core/types.ts";
import type { ManagerError } from "./errors.ts";
import type { TransactionClient, TransactionOutcome, TransactionPart, WorkflowBatch } from "./ports.ts";

/** The other halves of an atomic transition. */
export type Together = {
  readonly parts: readonly TransactionPart[];
  readonly timeoutMs: DurationMs;
  readonly waitForParticipantsMs: DurationMs;
};

export interface OwnPart {
  /** Runs one transaction of the manager's own part and the others, and waits until its own part has ended here. */
  run(command: MoveCommand, together: Together): Promise<Result<Answer, ManagerError>>;
}

/** What the manager tells itself through the coordinator. A retry of the same request must make the same bytes. */
type OwnPayload = {
  /** Leads from the transaction back to the call that waits for it. */
  readonly call: string;
  readonly command: MoveCommand;
  readonly timeoutMs: DurationMs;
};

const text = z.string().refine((value) => !hasMoreCharacters(value, 1000));
const payloadSchema = z.object({
  call: text,
  timeoutMs: z.number(),
  command: z.object({
    workflowId: text,
    expectedVersion: z.number().optional(),
    mustRecover: z.boolean(),
    context: z.record(z.string(), z.json()),
    move: z.object({
      targetState: z.enum(workflowStates),
      reason: text,
      requestedBy: text,
      eventMetadata: z.record(z.string(), z.json()),
      request: z.object({ id: text, digest: text }).optional(),
    }),
  }),
});

/** A call of `run` that waits in this process. */
type Waiting = {
  callers: number;
  /** Why this manager voted to abort, if it did: a better answer than "aborted". */
  refusal: ManagerError | undefined;
  readonly committed: PromiseWithResolvers<Answer>;
};

/** The outcome of a transaction reaches its manager soon after its caller, unless the stream broke meanwhile. */
const deliveryGraceMs = 5_000;

/** As the contract has it for `Vote.reason`. */
const refusalLengthMax = 1000;

/**
 * The workflow manager as a participant of TwoPhaseCommit. Its store is its log: a hold is the durable promise, the event with the
 * transaction's id is the durable commit. All three verbs are idempotent, for any of them may be repeated after a crash.
 */
export function createWorkflowParticipant(
  dependencies: Attempts & { readonly participantId: ParticipantId; readonly transactions: TransactionClient },
) {
  const { store, environment, participantId, transactions } = dependencies;
  const waitingCalls = new Map<string, Waiting>();
  /** Only of this process: what was prepared before a restart is found by a scan, and nobody waits for it. */
  const prepares = new Map<TransactionId, { readonly call: string; readonly workflowId: WorkflowId }>();

  /** Nothing if the hold has ended: the verb was carried out before. */
  async function heldBy(transactionId: TransactionId): Promise<Workflow | undefined> {
    const prepare = prepares.get(transactionId);
    const candidates = prepare === undefined ? await store.held() : [await store.get(prepare.workflowId)];
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

  const ownPart: OwnPart = {
    async run(command, together) {
      const { workflowId, move } = command;
      const call = move.request?.id ?? randomUUID();
      const waiting = waitingCalls.get(call) ?? { callers: 0, refusal: undefined, committed: Promise.withResolvers<Answer>() };
      waiting.callers += 1;
      waitingCalls.set(call, waiting);
      try {
        const payload: OwnPayload = { call, command, timeoutMs: together.timeoutMs };
        const own = { participantId, payload: Buffer.from(JSON.stringify(payload)) };
        const answer = await transactions.execute({
          parts: [own, ...together.parts],
          timeoutMs: together.timeoutMs,
          waitForParticipantsMs: together.waitForParticipantsMs,
          requestId: move.request === undefined ? "" : `${participantId}/${move.request.id}`,
          reason: move.reason,
          requestedBy: move.requestedBy,
        });
        if (!answer.ok) {
          const { type, cause } = answer.error;
          return err(
            type === "pending"
              ? { type: "outcome-pending", workflowId, transactionId: undefined }
              : { type: `coordinator-${type}`, cause },
          );
        }
        const { transactionId, outcome, abortReason, refusals } = answer.value;
        if (outcome === "aborted") {
          return err(waiting.refusal ?? { type: "transaction-aborted", workflowId, transactionId, abortReason, refusals });
        }
        const committed = await within(deliveryGraceMs, waiting.committed.promise);
        return committed === undefined ? err({ type: "outcome-pending", workflowId, transactionId }) : ok(committed);
      } finally {
        waiting.callers -= 1;
        if (waiting.callers === 0) waitingCalls.delete(call);
      }
    },
  };

  const resource = {
    async prepare(work: { readonly transactionId: TransactionId; readonly payload: Uint8Array }) {
      const { transactionId } = work;
      const payload = readPayload(work.payload);
      if (payload === undefined) return refuse("the payload was not made by a workflow manager");
      const { call, command, timeoutMs } = payload;
      // specs/WorkflowManager.tla: Unchanged. What was done already is not held again.
      if ((await earlierAnswer(store, command.move.request)) !== undefined) return refuse("the request was carried out already");
      prepares.set(transactionId, { call, workflowId: command.workflowId });
      const prepared = await judgeAndWrite(dependencies, command, async ({ workflow, ruleSetRevision }) => {
        const nowMs = environment.nowMs();
        const hold = { transactionId, move: command.move, preparedAtMs: nowMs, deadlineMs: nowMs + timeoutMs, ruleSetRevision };
        return store.apply({
          puts: [{ workflow: holdMove(workflow, hold), expected: { version: workflow.version, heldBy: undefined } }],
          events: [],
        });
      });
      if (prepared.ok) return consented;
      assert(prepared.error.type !== "request-exists", "a prepare stores no answer");
      if (prepared.error.type === "in-transition" && prepared.error.transactionId === transactionId) return consented;
      const waiting = waitingCalls.get(call);
      if (waiting !== undefined) waiting.refusal = prepared.error;
      return refuse(refusalText(prepared.error));
    },

    async commit({ transactionId }: { readonly transactionId: TransactionId }): Promise<void> {
      const held = await heldBy(transactionId);
      if (held !== undefined) {
        const { workflow, event } = commitHold(held, stampOf(environment));
        const stored = await write({
          puts: [{ workflow, expected: { version: held.version, heldBy: transactionId } }],
          events: [event],
          outcome: { transactionId, outcome: "committed", atMs: environment.nowMs() },
          ...rememberAnswer(held.hold?.move.request, environment),
        });
        assert(stored !== undefined, "EventPerChange");
        const call = prepares.get(transactionId)?.call;
        if (call !== undefined) waitingCalls.get(call)?.committed.resolve({ workflow, event: stored });
      }
      prepares.delete(transactionId);
    },

    async abort({ transactionId }: { readonly transactionId: TransactionId }): Promise<void> {
      const held = await heldBy(transactionId);
      if (held !== undefined) {
        await write({
          puts: [{ workflow: releaseHold(held), expected: { version: held.version, heldBy: transactionId } }],
          events: [],
          outcome: { transactionId, outcome: "aborted", atMs: environment.nowMs() },
        });
      }
      prepares.delete(transactionId);
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
      const outcome = await store.outcome(transactionId);
      if (outcome !== undefined) return recordOf(transactionId, outcome, environment.nowMs());
      const hold = (await heldBy(transactionId))?.hold;
      return hold === undefined ? undefined : recordOfHold(hold);
    },

    async persist({
      transactionId,
      state,
    }: {
      readonly transactionId: TransactionId;
      readonly state: RecordState;
    }): Promise<void> {
      // An abort of what was never prepared here is remembered, so that its Prepare, coming late, is refused.
      if (state !== "aborted" || (await store.outcome(transactionId)) !== undefined) return;
      await write({ puts: [], events: [], outcome: { transactionId, outcome: "aborted", atMs: environment.nowMs() } });
    },

    /** The store's own retention does this. */
    purge: () => Promise.resolve(0),
  };

  return { ownPart, resource, log };
}

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

function recordOfHold({ transactionId, preparedAtMs }: Hold) {
  return recordOf(transactionId, "prepared", preparedAtMs);
}

function recordOf(transactionId: TransactionId, state: RecordState, updatedAtMs: TimeMs) {
  return {
    transactionId,
    state,
    onePhase: false,
    // Not kept: the hold does not depend on who coordinates.
    coordinatorId: undefined,
    coordinatorEpoch: 0,
    payload: new Uint8Array(),
    reason: "",
    updatedAtMs,
  };
}

/** Anybody may enlist this participant with any bytes. */
function readPayload(bytes: Uint8Array): OwnPayload | undefined {
  try {
    return payloadSchema.parse(JSON.parse(Buffer.from(bytes).toString())) as OwnPayload;
  } catch {
    return undefined;
  }
}

/** The value, or nothing if it takes longer. */
async function within<T>(limitMs: DurationMs, value: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const expired = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), limitMs);
  });
  try {
    return await Promise.race([value, expired]);
  } finally {
    clearTimeout(timer);
  }
}
