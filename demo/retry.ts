import { setTimeout as sleep } from "node:timers/promises";
import { ClientError, Status } from "nice-grpc";
import { CommandError } from "../src/cli/failure.ts";
import { err, ok, type Result } from "../src/kernel/result.ts";
import type { DurationMs } from "../src/kernel/time.ts";
import { type ClientFailure, clientFailure } from "../src/rpc/errors.ts";

/** One attempt may take this long: a release waits for participants, and for their votes. */
const attemptMs: DurationMs = 25_000;

/** After this a server is not restarting; it is gone. */
const giveUpMs: DurationMs = 60_000;

/** Without RetryInfo, the pause doubles from the first to the last. */
const pauseMs = { first: 50, last: 1_000 };

export type CallOptions = { readonly deadline: DurationMs; readonly signal: AbortSignal };

/**
 * Makes a call, again and again while a retry can help, and resolves to the answer or to a definite refusal. Throws if it has neither
 * after a minute, or when the signal aborts.
 *
 * It repeats what the contract allows to repeat: a failure with RetryInfo, after the time that it names; UNAVAILABLE and
 * DEADLINE_EXCEEDED, after a growing pause. After some of these the change may have been made: a `request_id` in the request, the same
 * in each attempt, makes the repetition safe, and its answer is the one that was lost.
 */
export async function untilAnswered<T>(
  call: (options: CallOptions) => Promise<T>,
  signal: AbortSignal,
  onRetry?: (failure: ClientFailure) => void,
): Promise<Result<T, ClientFailure>> {
  const startedMs = Date.now();
  for (let attempt = 0; ; attempt += 1) {
    try {
      return ok(await call({ deadline: attemptMs, signal }));
    } catch (error) {
      if (!(error instanceof ClientError)) throw error;
      const failure = clientFailure(error);
      if (!mayRetry(failure)) return err(failure);
      if (Date.now() - startedMs > giveUpMs) throw new CommandError(`given up after ${giveUpMs} ms: ${failureText(failure)}`);
      onRetry?.(failure);
      const pause = failure.retryAfterMs ?? Math.min(pauseMs.last, pauseMs.first * 2 ** attempt);
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
