import type { TransactionId } from "../kernel/ids.ts";
import type { Origin } from "../kernel/origin.ts";
import type { Proved } from "../kernel/principal.ts";
import type { RequestKey } from "../kernel/request-key.ts";
import type { Result } from "../kernel/result.ts";
import type { DurationMs } from "../kernel/time.ts";
import type { Overload } from "./budgets.ts";
import type { Enlistment, Refusal } from "./core/coordinator-step.ts";
import type { Transaction } from "./core/types.ts";
import type { Lagging } from "./lagging.ts";
import type { Fenced } from "./ports.ts";

// What callers ask of the driver, and how it fails.

export type ExecuteRequest = {
  /** 0 to 64, no participant twice. */
  readonly enlistments: readonly Enlistment[];
  readonly prepareTimeoutMs: DurationMs;
  /** 0: a missing participant aborts at once. */
  readonly waitForParticipantsMs: DurationMs;
  readonly request: RequestKey | undefined;
  readonly reason: string;
  readonly requestedBy: string;
  /** Of whose share it takes. Nobody's, if it is not known. */
  readonly address?: string;
  readonly origin?: Origin | undefined;
} & Proved;

/** A transaction whose work is enlisted as it happens. */
export type BeginRequest = Omit<ExecuteRequest, "enlistments"> & { readonly idleTimeoutMs: DurationMs };

/** Who asks, and why. For the log, except where the verb keeps it. */
export type Asked = {
  readonly reason: string;
  readonly requestedBy: string;
  readonly request: RequestKey | undefined;
  readonly origin?: Origin | undefined;
} & Proved;

export type ExecuteFailure =
  | { readonly type: "request-id-reused" }
  | Overload
  | Lagging
  /** If there is an id, its outcome was not known here before the end: who runs it next knows, or its only participant. */
  | { readonly type: "shutting-down"; readonly transactionId?: TransactionId }
  /** If there is an id, the decision may be durable or not: the transaction tells when the store is back. */
  | { readonly type: "storage-unavailable"; readonly transactionId: TransactionId | undefined }
  /** Not decided while the caller waited: it left, or the only participant, who decides, has not told. */
  | { readonly type: "pending"; readonly transactionId: TransactionId }
  /** A defect of the coordinator has ended the transaction's run. The log keeps what is durable of it; a restart takes that over. */
  | { readonly type: "defect"; readonly transactionId: TransactionId }
  | Fenced;

/** The transaction as it is does not allow it. */
export type VerbRefusal = { readonly type: "refused"; readonly transaction: Transaction; readonly refusal: Refusal };

export type VerbFailure = ExecuteFailure | { readonly type: "not-found" } | VerbRefusal;

/** What a caller that waits for the decision hears. */
export type Answer = Result<Transaction, ExecuteFailure>;
