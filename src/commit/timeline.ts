import type { ParticipantId } from "../kernel/ids.ts";
import { byWhom, type Proved } from "../kernel/principal.ts";
import { firstCharacters } from "../kernel/text.ts";
import type { TimeMs } from "../kernel/time.ts";
import type { CoordinatorInput } from "./core/coordinator-step.ts";
import type { DecisionAck, Inquiry, Vote } from "./core/messages.ts";
import { timelineCountMax, timelineDetailLengthMax } from "./limits.ts";

/** See TransactionEventType in proto/concord/commit/v1/transaction.proto. */
export const timelineEventTypes = [
  "begun",
  "enlisted",
  "commit-requested",
  "abort-requested",
  "prepare-sent",
  "vote-received",
  "decided",
  "decision-sent",
  "ack-received",
  "inquiry-received",
  "refused",
  "connected",
  "disconnected",
  "taken-over",
  "retried",
  "resolved",
  "nack-received",
] as const;

/** What happened to a transaction, for people. No step depends on it. */
export type TimelineEntry = {
  readonly atMs: TimeMs;
  readonly type: (typeof timelineEventTypes)[number];
  readonly participantId?: ParticipantId;
  readonly attempt?: number;
  readonly detail?: string;
};

/** Oldest first. `omitted` entries are missing in the middle. */
export type Timeline = { readonly entries: readonly TimelineEntry[]; readonly omitted: number };

export const emptyTimeline: Timeline = { entries: [], omitted: 0 };

/** When it is full, the beginning and the newest stay: a participant that is away for days is asked thousands of times. */
export function withEntry({ entries, omitted }: Timeline, entry: TimelineEntry, countMax = timelineCountMax): Timeline {
  const added = withShortDetail(entry);
  if (entries.length < countMax) return { entries: [...entries, added], omitted };
  const half = countMax / 2;
  return { entries: [...entries.slice(0, half), ...entries.slice(half + 1), added], omitted: omitted + 1 };
}

function withShortDetail(entry: TimelineEntry): TimelineEntry {
  const { detail = "" } = entry;
  const short = firstCharacters(detail, timelineDetailLengthMax);
  // A string of its own: a part of another keeps that in memory, whole.
  return short.length < detail.length ? { ...entry, detail: Buffer.from(short).toString() } : entry;
}

type Line = Omit<TimelineEntry, "atMs">;

/** `ABORTED: no space` */
export const detailOf = (word: string, reason: string): string => (reason === "" ? word : `${word}: ${reason}`);

/** What a participant's message says. */
export function messageLine(participantId: ParticipantId, message: Vote | DecisionAck | Inquiry): Line {
  switch (message.type) {
    case "vote":
      return {
        type: "vote-received",
        participantId,
        attempt: message.attempt,
        detail: detailOf(message.value.toUpperCase(), message.reason),
      };
    case "decision-ack":
      return { type: "ack-received", participantId, detail: detailOf(message.outcome.toUpperCase(), message.reason) };
    case "inquiry":
      return { type: "inquiry-received", participantId };
  }
}

const whoProved = ({ authenticatedAs }: Proved) =>
  authenticatedAs === undefined ? {} : { detail: `authenticated as "${authenticatedAs}"` };

/** What else is done to a transaction. Messages and timers have lines of their own, or none. */
export function inputLine(input: CoordinatorInput): Line | undefined {
  switch (input.type) {
    case "enlist":
      return { type: "enlisted", participantId: input.participantId, ...whoProved(input) };
    case "commit":
      return { type: "commit-requested", ...whoProved(input) };
    case "abort":
    case "client-abort":
      return { type: "abort-requested", detail: input.reason };
    case "retry":
      return { type: "retried", ...whoProved(input) };
    case "resolve":
      return {
        type: "resolved",
        detail: detailOf(`${input.outcome.toUpperCase()} by ${byWhom(input)}`, input.reason),
      };
    case "connected":
    case "disconnected":
      return { type: input.type, participantId: input.participantId };
    default:
      return undefined;
  }
}
