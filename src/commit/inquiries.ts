import { unreachable } from "../kernel/assert.ts";
import type { ParticipantId, TransactionId } from "../kernel/ids.ts";
import type { DecisionAck, Inquiry, Vote } from "./core/messages.ts";
import type { Transaction } from "./core/types.ts";
import { type Event, note, post, type Run } from "./run.ts";
import type { Found } from "./runs.ts";
import type { SessionHandler } from "./sessions.ts";
import type { Shell } from "./shell.ts";
import { createSpread, type Telling } from "./spread.ts";
import { takeUp } from "./take-up.ts";
import { messageLine } from "./timeline.ts";

/** What participants say goes to the transactions that run; of others, the log answers. */
export function createSessionHandler(shell: Shell): SessionHandler {
  const { byId, byParticipant } = shell.runs;
  const spread = createSpread(shell);

  /** To those that run now; a later one knows. */
  const toRuns = (participantId: ParticipantId, eventFor: (run: Run) => Event): readonly Telling[] =>
    Array.from(byParticipant.get(participantId) ?? [], (run) => () => void post(shell, run, eventFor(run)));

  return {
    connected(participantId, inDoubt) {
      const asked = new Set(inDoubt);
      const told = toRuns(participantId, (run) => ({ type: "connected", participantId, inDoubt: asked.delete(run.core.id) }));
      function* word(): Generator<Telling> {
        yield* told;
        for (const transactionId of asked) yield () => answerInDoubt(shell, participantId, transactionId);
      }
      return spread(participantId, word());
    },
    disconnected: (participantId) =>
      void spread(
        participantId,
        toRuns(participantId, () => ({ type: "disconnected", participantId })),
      ),
    nacked(participantId, transactionId, reason) {
      const run = byId.get(transactionId);
      if (run) note(shell, run, { type: "nack-received", participantId, detail: reason });
    },
    message(participantId, message, refuse) {
      const run = byId.get(message.transactionId);
      if (run === undefined || !hasPart(run.core, participantId)) return hearOfOther(shell, participantId, message, refuse);
      hear(shell, run, participantId, message, refuse);
      return undefined;
    },
  };
}

function hear(shell: Shell, run: Run, participantId: ParticipantId, message: Said, refuse: (reason: string) => void): void {
  note(shell, run, messageLine(participantId, message));
  post(shell, run, eventOf(participantId, message), (reason) => {
    note(shell, run, { type: "refused", participantId, detail: reason });
    refuse(reason);
  });
}

/** What runs with a part for this participant. Of what others do together it hears nothing: not even that it is. */
function runOf(found: Found, participantId: ParticipantId): Run | undefined {
  const run = found.ok && found.value.type === "running" ? found.value.run : undefined;
  return run && hasPart(run.core, participantId) ? run : undefined;
}

const hasPart = ({ parts }: Transaction, participantId: ParticipantId): boolean =>
  parts.some((part) => part.participantId === participantId);

/** Of a transaction that does not run for this participant: it is over, or unknown, or not taken up yet. */
function hearOfOther(
  shell: Shell,
  participantId: ParticipantId,
  message: Said,
  refuse: (reason: string) => void,
): Promise<void> | undefined {
  const { transactionId } = message;
  const asks = message.type === "inquiry" || (message.type === "vote" && message.value === "commit");
  if (!asks && shell.runs.areAll) return undefined;
  return find(shell, participantId, transactionId, refuse).then((found) => {
    const run = found && runOf(found, participantId);
    if (run) hear(shell, run, participantId, message, refuse);
    else if (found && asks) answer(shell, participantId, transactionId, found);
  });
}

async function answerInDoubt(shell: Shell, participantId: ParticipantId, transactionId: TransactionId): Promise<void> {
  const found = await find(shell, participantId, transactionId);
  if (!found) return;
  const run = runOf(found, participantId);
  if (run) post(shell, run, { type: "inquiry", participantId });
  else answer(shell, participantId, transactionId, found);
}

/** One record that cannot be read keeps no participant away: it asks again. */
const find = (
  shell: Shell,
  participantId: ParticipantId,
  transactionId: TransactionId,
  refuse?: (reason: string) => void,
): Promise<Found | undefined> =>
  takeUp(shell, transactionId).catch((error: unknown) => {
    const fields = { transaction: transactionId, participant: participantId, err: error };
    shell.seldom.error(transactionId, fields, "the decision log cannot be read");
    refuse?.("the decision log cannot be read");
    return undefined;
  });

function answer(shell: Shell, participantId: ParticipantId, transactionId: TransactionId, found: Found): void {
  const { seldom, ownership, sessions, trace } = shell;
  if (!found.ok && found.error.type !== "not-found") return;
  const stored = found.ok && found.value.type === "ended" ? found.value.transaction : undefined;
  // No record means aborted. specs/TwoPhaseCommit.tla: AnswerInquiry of a coordinator that knows nothing.
  const outcome = (stored && hasPart(stored, participantId) ? stored.outcome : undefined) ?? "aborted";
  const fields = { transaction: transactionId, participant: participantId, decision: outcome, recorded: found.ok };
  seldom.info(participantId, fields, "inquiry");
  const { coordinatorEpoch } = ownership.coordinator;
  const line = { epoch: coordinatorEpoch, transaction: transactionId, participant: participantId, value: outcome };
  // The spec of one that runs has nobody but those with a part in it.
  if (!found.ok || found.value.type === "ended") trace?.({ action: "AnswerInquiry", ...line });
  sessions.send(participantId, { type: "decision", transactionId, outcome, coordinatorEpoch, inReply: true });
}

type Said = Vote | DecisionAck | Inquiry;

function eventOf(participantId: ParticipantId, message: Said): Event {
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
