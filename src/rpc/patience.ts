import type { CallerEnd, EndSignal } from "../commit/ends.ts";
import type { Clock } from "../kernel/clock.ts";
import type { DurationMs } from "../kernel/time.ts";
import type { RpcContext } from "./context.ts";

/** The longest way of an answer to its caller, in a network that works. */
const wayMaxMs = 200;

/** How long a caller waits for a decision, and what ends it. */
export type Patience = {
  /** Aborts when the caller leaves, and shortly before it stops to listen: it is to be answered by then. */
  readonly signal: EndSignal<CallerEnd>;
  readonly leftMs: DurationMs;
};

/** Runs for a caller that waits until its deadline, and no longer than `limitMs`. */
export async function withPatience<T>(
  { signal, deadlineMs = Infinity }: Pick<RpcContext, "deadlineMs"> & { readonly signal: AbortSignal },
  clock: Pick<Clock, "nowMs" | "setTimer">,
  limitMs: DurationMs,
  run: (patience: Patience) => Promise<T>,
): Promise<T> {
  const listensMs = deadlineMs - clock.nowMs();
  const answeredWithinMs = listensMs - Math.min(wayMaxMs, listensMs / 10);
  const leftMs = Math.max(1, Math.min(limitMs, answeredWithinMs));
  const patience = new AbortController();
  const end = (why: CallerEnd) => (): void => patience.abort(why);
  const leave = end({ type: "caller-left" });
  const cancel = leftMs === Infinity ? undefined : clock.setTimer(leftMs, end({ type: "deadline" }));
  signal.addEventListener("abort", leave);
  if (signal.aborted) leave();
  try {
    return await run({ signal: patience.signal, leftMs });
  } finally {
    cancel?.();
    signal.removeEventListener("abort", leave);
  }
}
