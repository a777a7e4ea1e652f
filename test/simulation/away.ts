import { owesAck } from "../../src/commit/core/types.ts";
import type { Driver } from "../../src/commit/driver.ts";
import type { ParticipantId } from "../../src/kernel/ids.ts";
import { allTransactions } from "./all-transactions.ts";
import type { Coordinators } from "./coordinators.ts";
import type { Ledger } from "./ledger.ts";
import type { Participants } from "./participants.ts";
import { idle, type Room } from "./room.ts";
import type { Stage } from "./stage.ts";

/**
 * While one participant is away for good, what waits for it is shown as owed by it, and it cannot be forgotten; an operator may end that. In
 * half of these worlds one does.
 */
export function createAway(
  stage: Stage,
  options: { readonly participants: Participants; readonly coordinators: Coordinators; readonly ledger: Ledger },
): Room {
  const { participants, coordinators, ledger } = options;
  const { dice, tally, fail } = stage;
  const asked = { reason: "it is away for good", requestedBy: "operator", request: undefined };

  /** Undefined: the coordinator does not answer now. */
  async function inspect(name: ParticipantId): Promise<true | undefined> {
    const actor = coordinators.any();
    if (!actor?.ready) return undefined;
    const { driver } = actor;
    const transactions = await allTransactions(driver);
    const waiting = transactions.filter((transaction) =>
      transaction.parts.some(
        (part) => part.participantId === name && transaction.decidedAtMs !== undefined && owesAck(transaction, part),
      ),
    );
    const { unacknowledged } = driver.owed(name);
    // A record that could not be read when it was to be taken over is taken over within a minute.
    if (unacknowledged < waiting.length && (await isRecovering(driver, name))) return undefined;
    if (unacknowledged !== waiting.length)
      fail(`OwedShown: ${name} owes ${waiting.length} acknowledgements, shown are ${unacknowledged}`);
    if (waiting.length === 0) return true;
    tally.count("decisions owed by who is away");
    const kept = await driver.forgetParticipant(name, asked);
    if (kept.ok) fail(`ForgetSafe: ${name} is forgotten, and owes ${waiting.length} acknowledgements`);
    if (dice.chance(0.5)) return true;
    for (const { id, outcome } of waiting) {
      const transaction = transactions.find((each) => each.id === id);
      if (!transaction || !outcome) continue;
      ledger.onResolving(transaction);
      const resolved = await driver.resolve(id, outcome, asked);
      if (!resolved.ok && resolved.error.type === "refused")
        fail(`${id} waits for ${name}, and cannot be resolved as ${outcome}`);
      if (resolved.ok) tally.count("resolved, for who owes is away");
      if (resolved.ok && resolved.value.phase !== "COMPLETED") fail(`${id} is resolved, and ${resolved.value.phase}`);
    }
    return true;
  }

  async function isRecovering(driver: Driver, name: ParticipantId): Promise<boolean> {
    const kept = await driver.forgetParticipant(name, asked);
    return !kept.ok && kept.error.type === "participant-kept" && kept.error.because.some(({ type }) => type === "RECOVERING");
  }

  return {
    ...idle,
    async probe() {
      const name = participants.names.find(participants.isAway);
      if (name !== undefined && (await inspect(name as ParticipantId)) === undefined) {
        await stage.world.sleep(1_000);
        return false;
      }
      return true;
    },
  };
}
