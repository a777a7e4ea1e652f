import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect } from "vitest";
import type { Clients } from "../../src/cli/client.ts";
import { Outcome, TransactionPhase } from "../../src/gen/concord/commit/v1/transaction.ts";
import type { TransactionId } from "../../src/kernel/ids.ts";
import { openSqliteParticipantLog } from "../../src/storage/sqlite/participant-log.ts";
import { failureOf } from "./concord.ts";
import { until } from "./until.ts";

const logPath = (dataDir: string, participantId: string): string => join(dataDir, `participant-${participantId}.sqlite`);

/** Transactions that a participant holds prepared, read beside the running process. */
function prepared(dataDir: string, participantId: string): readonly string[] {
  const database = new DatabaseSync(logPath(dataDir, participantId), { readOnly: true });
  try {
    return database
      .prepare("SELECT id FROM transactions WHERE state = 'prepared'")
      .all()
      .map(({ id }) => String(id));
  } finally {
    database.close();
  }
}

/** Waits until no transaction is unfinished, nobody is in doubt, and no workflow is in transition. */
export async function settled(clients: Clients, dataDir: string, participantIds: readonly string[]): Promise<void> {
  await until(async () => {
    const { transactions } = await clients.commits.listTransactions({ pageSize: 1000 });
    return transactions.every(({ phase }) => phase === TransactionPhase.COMPLETED);
  }, "every transaction is COMPLETED");
  for (const id of participantIds) await until(() => prepared(dataDir, id).length === 0, `${id} is not in doubt`);
  await until(async () => (await clients.workflows.getSystemStats({})).inTransition === 0n, "no workflow is in transition");
}

/** The coordinator's outcome. Under presumed abort, no record means aborted. */
export async function outcomeOf(clients: Clients, transactionId: string): Promise<"committed" | "aborted"> {
  const call = clients.commits.getTransaction({ transactionId });
  const found = await call.catch(() => undefined);
  if (found === undefined) {
    expect((await failureOf(clients.commits.getTransaction({ transactionId }))).reason).toBe("TRANSACTION_NOT_FOUND");
    return "aborted";
  }
  expect(found.transaction?.outcome, `${transactionId} is decided`).not.toBe(Outcome.UNSPECIFIED);
  return found.transaction?.outcome === Outcome.COMMITTED ? "committed" : "aborted";
}

/** How a stopped participant's log says that each transaction ended; nothing: it was never prepared there. */
export async function loggedOutcomes(
  dataDir: string,
  participantId: string,
  transactionIds: readonly string[],
): Promise<readonly (string | undefined)[]> {
  const opened = await openSqliteParticipantLog({ path: logPath(dataDir, participantId) });
  if (!opened.ok) throw new Error(opened.error.message);
  try {
    expect(await opened.value.load(), `in doubt at ${participantId}`).toEqual([]);
    return await Promise.all(transactionIds.map(async (id) => (await opened.value.get(id as TransactionId))?.state));
  } finally {
    await opened.value.close();
  }
}
