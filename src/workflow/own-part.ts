import { randomUUID } from "node:crypto";
import type { ParticipantId, TransactionId, WorkflowId } from "../kernel/ids.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import type { DurationMs, TimeMs } from "../kernel/time.ts";
import { type Answer, type Attempts, earlierAnswer, type MoveCommand } from "./attempt.ts";
import { type Call, orLeft } from "./calls.ts";
import type { Hold, Workflow } from "./core/types.ts";
import type { ManagerError } from "./errors.ts";
import type { TransactionClient, TransactionPart } from "./ports.ts";

/** The other halves of an atomic transition. */
export type Together = {
  readonly parts: readonly TransactionPart[];
  readonly waitForParticipantsMs: DurationMs;
  /** When its caller stops waiting: all of it must have ended by then. */
  readonly deadlineMs: TimeMs;
};

/** Who takes part besides the manager. */
export const participantsOf = ({ parts }: Together): readonly ParticipantId[] => parts.map(({ participantId }) => participantId);

type Outcome = Result<Answer, ManagerError>;

/** A move that a call of this process wants made in a transaction. */
export type WantedMove = {
  readonly command: MoveCommand;
  readonly participantIds: readonly ParticipantId[];
  readonly deadlineMs: TimeMs;
  readonly begun: (transactionId: TransactionId) => void;
  /** The one transaction that may carry it. */
  transactionId: TransactionId | undefined;
  /** Why this manager voted to abort, if it did: a better answer than "aborted". */
  refusal: Outcome | undefined;
  readonly ending: Ending;
};

/** How a transaction ends here: with nothing, if it aborts. */
type Ending = PromiseWithResolvers<Answer | undefined>;

export type OwnPart = ReturnType<typeof createOwnPart>;

/**
 * The manager's part in the transactions that it asks for. What it is to prepare stays here: the coordinator carries its name only, a
 * random one, and what nobody here waits for is not prepared. So nothing is held at the word of a stranger, nor for a caller that has left.
 */
export function createOwnPart(
  dependencies: Attempts & { readonly participantId: ParticipantId; readonly transactions: TransactionClient },
) {
  const { store, environment, participantId, transactions } = dependencies;
  const wanted = new Map<string, WantedMove>();
  /** Of what is held, and somebody has waited for it in this process. */
  const endings = new Map<TransactionId, Ending>();

  async function endOf(
    { id }: Workflow,
    { transactionId }: Hold,
    { move: { request } }: MoveCommand,
    call: Call,
  ): Promise<Outcome> {
    // Whoever waits for it can ask after it, as its first caller could.
    call.begun(transactionId);
    const ending: Ending = endings.get(transactionId) ?? Promise.withResolvers();
    endings.set(transactionId, ending);
    // It may have ended since the workflow was read.
    if ((await store.outcome(transactionId)) !== undefined) ended(transactionId, undefined);
    else await orLeft(call.signal, ending.promise);
    const answered = await earlierAnswer(store, request);
    if (answered !== undefined) return answered;
    return (await store.outcome(transactionId))?.outcome === "aborted"
      ? err({ type: "transaction-aborted", workflowId: id, transactionId, abortReason: "its first attempt failed", refusals: [] })
      : err({ type: "outcome-pending", workflowId: id, transactionId });
  }

  function ended(transactionId: TransactionId, answer: Answer | undefined): void {
    endings.get(transactionId)?.resolve(answer);
    endings.delete(transactionId);
  }

  return {
    /** Runs one transaction of the manager's own part and the others, and waits until its own part has ended here. */
    async run(command: MoveCommand, together: Together, call: Call): Promise<Outcome> {
      const { workflowId, move } = command;
      const { deadlineMs, waitForParticipantsMs } = together;
      const name = randomUUID();
      const begun = (transactionId: TransactionId): void => {
        if (asked.transactionId !== undefined) return;
        asked.transactionId = transactionId;
        call.begun(transactionId);
      };
      const asked: WantedMove = {
        command,
        participantIds: participantsOf(together),
        deadlineMs,
        begun,
        transactionId: undefined,
        refusal: undefined,
        ending: Promise.withResolvers(),
      };
      wanted.set(name, asked);
      try {
        const answer = await transactions.execute({
          parts: [{ participantId, payload: Buffer.from(name) }, ...together.parts],
          timeoutMs: Math.max(1, deadlineMs - environment.nowMs()),
          waitForParticipantsMs,
          reason: move.reason,
          requestedBy: move.requestedBy,
          onBegun: begun,
          signal: call.signal,
        });
        if (!answer.ok) return err(failure(answer.error, workflowId, asked.transactionId));
        const { transactionId, outcome, abortReason, refusals } = answer.value;
        if (outcome === "aborted") {
          return asked.refusal ?? err({ type: "transaction-aborted", workflowId, transactionId, abortReason, refusals });
        }
        const committed = await orLeft(call.signal, asked.ending.promise);
        return committed === undefined ? err({ type: "outcome-pending", workflowId, transactionId }) : ok(committed);
      } finally {
        wanted.delete(name);
      }
    },

    /**
     * What an earlier attempt of the same request has led to: its answer; or, if it holds the workflow still, its end, which is waited for.
     * An attempt of this process is joined before anybody asks here, so this one was cut short by a restart or has lost its callers.
     */
    async earlier(command: MoveCommand, call: Call): Promise<Outcome | undefined> {
      const { workflowId, move } = command;
      const { request } = move;
      const answered = await earlierAnswer(store, request);
      if (answered !== undefined || request === undefined) return answered;
      const workflow = await store.get(workflowId);
      const held = workflow?.hold?.move.request;
      if (workflow?.hold === undefined || held?.id !== request.id) return undefined;
      if (held.digest !== request.digest) return err({ type: "request-id-reused", requestId: request.id });
      return endOf(workflow, workflow.hold, command, call);
    },

    /** The move that this transaction is to prepare here. Nothing, if the payload does not come from a call that waits here. */
    take(transactionId: TransactionId, payload: Uint8Array): WantedMove | undefined {
      const asked = wanted.get(Buffer.from(payload).toString());
      asked?.begun(transactionId);
      return asked?.transactionId === transactionId ? asked : undefined;
    },

    /** It is held: commit or abort will end it. */
    held(transactionId: TransactionId, { ending }: WantedMove): void {
      // A retry may have found the hold in the store before, and waits for its end.
      const found = endings.get(transactionId);
      if (found) void ending.promise.then(found.resolve);
      endings.set(transactionId, ending);
    },

    /** How much is in memory: holds whose end is waited for, and moves that are not held yet. */
    get counts() {
      return { endings: endings.size, wanted: wanted.size };
    },

    /** Tells whoever waits for it. */
    ended,
  };
}

function failure(
  { type, cause }: { readonly type: "unavailable" | "pending" | "overloaded" | "refused"; readonly cause: string },
  workflowId: WorkflowId,
  transactionId: TransactionId | undefined,
): ManagerError {
  switch (type) {
    case "pending":
      return { type: "outcome-pending", workflowId, transactionId };
    case "unavailable":
      return { type: "coordinator-unavailable", cause, transactionId };
    default:
      return { type: `coordinator-${type}`, cause };
  }
}
