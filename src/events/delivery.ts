import type { DurationMs } from "../kernel/time.ts";
import type { Breathe } from "../kernel/turns.ts";
import { cloudEvent } from "./core/cloud-event.ts";
import { createWindow } from "./core/window.ts";
import { pendingBytesMax, pendingCountMax } from "./limits.ts";
import type { Connection, EventSource, Outgoing, Published } from "./ports.ts";

/** Why a delivery has ended. Nothing of it is under way any more. */
export type DeliveryEnd =
  /** By its signal. */
  | { readonly type: "stopped" }
  | Extract<Published, { readonly type: "gone" }>
  /** `answered`: the batch that the receiver has said this of, all before which is done. */
  | {
      readonly type: "failed";
      readonly cause: string;
      readonly answered?: readonly Outgoing[] | undefined;
      readonly retryAfterMs?: DurationMs | undefined;
    }
  /** The batch, all before which is done. */
  | { readonly type: "refused"; readonly cause: string; readonly events: readonly Outgoing[] }
  /** What comes next was purged. */
  | { readonly type: "purged"; readonly oldest: number };

export type DeliveryOptions = {
  readonly source: EventSource;
  readonly connection: Connection;
  readonly filter: string;
  readonly afterSequence: number;
  /** As of a sink's record. */
  readonly passesPurgedUpTo?: number | undefined;
  readonly windowMax: number;
  readonly batchCountMax: number;
  readonly breathe: Breathe;
  /** Ends it: what is under way is waited for, which ends with the connection at the latest. */
  readonly signal: AbortSignal;
  readonly onAcknowledged: (count: number) => void;
  /** All up to the cursor is done with. `last`: the last of it that was published now, if any was. */
  readonly onDone: (cursor: number, last: Outgoing | undefined) => void;
};

/**
 * Publishes what comes after a sequence, in order, until something goes wrong; then whoever has asked for it begins anew after the cursor, and
 * what was under way is published once more. Nothing is published that was not read, and only what is durable is read.
 */
export async function deliver(options: DeliveryOptions): Promise<DeliveryEnd> {
  const { source, connection, filter, afterSequence, passesPurgedUpTo, windowMax, batchCountMax, breathe, onDone } = options;
  const ending = new AbortController();
  const window = createWindow(afterSequence);
  const queue: Outgoing[] = [];
  const pending = { count: 0, bytes: 0, batches: 0 };
  const outcome: { end: DeliveryEnd | undefined } = { end: undefined };
  let changed = Promise.withResolvers<void>();

  /** Whoever waits for room, or for what is under way, looks again. */
  function tell(): void {
    const { resolve } = changed;
    changed = Promise.withResolvers<void>();
    resolve();
  }

  function finish(end: DeliveryEnd): void {
    outcome.end ??= end;
    ending.abort();
    tell();
  }

  function markDone(sequence: number, last?: Outgoing): void {
    if (window.done(sequence)) onDone(window.cursor, last);
  }

  async function read(): Promise<void> {
    let newest = afterSequence;
    for await (const message of source.read({ filter, afterSequence, passesPurgedUpTo, signal: ending.signal })) {
      if (message.type === "purged") return finish(message);
      const sequence = message.type === "event" ? message.event.sequence : message.sequence;
      if (sequence > newest) {
        newest = sequence;
        window.add(sequence);
        if (message.type === "event") {
          const pause = breathe();
          if (pause !== undefined) await pause;
          push({ event: message.event, body: cloudEvent(source.storeId, message.event) });
        } else markDone(sequence);
      }
      while (outcome.end === undefined && isFull()) await changed.promise;
      if (outcome.end !== undefined) return;
    }
    throw new Error("the events have ended");
  }

  const isFull = (): boolean => pending.count >= pendingCountMax || pending.bytes >= pendingBytesMax;

  function push(outgoing: Outgoing): void {
    queue.push(outgoing);
    pending.count += 1;
    pending.bytes += outgoing.body.length;
    publishQueued();
  }

  function publishQueued(): void {
    while (outcome.end === undefined && pending.batches < windowMax && queue.length > 0) {
      pending.batches += 1;
      void publish(queue.splice(0, batchCountMax));
    }
  }

  async function publish(batch: readonly Outgoing[]): Promise<void> {
    const published = await connection.publish(batch);
    pending.batches -= 1;
    if (published.type === "acknowledged") {
      options.onAcknowledged(batch.length);
      for (const outgoing of batch) {
        pending.count -= 1;
        pending.bytes -= outgoing.body.length;
        markDone(outgoing.event.sequence, outgoing);
      }
      publishQueued();
      tell();
    } else if (published.type === "refused") finish({ ...published, events: batch });
    else if (published.type === "failed") finish({ ...published, answered: published.answered && batch });
    else finish(published);
  }

  const onAbort = (): void => finish({ type: "stopped" });
  options.signal.addEventListener("abort", onAbort);
  if (options.signal.aborted) onAbort();
  void connection.broken.then((cause) => finish({ type: "failed", cause }));
  const reading = read().catch((error: unknown) => finish({ type: "failed", cause: messageOf(error) }));
  while (outcome.end === undefined || pending.batches > 0) await changed.promise;
  await reading;
  options.signal.removeEventListener("abort", onAbort);
  return judged(outcome.end, window.head);
}

/** What comes after something that has failed may only be refused for that. */
function judged(end: DeliveryEnd, head: number | undefined): DeliveryEnd {
  const isOfHead = (events: readonly Outgoing[] | undefined): boolean => events?.[0]?.event.sequence === head;
  if (end.type === "refused" && !isOfHead(end.events)) return { type: "failed", cause: end.cause };
  if (end.type === "failed" && !isOfHead(end.answered)) return { ...end, answered: undefined };
  return end;
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
