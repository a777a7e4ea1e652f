import { randomUUID } from "node:crypto";
import type { DeadlineOptions } from "nice-grpc-client-middleware-deadline";
import { ClientError, type ClientMiddleware } from "nice-grpc-common";
import type { Origin } from "../kernel/origin.ts";
import type { OriginOptions } from "../rpc/clients/call-headers.ts";
import { ConcordError, mayRepeat } from "./failure.ts";
import { pause, pauseMsAfter } from "./pause.ts";

export type RetryOptions = {
  /**
   * When all attempts together end, at the latest: a moment, or so many milliseconds from now. Default: 30 s. A stream has one attempt, and ends
   * then; never, if it is left out.
   */
  readonly deadline?: Date | number;
  /** How long one attempt may take; the server is told. For a call that waits for others, give it as long as that may take. Default: 10 s. */
  readonly attemptMs?: number;
  /** On whose behalf it is called, such as `origin` of a participant's work. Default: its own, the same for all attempts. */
  readonly origin?: Origin;
};

const deadlineMsDefault = 30_000;

const attemptMsDefault = 10_000;

/** As the time of the clock. */
export const endOf = (deadline: Date | number = deadlineMsDefault): number =>
  deadline instanceof Date ? deadline.getTime() : Date.now() + deadline;

/** Makes a unary call again where the table says `same`, as long as there is time. Whatever fails is a ConcordError, of streams too. */
export const retryMiddleware: ClientMiddleware<RetryOptions, DeadlineOptions & OriginOptions> = async function* retryMiddleware(
  call,
  options,
) {
  if (call.requestStream || call.responseStream) {
    try {
      return yield* call.next(call.request, options);
    } catch (error) {
      throw told(error);
    }
  }
  const { deadline, attemptMs = attemptMsDefault, origin = { requestId: randomUUID() }, ...others } = options;
  const endsAtMs = endOf(deadline);
  for (let attempt = 1; ; attempt += 1) {
    try {
      return yield* call.next(call.request, { ...others, origin, deadline: Math.min(attemptMs, endsAtMs - Date.now()) });
    } catch (error) {
      const failure = told(error);
      if (!(failure instanceof ConcordError) || !mayRepeat(failure)) throw failure;
      const pauseMs = pauseMsAfter(attempt, failure.retryAfterMs);
      if (Date.now() + pauseMs >= endsAtMs) throw failure;
      await pause(pauseMs, options.signal);
    }
  }
};

const told = (error: unknown): unknown => (error instanceof ClientError ? new ConcordError(error) : error);
