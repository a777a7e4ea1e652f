import type { Resource } from "../../src/commit/ports.ts";
import type { TransactionId } from "../../src/kernel/ids.ts";
import type { Dice } from "./random.ts";
import type { Process } from "./schedule.ts";
import type { Tally } from "./tally.ts";

/** What a participant is to answer. It is the payload of its work, so a transaction always means the same. */
export const behaviours = ["commit", "slow", "read-only", "abort", "throw"] as const;

export type Behaviour = (typeof behaviours)[number];

/** True if it makes a promise. */
export const promises = (behaviour: Behaviour): boolean => behaviour === "commit" || behaviour === "slow";

/** Durable: outlives the processes of its participant. Lost: it was prepared, and is not there any more. */
export type ResourceState = Map<TransactionId, "prepared" | "committed" | "lost">;

/** The resource as one process sees it. Each call takes time and may fail before or after it has done its work. */
export function openResource(options: {
  readonly process: Process;
  readonly state: ResourceState;
  readonly dice: Dice;
  readonly failure: () => number;
  /** How often a promise is gone when it is to be kept. */
  readonly losing: () => number;
  readonly tally: Tally;
  readonly behaviourOf: (payload: Uint8Array) => Behaviour;
  readonly onCommit: (id: TransactionId) => void;
  readonly onViolation: (text: string) => void;
}): Resource {
  const { process, state, dice, failure, losing, tally, behaviourOf, onCommit, onViolation } = options;

  async function work<Result>(apply: () => Result): Promise<Result | undefined> {
    await process.sleep(dice.between(0, 30));
    const fails = dice.chance(failure());
    const applied = !fails || dice.chance(0.5) ? apply() : undefined;
    if (!fails) return applied;
    tally.count("resource failures");
    throw new Error("the resource failed");
  }

  return {
    async prepare({ transactionId, payload, voteWithinMs }) {
      const behaviour = behaviourOf(payload);
      if (behaviour === "slow") await process.sleep(voteWithinMs + dice.between(0, 2_000));
      if (behaviour === "throw") {
        await process.sleep(dice.between(0, 30));
        tally.count("votes: failed to prepare");
        throw new Error("it does not fit");
      }
      if (!promises(behaviour)) {
        await process.sleep(dice.between(0, 30));
        return { value: behaviour === "read-only" ? "read-only" : "abort", reason: behaviour };
      }
      await work(() => {
        if (state.get(transactionId) !== "committed") state.set(transactionId, "prepared");
      });
      return { value: "commit", reason: "" };
    },
    commit: ({ transactionId, payload }) =>
      work(() => {
        // The lone participant of one-phase commit is told to commit what it only read.
        if (behaviourOf(payload) === "read-only") return undefined;
        if (state.get(transactionId) === "prepared" && dice.chance(losing())) state.set(transactionId, "lost");
        if (state.get(transactionId) === "lost") return { lost: "the database was restored from an older backup" };
        if (!state.has(transactionId)) onViolation(`${process.name} commits ${transactionId}, which it never prepared`);
        state.set(transactionId, "committed");
        onCommit(transactionId);
        return undefined;
      }),
    abort: ({ transactionId }) =>
      work(() => {
        if (state.get(transactionId) === "committed")
          onViolation(`${process.name} aborts ${transactionId}, which it has committed`);
        state.delete(transactionId);
      }),
    prepared: async () => [...state].filter(([, each]) => each === "prepared").map(([id]) => id),
  };
}
