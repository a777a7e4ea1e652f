import { ClientError, Status } from "nice-grpc";
import { systemClock } from "../runtime/clock.ts";

/** Of a stream: its first message must come in time. From then on it goes on until it ends, or `signal` does. */
export async function* begunInTime<Message>(
  open: (options: { readonly signal: AbortSignal }) => AsyncIterable<Message>,
  timeoutMs: number,
  signal: AbortSignal,
): AsyncIterable<Message> {
  const late = new AbortController();
  const cancel = systemClock.setTimer(timeoutMs, () => late.abort());
  try {
    for await (const message of open({ signal: AbortSignal.any([signal, late.signal]) })) {
      cancel();
      yield message;
    }
  } catch (error) {
    if (signal.aborted) return;
    throw late.signal.aborted ? new ClientError("watch", Status.DEADLINE_EXCEEDED, "Deadline exceeded") : error;
  } finally {
    cancel();
  }
}
