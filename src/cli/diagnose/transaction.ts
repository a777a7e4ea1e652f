import {
  Heuristic,
  Outcome,
  type Participant,
  type Transaction,
  type TransactionEvent,
  TransactionEventType,
  type TransactionParticipant,
  TransactionPhase,
  VoteValue,
} from "../../gen/concord/commit/v1/transaction.ts";
import { enumText, timeText, whoText } from "../output.ts";
import { coordinatorIsSilent, managerIsSilent, type Silence } from "./ask.ts";
import { type Finding, see } from "./finding.ts";

const page = "two-phase-commit.md";

export type Known = {
  /** Undefined: that was not answered. */
  readonly participants: readonly Participant[] | undefined;
  readonly timeline: readonly TransactionEvent[];
};

/** What keeps a transaction open, or was left by its end, as docs/two-phase-commit.md has it. Nothing: it is well. */
export function transactionFindings(transaction: Transaction, known: Known): readonly Finding[] {
  const lost = transaction.participants.filter(({ lostAt, done }) => lostAt !== undefined && !done);
  if (transaction.phase === TransactionPhase.COMPLETED) return ended(transaction);
  if (lost.length > 0) return lost.map((part) => lostPromise(transaction, part));
  switch (transaction.phase) {
    case TransactionPhase.INIT:
      return begun(transaction, known);
    case TransactionPhase.PREPARING:
      return preparing(transaction, known);
    default:
      return transaction.participants.filter(owesAck).map((part) => unacknowledged(transaction, part, known));
  }
}

export const participantsUnknown = (silence: Silence): Finding => ({
  what: `which participants are connected is not known: ${coordinatorIsSilent(silence)}`,
  help: ["concord participants", see("operations.md", "Health")],
});

export const workflowUnknown = (silence: Silence): Finding => ({
  what: `whether a workflow has this id, too, is not known: ${managerIsSilent(silence)}`,
  help: ["start it, with its own store", see("operations.md", "Health")],
});

function ended({ heuristic, resolution, participants, transactionId }: Transaction): readonly Finding[] {
  if (heuristic === Heuristic.MIXED) {
    const who = participants.filter(
      ({ acknowledgedOutcome, lostAt }) => lostAt !== undefined || acknowledgedOutcome !== Outcome.UNSPECIFIED,
    );
    const names = who.map(({ participantId }) => participantId).join(", ");
    return [
      {
        what: `it is over, and not everywhere the same (MIXED)${names === "" ? "" : `: ${names}`}`,
        help: ["compare the data of its participants, and mend them by hand", see(page, "When a participant will never answer")],
      },
    ];
  }
  if (heuristic !== Heuristic.UNCONFIRMED) return [];
  return [
    {
      what: `it was ended by the word of ${resolution && whoText(resolution)}, and a participant has not confirmed it`,
      help: [`nothing, if it will come back; if not, and it was aborted: concord tx forget ${transactionId}`],
    },
  ];
}

function lostPromise({ transactionId, outcome }: Transaction, { participantId, lostReason }: TransactionParticipant): Finding {
  return {
    what: `${participantId} does not hold any more what it promised: ${lostReason}`,
    help: [
      `if it ran with the wrong log, or its data can be restored: start it so, then concord tx retry ${transactionId}`,
      "if not: do its work by hand, in its own data",
      `then concord tx resolve ${transactionId} ${outcome === Outcome.ABORTED ? "aborted" : "committed"} --reason '…'`,
      see(page, "A promise is lost"),
    ],
  };
}

/** Nothing has been sent yet: it may be aborted, and ends by itself. */
function begun({ transactionId, participants }: Transaction, known: Known): readonly Finding[] {
  const missing =
    known.participants === undefined ? [] : participants.filter(({ participantId }) => !isConnected(participantId, known));
  const abort = `concord tx abort ${transactionId}`;
  if (missing.length === 0)
    return [{ what: "its work is still being enlisted; it aborts by itself if nobody goes on", help: [abort] }];
  return [
    {
      what: `it waits for ${missing.map(({ participantId }) => participantId).join(", ")} to connect; it aborts by itself when that time is over`,
      help: ["start them", abort],
    },
  ];
}

function preparing({ transactionId, participants }: Transaction, known: Known): readonly Finding[] {
  const [only, ...others] = participants;
  if (only !== undefined && others.length === 0) return [loneParticipant(transactionId, only, known)];
  return participants
    .filter(({ vote }) => vote === VoteValue.UNSPECIFIED)
    .map(({ participantId }) => ({
      what: `${participantId} has not voted, and is ${stateText(participantId, known)}; it aborts by itself when the time to vote is over`,
      help: [`concord tx abort ${transactionId}`],
    }));
}

function loneParticipant(transactionId: string, { participantId }: TransactionParticipant, known: Known): Finding {
  const what = `${participantId} alone decides it, was asked, and has not told how; it is ${stateText(participantId, known)}`;
  if (isConnected(participantId, known))
    return { what, help: [`its own log says why; concord tx retry ${transactionId} asks it again`] };
  return {
    what,
    help: [
      "start it, with its own log: it is asked again",
      "if its log is lost, look at its data BEFORE it starts with an empty one",
      `then concord tx resolve ${transactionId} committed|aborted --reason '…', as you found it`,
      see(page, "A lone participant's log is lost"),
    ],
  };
}

function unacknowledged(
  { transactionId, outcome }: Transaction,
  { participantId }: TransactionParticipant,
  known: Known,
): Finding {
  const decided = enumText("OUTCOME_", outcome).toLowerCase();
  const what = `it is ${decided}, and ${participantId} has not acknowledged that; it is ${stateText(participantId, known)}`;
  const refused = known.timeline.findLast(
    ({ type, participantId: who }) => type === TransactionEventType.NACK_RECEIVED && who === participantId,
  );
  const resolve = `if it will never answer: concord tx resolve ${transactionId} ${decided} --reason '…'`;
  if (refused !== undefined)
    return {
      what: `${what}, and refuses: ${refused.detail}`,
      help: [
        `compare its data with the outcome; what it holds is ended by its own operator`,
        `when that is mended: concord tx retry ${transactionId}`,
        resolve,
        see(page, "A decision is refused"),
      ],
    };
  if (!isConnected(participantId, known))
    return { what, help: ["start it, with its own log: the decision is sent at once", resolve, see(page, "Stuck in doubt")] };
  return {
    what,
    help: [
      "its resource does not carry the decision out: its own log says why, with the transaction's id",
      `when that is mended: concord tx retry ${transactionId}`,
      resolve,
    ],
  };
}

/** Who was never asked, or has said no, or has changed nothing, need not hear of it. */
const owesAck = ({ done, vote, preparesSent }: TransactionParticipant): boolean =>
  !done && preparesSent > 0 && vote !== VoteValue.ABORT && vote !== VoteValue.READ_ONLY;

const find = (id: string, { participants }: Known): Participant | undefined =>
  participants?.find(({ participantId }) => participantId === id);

const isConnected = (id: string, known: Known): boolean => find(id, known)?.connected === true;

function stateText(id: string, known: Known): string {
  if (known.participants === undefined) return "perhaps away";
  const found = find(id, known);
  if (found === undefined) return "not known here: it has never connected";
  return found.connected ? "connected" : `away since ${timeText(found.lastSeenAt)}`;
}
