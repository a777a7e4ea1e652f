import type { CoordinatorMessage, Numbered, ParticipantMessage } from "../../src/commit/core/messages.ts";
import type { ParticipantTransport } from "../../src/commit/ports.ts";
import { createQueue } from "../../src/commit/queue.ts";
import type { Sessions } from "../../src/commit/sessions.ts";
import type { Dice } from "./random.ts";
import type { Process, Schedule } from "./schedule.ts";
import type { Tally } from "./tally.ts";

export type NetworkFaults = {
  readonly delayMs: number;
  /** Of a message: it and all behind it in its stream are lost. A stream loses nothing while it lasts. */
  readonly loss: number;
  readonly duplication: number;
};

export type CoordinatorProcess = { readonly process: Process; readonly sessions: Sessions };

/** A message, the participant that it is from or to, and the process that sends it. */
export type Seen = (participant: string, message: ParticipantMessage | CoordinatorMessage, from: Process) => void;

/** The cable of one participant. Each direction can be cut by itself. */
export type Cable = { up: boolean; down: boolean; isGone: boolean; readonly onRestored: Set<() => void> };

export const createCable = (): Cable => ({ up: true, down: true, isGone: false, onRestored: new Set() });

export type Network = {
  /** Dials whoever `coordinator` names at that moment. */
  transport(options: {
    readonly from: Process;
    readonly participant: string;
    readonly cable: Cable;
    readonly coordinator: () => CoordinatorProcess | undefined;
  }): ParticipantTransport;
  /** Every open stream of a process breaks. Its peers may hear of it late, or only by silence. */
  reset(process: Process): void;
  /** One stream of this participant breaks, for both ends. */
  breakStream(participant: string): boolean;
};

type Stream = { readonly participant: string; readonly ends: readonly Process[]; readonly break: (silent: boolean) => void };

/** The channel under a stream finds a dead connection by itself: 20 s without a word, and 10 s for the answer to a ping. */
const keepaliveMs = 30_000;

const END = Symbol("end of stream");

