import { celList } from "@bufbuild/cel";
import { create } from "@bufbuild/protobuf";
import { type Duration, DurationSchema } from "@bufbuild/protobuf/wkt";
import { hasTransaction } from "../access/core/policy.ts";
import { heuristicOf, isInDoubtSomewhere, type Phase, phases, type Transaction } from "../commit/core/types.ts";
import { afterId, type TransactionScope } from "../commit/transaction-scope.ts";
import type { TransactionId } from "../kernel/ids.ts";
import { choices, isWithin, type Range } from "../kernel/range.ts";
import type { DurationMs, TimeMs } from "../kernel/time.ts";
import { celRecord, celTime } from "../predicate/core/bindings.ts";
import type { Comparison } from "../predicate/core/comparisons.ts";
import type { Variables } from "../predicate/core/compile.ts";
import { enumNames } from "../predicate/core/enum-names.ts";
import type { Bindings } from "../predicate/core/evaluate.ts";
import { enumOf, listOf, recordOf, types } from "../predicate/core/typing/type.ts";
import type { RpcContext } from "./context.ts";
import { filterOf, namesOf } from "./filter.ts";
import { alsoWhere, type Filter } from "./narrowed-filter.ts";
import { type KnownFields, rangesOf } from "./ranges.ts";

const transactionVariables: Variables = {
  transaction: recordOf({
    id: types.string,
    phase: enumOf(namesOf("concord.commit.v1.TransactionPhase")),
    // LOST is an acknowledgement's; no transaction has it.
    outcome: enumOf(enumNames("OUTCOME_", ["COMMITTED", "ABORTED"], true)),
    in_doubt: types.bool,
    participants: listOf(types.string),
    created_at: types.timestamp,
    decided_at: types.timestamp,
    completed_at: types.timestamp,
    requested_by: types.string,
    authenticated_as: types.string,
    reason: types.string,
    heuristic: enumOf(namesOf("concord.commit.v1.Heuristic", true)),
    age: types.duration,
  }),
  now: types.timestamp,
};

/** What is not decided has no `decided_at`: an expression that compares it does not match. */
export function transactionFilter(
  expression: string,
  nowMs: () => TimeMs,
  caller?: Caller,
): Filter<Transaction, TransactionScope> | undefined {
  const bindingsOf = (transaction: Transaction): Bindings => ({
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
      authenticated_as: transaction.authenticatedAs ?? "",
      reason: transaction.reason,
      heuristic: heuristicOf(transaction) ?? "",
      age: celDuration(nowMs() - transaction.createdAtMs),
    }),
    now: celTime(nowMs()),
  });
  const filter = filterOf(expression, transactionVariables, bindingsOf, scopeOf);
  if (caller === undefined || caller.permission.transactionsOf === "all") return filter;
  return alsoWhere(filter, (transaction) => maySee(caller, transaction), scopeOf([]));
}

type Caller = Pick<RpcContext, "permission" | "principal">;

/** Whether a call may be about a transaction. */
export const maySee = ({ permission, principal }: Caller, { parts, authenticatedAs }: Transaction): boolean =>
  hasTransaction(permission, principal, {
    participantIds: parts.map(({ participantId }) => participantId),
    begunBy: authenticatedAs,
  });

type TransactionRanges = { readonly id?: Range<string>; readonly phase?: Range<string>; readonly outcome?: Range<string> };

const known: KnownFields<TransactionRanges> = {
  "transaction.id": { as: "id", kind: "text" },
  "transaction.phase": { as: "phase", kind: phases },
  "transaction.outcome": { as: "outcome", kind: ["COMMITTED", "ABORTED", ""] },
};

function scopeOf(comparisons: readonly Comparison[]): TransactionScope {
  const { id = {}, phase, outcome } = rangesOf(comparisons, known);
  // Who is in doubt is not completed.
  const isOpen = comparisons.some(
    ({ field, operator, literals: [literal] }) =>
      field === "transaction.in_doubt" && operator === "==" && literal?.value === true,
  );
  const ids = choices(id)?.toSorted() ?? [];
  const [first, last] = [ids[0] ?? id.min, ids.at(-1) ?? id.max];
  const mayHave = (each: Phase): boolean => isWithin<string>(phase, each) && !(isOpen && each === "COMPLETED");
  return {
    fromId: first as TransactionId | undefined,
    beforeId: last === undefined ? undefined : afterId(last as TransactionId),
    phases: phase === undefined && !isOpen ? undefined : phases.filter(mayHave),
    outcomes: outcome && outcomes.filter((each) => isWithin(outcome, each?.toUpperCase() ?? "")),
  };
}

const outcomes = ["committed", "aborted", undefined] as const;

const celDuration = (ms: DurationMs): Duration =>
  create(DurationSchema, { seconds: BigInt(Math.floor(ms / 1000)), nanos: (ms - Math.floor(ms / 1000) * 1000) * 1e6 });
