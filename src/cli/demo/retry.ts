import { setTimeout as sleep } from "node:timers/promises";
import { ClientError, Status } from "nice-grpc";
import { err, ok, type Result } from "../../kernel/result.ts";
import type { DurationMs } from "../../kernel/time.ts";
import { type ClientFailure, clientFailure } from "../../rpc/errors.ts";

/** One attempt may take this long: a release waits for participants, and for their votes. */
const attemptMs: DurationMs = 25_000;

/** After this a server is not restarting; it is gone. */
const giveUpMs: DurationMs = 60_000;

/** While nobody answers, the pause doubles from the first to the second. */
const pauseMs = { first: 50, max: 1_000 };

export type CallOptions = { readonly deadline: DurationMs; readonly signal: AbortSignal };

/**
 * Makes a call, again and again while a retry can help, and resolves to the answer or to a definite refusal.
 *
 * It repeats what the contract allows to repeat: a failure with RetryInfo, after that time; UNAVAILABLE and DEADLINE_EXCEEDED, after a
 * growing pause. In the latter two the change may have been made: only a `request_id` in the request, the same in each attempt, makes
 * the repetition safe. The answer then is the one that was lost.
 */
export async function untilAnswered<T>(
  call: (options: CallOptions) => Promise<T>,
  signal: AbortSignal,
  onRetry: (failure: ClientFailure) => void = () => {},
): Promise<Result<T, ClientFailure>> {
  const startedMs = Date.now();
  for (let attempt = 0; ; attempt += 1) {
    try {
      return ok(await call({ deadline: attemptMs, signal }));
    } catch (error) {
      if (!(error instanceof ClientError)) throw error;
      const failure = clientFailure(error);
      if (!mayRetry(failure) || Date.now() - startedMs > giveUpMs) return err(failure);
      onRetry(failure);
      const pause = failure.retryAfterMs ?? Math.min(pauseMs.max, pauseMs.first * 2 ** attempt);
      // Jitter: those who failed together do not come back together.
      await sleep(pause * (1 + Math.random() / 2), undefined, { signal });
    }
  }
}

function mayRetry({ code, retryAfterMs }: ClientFailure): boolean {
  return retryAfterMs !== undefined || code === Status.UNAVAILABLE || code === Status.DEADLINE_EXCEEDED;
}

/** `ABORTED / VERSION_MISMATCH: workflow "s-1" is at version 2, not 1`. */
export function failureText({ code, reason, message }: ClientFailure): string {
  return `${Status[code]}${reason === undefined ? "" : ` / ${reason}`}: ${message}`;
}
