import { type Part, phases, type Transaction, type VoteValue } from "../../src/commit/core/types.ts";
import type { ParticipantId, TransactionId } from "../../src/kernel/ids.ts";

const part = (vote: VoteValue | undefined): Part => ({
  participantId: "p" as ParticipantId,
  payload: new Uint8Array(),
  connected: true,
  vote,
  voteReason: "",
  votedAtMs: undefined,
  acknowledgedAtMs: undefined,
  acknowledgedOutcome: undefined,
  lost: undefined,
  request: undefined,
  preparesSent: 0,
  decisionsSent: 0,
});

/** Each phase with each outcome and vote; for what reads transactions, not for what runs them. */
export const transactionsOfEveryKind: readonly Transaction[] = phases.flatMap((phase) =>
  ([undefined, "committed", "aborted"] as const).flatMap((outcome) =>
    ([undefined, "commit", "abort"] as const).map((vote, index): Transaction => {
      return {
        id: ["a", "a-1", "ab"][index] as TransactionId,
        coordinatorEpoch: 1,
        phase,
        outcome,
        abortReason: "",
        parts: [part(vote)],
        createdAtMs: index * 10,
        decidedAtMs: undefined,
        completedAtMs: undefined,
        waitForParticipantsMs: 0,
        prepareTimeoutMs: 1,
        voteDeadlineMs: undefined,
        idleTimeoutMs: undefined,
        resolution: undefined,
        requestedBy: "op-1",
        reason: "",
        request: undefined,
      };
    }),
  ),
);
