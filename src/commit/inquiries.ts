import { unreachable } from "../kernel/assert.ts";
import type { ParticipantId, TransactionId } from "../kernel/ids.ts";
import type { DecisionAck, Inquiry, Vote } from "./core/messages.ts";
import { type Event, note, post } from "./run.ts";
import type { SessionHandler } from "./sessions.ts";
import type { Shell } from "./shell.ts";
import { messageLine } from "./timeline.ts";

/** What participants say goes to the transactions that run; of others, the log answers. */
export function createSessionHandler(shell: Shell): SessionHandler {
  const { byId, byParticipant } = shell.runs;
  return {
    async connected(participantId, inDoubt) {
      const asked = new Set(inDoubt);
      for (const run of byParticipant.get(participantId) ?? []) {
        post(shell, run, { type: "connected", participantId, inDoubt: asked.delete(run.core.id) });
      }
      for (const transactionId of asked) await answerFromLog(shell, participantId, transactionId);
    },
    disconnected(participantId) {
      for (const run of byParticipant.get(participantId) ?? []) post(shell, run, { type: "disconnected", participantId });
    },
    nacked(participantId, transactionId, reason) {
      const run = byId.get(transactionId);
      if (run) note(shell, run, { type: "nack-received", participantId, detail: reason });
    },
    message(participantId, message, refuse) {
      const run = byId.get(message.transactionId);
      if (run) {
        note(shell, run, messageLine(participantId, message));
        post(shell, run, eventOf(participantId, message), (reason) => {
          note(shell, run, { type: "refused", participantId, detail: reason });
          refuse(reason);
        });
        return undefined;
      }
      const asks = message.type === "inquiry" || (message.type === "vote" && message.value === "commit");
      return asks ? answerFromLog(shell, participantId, message.transactionId, refuse) : undefined;
    },
  };
}

/** One record that cannot be read keeps no participant away: it asks again. */
async function answerFromLog(
  shell: Shell,
  participantId: ParticipantId,
  transactionId: TransactionId,
  refuse?: (reason: string) => void,
): Promise<void> {
  const { logger, ownership, sessions, trace } = shell;
  const found = await ownership.lookUp(transactionId).catch((error: unknown) => {
    logger.error({ transaction: transactionId, participant: participantId, err: error }, "the decision log cannot be read");
    refuse?.("the decision log cannot be read");
  });
  if (!found) return;
  if (!found.ok && found.error.type === "fenced") return;
  // Undecided and not running: only a delegated transaction of a coordinator that has replaced this one.
  if (found.ok && found.value.outcome === undefined) return;
  // No record means aborted. specs/TwoPhaseCommit.tla: AnswerInquiry of a coordinator that knows nothing.
  const outcome = found.ok && found.value.outcome ? found.value.outcome : "aborted";
  logger.info({ transaction: transactionId, participant: participantId, decision: outcome, recorded: found.ok }, "inquiry");
  const { coordinatorEpoch } = ownership.coordinator;
  const answer = { transaction: transactionId, participant: participantId, value: outcome };
  trace?.({ action: "AnswerInquiry", epoch: coordinatorEpoch, ...answer });
  sessions.send(participantId, { type: "decision", transactionId, outcome, coordinatorEpoch, inReply: true });
}

function eventOf(participantId: ParticipantId, message: Vote | DecisionAck | Inquiry): Event {
  switch (message.type) {
    case "vote":
      return { type: "vote", participantId, value: message.value, reason: message.reason };
    case "decision-ack":
      return { type: "ack", participantId, outcome: message.outcome, reason: message.reason };
    case "inquiry":
      return { type: "inquiry", participantId };
    default:
      return unreachable(message);
  }
}
