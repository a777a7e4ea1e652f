import type { CoordinatorMessage, ParticipantMessage } from "../../src/commit/core/messages.ts";
import { hasPromised, isOnePhase, type Transaction } from "../../src/commit/core/types.ts";
import type { TransactionId } from "../../src/kernel/ids.ts";
import type { Coordinators } from "./coordinators.ts";
import type { Ledger } from "./ledger.ts";
import type { Stage } from "./stage.ts";

/**
 * Whatever is said is durable at that moment, whoever crashes when: what callers and watchers are told, and what coordinators and participants
 * say to each other. The invariants have their names in specs/TwoPhaseCommit.tla.
 */
export function checkDurable(
  stage: Stage,
  options: { readonly coordinators: Coordinators; readonly participants: readonly string[]; readonly ledger: Ledger },
): void {
  const { coordinators, participants, ledger } = options;
  const { fail, onFailure } = stage;

  /** A commit that binds somebody, and that no lone participant has decided. */
  async function isForced(id: TransactionId): Promise<boolean> {
    if (ledger.isForgotten(id)) return true;
    const stored = await coordinators.decisions.get(id);
    return ledger.isForgotten(id) || stored?.outcome === "committed";
  }

  function onAnswer({ id, outcome, parts, ...rest }: Transaction): void {
    if (outcome !== "committed" || !parts.some(hasPromised)) return;
    if (isOnePhase({ id, outcome, parts, ...rest })) return;
    isForced(id).then((forced) => {
      if (!forced) fail(`ClientAckDurable: somebody is told that ${id} is committed, and the log does not have it`);
    }, onFailure);
  }

  function onMessage(participant: string, message: CoordinatorMessage | ParticipantMessage): void {
    if (message.type === "decision" && message.outcome === "committed" && !message.inReply) {
      const { transactionId } = message;
      isForced(transactionId).then((forced) => {
        if (!forced) fail(`WriteAheadDecision: ${participant} is told to commit ${transactionId}, and the log does not have it`);
      }, onFailure);
    }
    if (!participants.includes(participant)) return;
    if (message.type === "vote" && message.value === "commit") {
      const state = ledger.stateAt(participant, message.transactionId);
      const isDurable = state === "prepared" || state === "committed" || state === "aborted";
      if (!isDurable)
        fail(`WriteAheadVote: ${participant} votes for ${message.transactionId}, which is ${state ?? "unknown"} in its log`);
    }
    if (
      message.type === "decision-ack" &&
      message.outcome === "committed" &&
      ledger.promises(message.transactionId, participant)
    ) {
      const state = ledger.stateAt(participant, message.transactionId);
      if (state !== "committed") {
        fail(`WriteAheadAck: ${participant} acknowledges ${message.transactionId}, which is ${state ?? "unknown"} in its log`);
      }
    }
  }

  stage.onMessage(onMessage);
  coordinators.onAnswer((_, answer) => {
    if (typeof answer !== "object" || answer === null || !("ok" in answer) || !answer.ok || !("value" in answer)) return;
    const transaction = answer.value as Partial<Transaction> | undefined;
    if (transaction?.parts !== undefined) onAnswer(transaction as Transaction);
  });
  coordinators.onTold((_, transaction) => onAnswer(transaction));
}
