import type { TraceEvent } from "../../../../src/commit/core/trace.ts";
import type { Recorded } from "./merge.ts";

/**
 * Why transactions are not held against specs/Sessions.tla, which knows only what is committed in two phases, and what is aborted because nothing is
 * found of it. TwoPhaseCommit knows the others.
 */
export function leftOutOf(events: readonly Recorded[]): ReadonlyMap<string, string> {
  const left = new Map<string, string>();
  const leave = (transaction: string, why: string): void => {
    if (!left.has(transaction)) left.set(transaction, why);
  };
  for (const event of events) {
    if (event.action === "dropped") leave(event.transaction, "dropped from the log");
    else if (event.action === "recorded") {
      if (event.transaction.outcome === "aborted") leave(event.transaction.id, "aborted by their coordinator");
    } else if (event.action !== "claimed" && event.action !== "numbered" && "transaction" in event) {
      const why = whyNot(event);
      if (why !== undefined) leave(event.transaction, why);
    }
  }
  return left;
}

function whyNot(event: Extract<TraceEvent, { readonly transaction: unknown }>): string | undefined {
  switch (event.action) {
    case "Begin":
      return event.participants?.length === 0 ? "without participants" : undefined;
    case "ForceDelegate":
      return "committed in one phase";
    case "Resolve":
      return "resolved by an operator";
    case "RecvLost":
    case "RecvCommitLost":
      return "whose promise was lost";
    case "RecvAbortUnknown":
    case "UnilateralAbort":
      return "refused by a participant";
    case "RecvPrepareOnePhase":
      return "committed in one phase";
    case "RecvPrepare":
      return event.state === "refused" || event.state === "aborted" ? "refused by a participant" : undefined;
    default:
      return "state" in event && typeof event.state === "object" && event.state.phase === "aborting"
        ? "aborted by their coordinator"
        : undefined;
  }
}
