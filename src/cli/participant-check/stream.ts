import type { CoordinatorMessage, Numbered, ParticipantMessage } from "../../commit/core/messages.ts";
import type { StreamEnd } from "../../commit/ports.ts";
import { createQueue } from "../../commit/queue.ts";
import type { Clock } from "../../kernel/clock.ts";
import type { TransactionId } from "../../kernel/ids.ts";
import type { DurationMs } from "../../kernel/time.ts";
import type { Watch } from "./watch.ts";

/** What no proper coordinator would send, as bytes. */
export type RawMessage = {
  readonly type: "raw";
  readonly encode: (sequence: number) => Uint8Array;
  /** Set if it asks to prepare this. */
  readonly prepares?: TransactionId;
};

export type Sent = Numbered<CoordinatorMessage | RawMessage>;

/** A message, and when it was heard, on the monotonic clock. */
export type Heard = Numbered<ParticipantMessage> & { readonly atMs: DurationMs };

/** One Participate stream, as its coordinator sees it. All that was heard on it is kept. */
export interface Stream {
  readonly openedMs: DurationMs;
  readonly heard: readonly Heard[];
  /** How it ended, if it has: `half-closed` is in order, `broken` by the participant or the network, `ended` from here. */
  readonly ended: { readonly how: "half-closed" | "broken" | "ended"; readonly atMs: DurationMs } | undefined;
  /** How many messages were sent. */
  readonly sent: number;
  /** The sequence of the message. Lost if the stream has ended. */
  send(message: Sent["message"]): number;
  /** With OK, unless a reason is given. */
  end(status?: StreamEnd): void;
}

/** The other side of it, for the service that carries it. */
export interface StreamEnds extends Stream {
  readonly outgoing: AsyncIterable<Sent>;
  readonly status: StreamEnd | undefined;
  hear(numbered: Numbered<ParticipantMessage>): void;
  over(how: "half-closed" | "broken"): void;
}

export function createStream({ clock, watch }: { readonly clock: Clock; readonly watch: Watch }): StreamEnds {
  const queue = createQueue<Sent>();
  const heard: Heard[] = [];
  let sent = 0;
  let ended: Stream["ended"];
  let status: StreamEnd | undefined;

  function finish(how: NonNullable<Stream["ended"]>["how"]): void {
    if (ended) return;
    ended = { how, atMs: clock.monotonicMs() };
    queue.close();
    watch.changed();
  }

  return {
    openedMs: clock.monotonicMs(),
    heard,
    get ended() {
      return ended;
    },
    get sent() {
      return sent;
    },
    get status() {
      return status;
    },
    outgoing: queue.items,
    send(message) {
      sent += 1;
      queue.push({ sequence: sent, message });
      return sent;
    },
    end(reason) {
      if (!ended) status = reason;
      finish("ended");
    },
    hear(numbered) {
      heard.push({ ...numbered, atMs: clock.monotonicMs() });
      watch.changed();
    },
    over: finish,
  };
}
