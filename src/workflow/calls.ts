import type { RequestId, TransactionId, WorkflowId } from "../kernel/ids.ts";
import type { Origin } from "../kernel/origin.ts";
import type { RequestKey } from "../kernel/request-key.ts";
import { err, type Result } from "../kernel/result.ts";
import type { TimeMs } from "../kernel/time.ts";
import type { ManagerError } from "./errors.ts";
import type { Guard } from "./ports.ts";

/** Who waits for an answer. */
export type Caller = {
  /** Aborts when it waits no longer. */
  readonly signal: AbortSignal;
  readonly deadlineMs?: TimeMs | undefined;
  /** Told once, if a transaction carries its move: so that it can ask after it, should it get no answer. */
  readonly onBegun?: (transactionId: TransactionId) => void;
  readonly origin?: Origin | undefined;
  readonly guard?: Guard | undefined;
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
  /** Of the first of them: what the others are told of its answer, they must look at. */
  readonly guard: Guard | undefined;
};

type UnderWay = {
  readonly digest: string;
  callers: number;
  transactionId: TransactionId | undefined;
  readonly begun: PromiseWithResolvers<TransactionId>;
  /** Undefined: it has one caller, and never another. */
  readonly left: AbortController | undefined;
  /** Of its request's own kind: a digest is of one kind only. */
  readonly answer: Promise<Result<unknown, unknown>>;
};

/** The calls under way in this process. A retry that meets its first attempt joins it, and gets its answer. */
export function createCalls() {
  const byRequest = new Map<RequestId, UnderWay>();

  function begin(
    request: RequestKey | undefined,
    { deadlineMs, guard, origin, signal }: Caller,
    run: (call: Call) => Promise<Result<unknown, unknown>>,
  ): UnderWay {
    const left = request && new AbortController();
    const begun = Promise.withResolvers<TransactionId>();
    const tell = (transactionId: TransactionId): void => {
      underWay.transactionId = transactionId;
      begun.resolve(transactionId);
    };
    const answer = Promise.resolve({ signal: left?.signal ?? signal, deadlineMs, begun: tell, origin, guard }).then(run);
    const underWay: UnderWay = {
      digest: request?.digest ?? "",
      callers: 0,
      transactionId: undefined,
      begun,
      left,
      answer,
    };
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
      const underWay = first ?? begin(request, caller, run);
      if (request) byRequest.set(request.id, underWay);
      underWay.callers += 1;
      const { onBegun } = caller;
      if (onBegun) void underWay.begun.promise.then((transactionId) => caller.signal.aborted || onBegun(transactionId));
      let hasLeft = false;
      try {
        // The same request, to its digest, has the same kind of answer.
        const answer = (await orLeft(caller.signal, underWay.answer)) as Result<T, E> | undefined;
        hasLeft = answer === undefined;
        return answer ?? err({ type: "outcome-pending", workflowId, transactionId: underWay.transactionId });
      } finally {
        underWay.callers -= 1;
        if (underWay.callers === 0) {
          if (request) byRequest.delete(request.id);
          // Nobody needs to be told of a run that is over; an abort without a cause would cost it a stack trace.
          if (hasLeft) underWay.left?.abort(caller.signal.reason);
        }
      }
    },
  };
}

/** The value, or nothing if the signal aborts first. */
export function orLeft<T>(signal: AbortSignal, value: Promise<T>): Promise<T | undefined> {
  if (signal.aborted) return Promise.race([value, undefined]);
  return new Promise((resolve, reject) => {
    const leave = (): void => resolve(undefined);
    const stay = (): void => signal.removeEventListener("abort", leave);
    signal.addEventListener("abort", leave);
    value.then(
      (settled) => {
        stay();
        resolve(settled);
      },
      (error) => {
        stay();
        reject(error);
      },
    );
  });
}
