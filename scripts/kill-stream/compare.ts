import { isFinished, type Outcome, type Transaction } from "../../src/commit/core/types.ts";

/** What a client was told of its request in the end. */
export type Told = { readonly requestId: string; readonly transactionId: string; readonly outcome: Outcome };

/** What is left when all is over. */
export type Remains = {
  readonly told: readonly Told[];
  /** The coordinator's log. What is not in it was aborted. */
  readonly transactions: readonly Transaction[];
  /** Each participant's log: the state of each transaction that it has a record of. */
  readonly participants: ReadonlyMap<string, ReadonlyMap<string, string>>;
};

/** Each disagreement, beginning with the id of its transaction. */
export function disagreements({ told, transactions, participants }: Remains): string[] {
  const problems: string[] = [];
  const byId = new Map<string, Transaction>(transactions.map((transaction) => [transaction.id, transaction]));
  const outcomeOf = (id: string): string => {
    const found = byId.get(id);
    return found ? (found.outcome ?? "not decided") : "aborted";
  };
  const answers = new Map(told.map((answer) => [answer.requestId, answer]));

  for (const { requestId, transactionId, outcome } of told) {
    const stored = outcomeOf(transactionId);
    if (stored !== outcome)
      problems.push(`${transactionId}: the client of ${requestId} was told ${outcome}, the log says ${stored}`);
  }
  for (const transaction of transactions) {
    const { id, phase, outcome, request, parts } = transaction;
    if (!isFinished(transaction)) problems.push(`${id}: it is ${phase}, ${outcomeOf(id)}`);
    if (outcome !== "committed") continue;
    // A request has one effect at most, and its client hears of it.
    const answer = answers.get(request?.id ?? "");
    if (answer?.transactionId !== id)
      problems.push(`${id}: it is committed, and its client knows ${answer?.transactionId ?? "nothing"}`);
    for (const { participantId, vote } of parts) {
      const state = participants.get(participantId)?.get(id) ?? "unknown";
      if (vote === "commit" && state === "unknown")
        problems.push(`${id}: it is committed, and ${participantId} knows nothing of it`);
    }
  }
  for (const [participantId, states] of participants) {
    for (const [id, state] of states) {
      if (state !== outcomeOf(id)) problems.push(`${id}: ${outcomeOf(id)} at the coordinator, ${state} at ${participantId}`);
    }
  }
  return problems;
}
