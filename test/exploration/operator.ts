import { heuristicOf } from "../../src/commit/core/types.ts";
import type { State } from "./world.ts";

// What holds although operators resolve and forget, of which the spec knows nothing. With two participants and more they end only
// what is decided, so all that the spec promises stays true; a lone participant's decision may be guessed, and guessed wrong.

/** The names of what does not hold in a state, nor in the step to it. */
export function violatedByOperators(before: State, after: State): string[] {
  const { log, participants, spec } = after;
  const records = participants.map(({ record }) => record?.state);
  const stands = (outcome: string | undefined, next: string | undefined): boolean => !outcome || !next || outcome === next;
  const parts = log?.parts.map((part, index) => ({ ...part, record: records[index] })) ?? [];
  const acked = parts.filter(({ acknowledgedAtMs }) => acknowledgedAtMs !== undefined);
  const isMixed = acked.some(({ record }) => record !== log?.outcome);
  const many = records.length > 1;
  const promises: Readonly<Record<string, boolean>> = {
    DecisionStable:
      stands(before.log?.outcome, log?.outcome) &&
      after.coordinators.every((each, index) =>
        stands(before.coordinators[index]?.transaction?.outcome, each.transaction?.outcome),
      ) &&
      before.participants.every(({ record }, index) => record?.state === "prepared" || stands(record?.state, records[index])),
    // What an operator has not resolved was committed by those who voted.
    CommitValidity:
      log?.outcome !== "committed" ||
      (!many && log.resolution !== undefined) ||
      parts.every(({ vote, record }) => vote === "read-only" || (vote === "commit" && record && record !== "aborted")),
    HeuristicMixed: (log !== undefined && heuristicOf(log) === "MIXED") === (log?.resolution !== undefined && isMixed),
    OnlyOperatorsDisagree: log?.resolution !== undefined || !isMixed,
    Agreement: !(records.includes("committed") && records.includes("aborted")),
    ClientAckDurable: !many || log?.outcome === undefined || spec.client === "waiting" || spec.client === log.outcome,
    // Nobody in doubt is told "aborted" of a commit, for its record is there.
    ForgetSafe:
      !many ||
      !records.includes("prepared") ||
      !(records.includes("committed") || spec.client === "committed") ||
      log?.outcome === "committed",
  };
  return Object.entries(promises).flatMap(([name, holds]) => (holds ? [] : [name]));
}
