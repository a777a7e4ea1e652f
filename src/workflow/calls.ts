import type { RequestId, TransactionId, WorkflowId } from "../kernel/ids.ts";
import type { Origin } from "../kernel/origin.ts";
import type { RequestKey } from "../kernel/request-key.ts";
import { err, type Result } from "../kernel/result.ts";
import type { TimeMs } from "../kernel/time.ts";
import type { ManagerError } from "./errors.ts";

/** Who waits for an answer. */
export type Caller = {
  /** Aborts when it waits no longer. */
  readonly signal: AbortSignal;
  readonly deadlineMs?: TimeMs | undefined;
  /** Told once, if a transaction carries its move: so that it can ask after it, should it get no answer. */
  readonly onBegun?: (transactionId: TransactionId) => void;
  readonly origin?: Origin | undefined;
};

/** One run of a request, for all who wait for it. */
export type Call = {
  /** Aborts when the last of its callers has left. */
  readonly signal: AbortSignal;
  /** When the first of them stops to wait. */
  readonly deadlineMs: TimeMs | undefined;
  readonly begun: (transactionId: TransactionId) => void;
  /** Of the first of them. */
  readonly origin: Origin | undefined;
};

type UnderWay = {
  readonly digest: string;
  callers: number;
  transactionId: TransactionId | undefined;
  readonly begun: PromiseWithResolvers<TransactionId>;
  readonly left: AbortController;
  /** Of its request's own kind: a digest is of one kind only. */
  readonly answer: Promise<Result<unknown, unknown>>;
};

/** The calls under way in this process. A retry that meets its first attempt joins it, and gets its answer. */
export function createCalls() {
  const byRequest = new Map<RequestId, UnderWay>();

  function begin(
    digest: string,
    { deadlineMs, origin }: Caller,
    run: (call: Call) => Promise<Result<unknown, unknown>>,
  ): UnderWay {
    const left = new AbortController();
    const begun = Promise.withResolvers<TransactionId>();
    const tell = (transactionId: TransactionId): void => {
      underWay.transactionId = transactionId;
      begun.resolve(transactionId);
    };
    const answer = Promise.resolve({ signal: left.signal, deadlineMs, begun: tell, origin }).then(run);
    const underWay: UnderWay = { digest, callers: 0, transactionId: undefined, begun, left, answer };
    return underWay;
  }

  return {
    async run<T, E>(
      { request, workflowId }: { readonly request: RequestKey | undefined; readonly workflowId: WorkflowId | undefined },
      caller: Caller,
      run: (call: Call) => Promise<Result<T, E>>,
    ): Promise<Result<T, E | ManagerError>> {
      const first = request && byRequest.get(request.id);
      if (first && first.digest !== request.digest) return err({ type: "request-id-reused", requestId: request.id });
      const underWay = first ?? begin(request?.digest ?? "", caller, run);
      if (request) byRequest.set(request.id, underWay);
      underWay.callers += 1;
      const { onBegun } = caller;
      if (onBegun) void underWay.begun.promise.then((transactionId) => caller.signal.aborted || onBegun(transactionId));
      try {
        // The same request, to its digest, has the same kind of answer.
        const answer = (await orLeft(caller.signal, underWay.answer)) as Result<T, E> | undefined;
        return answer ?? err({ type: "outcome-pending", workflowId, transactionId: underWay.transactionId });
      } finally {
        underWay.callers -= 1;
        if (underWay.callers === 0) {
          if (request) byRequest.delete(request.id);
          underWay.left.abort();
        }
      }
    },
  };
}

/** The value, or nothing if the signal aborts first. */
export async function orLeft<T>(signal: AbortSignal, value: Promise<T>): Promise<T | undefined> {
  const { promise: left, resolve } = Promise.withResolvers<undefined>();
  const leave = (): void => resolve(undefined);
  signal.addEventListener("abort", leave);
  if (signal.aborted) leave();
  try {
    return await Promise.race([value, left]);
  } finally {
    signal.removeEventListener("abort", leave);
  }
}
