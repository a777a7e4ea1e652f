import type { TransactionId } from "../kernel/ids.ts";
import type { ResourceVote } from "./core/participant-step.ts";

/** A vote, and what the participant's log has of it besides. */
export type PrepareVote = ResourceVote & { readonly cause?: unknown };

/**
 * The vote of a prepare that has failed. What a database or a program says then may name tables, rows, hosts, or what is in them: it stays in the
 * participant's log, and the reason, which travels, says where. `code`: what may be told of it.
 */
export function failedToPrepare(transactionId: TransactionId, cause: unknown, code = ""): PrepareVote {
  const what = code === "" ? "prepare failed" : `prepare failed (${code})`;
  return { value: "abort", reason: `${what}; the participant's log says why, at transaction ${transactionId}`, cause };
}
