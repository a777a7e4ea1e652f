import { celList } from "@bufbuild/cel";
import { create } from "@bufbuild/protobuf";
import { type Duration, DurationSchema } from "@bufbuild/protobuf/wkt";
import { heuristicOf, isInDoubtSomewhere, type Transaction } from "../commit/core/types.ts";
import type { DurationMs, TimeMs } from "../kernel/time.ts";
import { celRecord, celTime } from "../predicate/core/bindings.ts";
import type { Variables } from "../predicate/core/compile.ts";
import { enumNames } from "../predicate/core/enum-names.ts";
import { filterOf, namesOf } from "./filter.ts";

const transactionVariables: Variables = {
  transaction: {
    id: "value",
    phase: namesOf("concord.commit.v1.TransactionPhase"),
    // LOST is an acknowledgement's; no transaction has it.
    outcome: enumNames("OUTCOME_", ["COMMITTED", "ABORTED"], true),
    in_doubt: "value",
    participants: "value",
    created_at: "value",
    decided_at: "value",
    completed_at: "value",
    requested_by: "value",
    reason: "value",
    heuristic: namesOf("concord.commit.v1.Heuristic", true),
    age: "value",
  },
  now: "value",
};

/** What is not decided has no `decided_at`: an expression that compares it does not match. */
export function transactionFilter(expression: string, nowMs: () => TimeMs): (transaction: Transaction) => boolean {
  return filterOf(expression, transactionVariables, (transaction) => ({
    transaction: celRecord({
      id: transaction.id,
      phase: transaction.phase,
      outcome: transaction.outcome?.toUpperCase() ?? "",
      in_doubt: isInDoubtSomewhere(transaction),
      participants: celList(transaction.parts.map(({ participantId }) => participantId)),
      created_at: celTime(transaction.createdAtMs),
      ...(transaction.decidedAtMs === undefined ? {} : { decided_at: celTime(transaction.decidedAtMs) }),
      ...(transaction.completedAtMs === undefined ? {} : { completed_at: celTime(transaction.completedAtMs) }),
      requested_by: transaction.requestedBy,
      reason: transaction.reason,
      heuristic: heuristicOf(transaction) ?? "",
      age: celDuration(nowMs() - transaction.createdAtMs),
    }),
    now: celTime(nowMs()),
  }));
}

const celDuration = (ms: DurationMs): Duration =>
  create(DurationSchema, { seconds: BigInt(Math.floor(ms / 1000)), nanos: (ms - Math.floor(ms / 1000) * 1000) * 1e6 });