export function createNetwork(options: {
  readonly schedule: Schedule;
  readonly dice: Dice;
  readonly faults: () => NetworkFaults;
  readonly tally: Tally;
  readonly say: (text: string) => void;
  readonly onSend: Seen;
  readonly onFailure: (error: unknown) => void;
}): Network {
  const { schedule, dice, faults, tally, say, onSend, onFailure } = options;
  const streams = new Set<Stream>();

  /** One direction of one stream: delays, but keeps the order. */
  function createPipe<Item>(to: Process, isOpen: () => boolean, deliver: (item: Item | typeof END) => Promise<void>) {
    const items: { readonly item: Item | typeof END; readonly readyAtMs: number }[] = [];
    let busy = false;
    let broken = false;

    function pump(): void {
      const head = items[0];
      if (busy || head === undefined || !isOpen()) return;
      busy = true;
      const delayMs = Math.max(0, head.readyAtMs - schedule.nowMs);
      to.after(delayMs, () => {
        busy = false;
        // Meanwhile it may have been lost, or the cable cut.
        if (items[0] !== head || !isOpen()) return pump();
        items.shift();
        busy = true;
        deliver(head.item).then(() => {
          busy = false;
          pump();
        }, onFailure);
      });
    }

    return {
      pump,
      push(item: Item | typeof END) {
        if (broken) return;
        items.push({ item, readyAtMs: schedule.nowMs + dice.between(0, faults().delayMs) });
        pump();
      },
      /** What is under way is lost. */
      drop() {
        broken = true;
        items.length = 0;
      },
      /** What is under way is lost, or arrives all the same, and the reader hears that the stream is over. */
      cut() {
        items.length = dice.between(0, items.length);
        this.push(END);
        broken = true;
      },
    };
  }

  return {
    transport: ({ from, participant, cable, coordinator }) => ({
      name: "network",
      async *open(outgoing, signal) {
        await from.sleep(dice.between(0, faults().delayMs));
        if (signal.aborted) return;
        const target = coordinator();
        if (!target?.process.alive || !cable.up || !cable.down) {
          tally.count("connections refused");
          throw new Error("connection refused");
        }
        const { process: to, sessions } = target;
        const session = sessions.open(`${participant}`);
        const arrived = createQueue<Numbered<CoordinatorMessage>>();
        const up = createPipe<Numbered<ParticipantMessage>>(
          to,
          () => cable.up,
          async (item) => {
            if (item === END) session.disconnect();
            else await session.receive(item);
          },
        );
        const down = createPipe<Numbered<CoordinatorMessage>>(
          from,
          () => cable.down,
          async (item) => {
            if (item === END) arrived.close();
            else arrived.push(item);
          },
        );
        const stream: Stream = {
          participant,
          ends: [from, to],
          break(silent) {
            if (!streams.delete(stream)) return;
            tally.count(silent ? "streams broken in silence" : "streams broken");
            if (silent) {
              up.drop();
              down.drop();
              if (dice.chance(0.3)) {
                // Not even the channel hears of it: only the silence of its peer ends a session.
                tally.count("streams half-open");
                return;
              }
              to.after(dice.between(1_000, keepaliveMs), () => session.disconnect());
              from.after(dice.between(1_000, keepaliveMs), () => arrived.close());
            } else {
              up.cut();
              down.cut();
            }
          },
        };
        streams.add(stream);
        const restored = (): void => {
          up.pump();
          down.pump();
        };
        cable.onRestored.add(restored);

        function send<Message extends ParticipantMessage | CoordinatorMessage>(
          pipe: { push(item: Numbered<Message> | typeof END): void },
          numbered: Numbered<Message>,
          arrow: string,
          sender: Process,
        ): void {
          const text = describeMessage(numbered.message);
          onSend(participant, numbered.message, sender);
          if (dice.chance(faults().loss)) {
            tally.count("messages lost");
            say(`${arrow}  ${text}: LOST, with the stream`);
            stream.break(dice.chance(0.5));
            return;
          }
          if (text !== "") say(`${arrow}  ${text}`);
          pipe.push(numbered);
          const isProtocol = "transactionId" in numbered.message;
          if (isProtocol && dice.chance(faults().duplication)) {
            tally.count("messages duplicated");
            pipe.push(numbered);
          }
        }

        signal.addEventListener("abort", () => {
          arrived.close();
          up.push(END);
        });
        void (async () => {
          for await (const numbered of outgoing) if (from.alive) send(up, numbered, `${participant} → ${to.name}`, from);
          up.push(END);
        })();
        void (async () => {
          for await (const numbered of session.outgoing) if (to.alive) send(down, numbered, `${to.name} → ${participant}`, to);
          down.push(END);
        })();
        try {
          yield* arrived.items;
        } finally {
          cable.onRestored.delete(restored);
          streams.delete(stream);
        }
        throw new Error(session.end?.reason ?? "the stream broke");
      },
    }),
    reset(process) {
      for (const stream of [...streams]) if (stream.ends.includes(process)) stream.break(dice.chance(0.3));
    },
    breakStream(participant) {
      const stream = [...streams].find((each) => each.participant === participant);
      stream?.break(dice.chance(0.3));
      return stream !== undefined;
    },
  };
}

/** Empty for what only keeps a session alive. */
export function describeMessage(message: CoordinatorMessage | ParticipantMessage): string {
  switch (message.type) {
    case "hello":
      return `Hello, in doubt: [${message.inDoubt.map(({ transactionId }) => transactionId).join(", ")}]`;
    case "welcome":
      return `Welcome, session ${message.sessionEpoch}, coordinator epoch ${message.coordinatorEpoch}`;
    case "prepare":
      return `Prepare ${message.transactionId}${message.onePhase ? ", one phase" : ""}, attempt ${message.attempt}`;
    case "vote":
      return `Vote ${message.transactionId} ${message.value.toUpperCase()}`;
    case "decision":
      return `Decision ${message.transactionId} ${message.outcome.toUpperCase()}${message.inReply ? ", in reply" : ""}`;
    case "decision-ack":
      return `DecisionAck ${message.transactionId} ${message.outcome.toUpperCase()}`;
    case "inquiry":
      return `Inquiry ${message.transactionId}`;
    case "heartbeat":
    case "credit":
      return "";
    default:
      return `${message.type}: ${message.reason}`;
  }
}
