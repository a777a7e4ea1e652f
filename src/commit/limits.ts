import type { Backoff } from "../kernel/backoff.ts";
import type { Bounds } from "./mailbox.ts";

/** Undecided transactions at once: each has timers and callers. Beyond it: OVERLOADED. */
export const undecidedCountMax = 8_192;

/**
 * Bytes of undecided transactions in memory, payloads above all: 16 of the largest, or all 8,192 with 28 KiB each. `--max-undecided`.
 */
export const undecidedBytesMax = 256 * 2 ** 20;

/** Bytes of decided ones that are not acknowledged by all: some 50,000. They have no payloads any more. `--max-unacknowledged`. */
export const unacknowledgedBytesMax = 256 * 2 ** 20;

/** The default time to vote. */
export const prepareTimeoutMs = 10_000;

/** The default idle time of a transaction whose work is enlisted as it happens. */
export const idleTimeoutMs = 60_000;

/** Request ids that are remembered with one transaction: those of its enlistments, and room for what operators do. */
export const requestCountMax = 256;

/** Decisions that one participant may leave unacknowledged: some 40 MiB, and 10 minutes of a busy participant. `--max-owed`. */
export const owedCountMax = 10_000;

/** Lines of a timeline: four messages for each of 64 participants, and as many again for what went wrong. Even. */
export const timelineCountMax = 512;

/** Lines that a timeline always has room for, also when transactions have used up their bytes. Even. */
export const timelineCountMin = 32;

/** Characters of a line's text. The whole reason of a vote, an abort or a resolution is kept beside it. */
export const timelineDetailLengthMax = 256;

/** Transactions that wait for a slow watcher. More end its watch. */
export const watchCountMax = 10_000;

/** Ids of unfinished records read in one go, by an index: 1 ms or so. */
export const recoveryBatchSize = 1_000;

/** How often the log is searched for records that nobody runs. There should be none; one that is forgotten would be in doubt for ever. */
export const recoveryIntervalMs = 60_000;

/** How soon a coordinator that has nothing to write notices that it was replaced. */
export const ownershipCheckIntervalMs = 1_000;

/** In a session of this length the coordinator has sent again whatever it has not heard the end of. Ten times its longest pause. */
export const resentWithinMs = 300_000;

export const purgeIntervalMs = 3_600_000;

/** The one protocol version there is. */
export const protocolVersion = 1;

/** A third of the session timeout: two heartbeats may be late. */
export const heartbeatIntervalMs = 5_000;

/** Silence for this long ends a session. The streams of a dead machine end no other way. */
export const sessionTimeoutMs = 15_000;

/** A stream that does not say Hello within this time is ended. */
export const helloTimeoutMs = 10_000;

/**
 * Take-overs of one participant id by another live process that are not delayed: a machine that died is still in session when its
 * successor says Hello.
 */
export const rivalHelloCountMax = 2;

/** How long the next one waits for its Welcome, while the session that there is goes on. Below what a client waits for an answer. */
export const rivalBackoff: Backoff = { firstMs: 1_000, maxMs: 5_000 };

/** A session that lasts this long has won. */
export const rivalCalmMs = 30_000;

/** Decisions and Nacks that wait for a slow reader. More are dropped: they are sent again, or were for the log only. */
export const outgoingCountMax = 16_384;

/** Their bytes, with the Prepares among them. */
export const outgoingBytesMax = 8 * 2 ** 20;

/** Beyond these bytes a Prepare waits, where it is dropped when its transaction is decided; eight of the largest. */
export const outgoingPrepareBytesMax = 2 * 2 ** 20;

/** Payloads that are read from the log at once for one session: with those in its queue, as many again. */
export const readingCountMax = 8;

/** Messages that wait for one transaction's flush: four of each of 64 participants. More are lost, as a network would lose them. */
export const mailboxBounds: Bounds = { countMax: 256, bytesMax: 256 * 2 ** 10 };

/** Participants that are away, and that a coordinator remembers more of than its log: when they were seen, what they were told. */
export const awayCountMax = 10_000;

/** What a participant is told in GoAway. */
export const reconnectAfterMs = 1_000;

/** The store was away: probe it often, it is local. */
export const storageBackoff: Backoff = { firstMs: 100, maxMs: 5_000 };

/** A stream on which no Welcome comes within this time is given up. Rivals wait less, and so does a disk that only hesitates. */
export const welcomeTimeoutMs = 30_000;

/** For a participant whose coordinator is away: at most 10 s after it is back. */
export const reconnectBackoff: Backoff = { firstMs: 200, maxMs: 10_000 };

/** For a coordinator that will not have the participant. Somebody may upgrade it, or serve what is missing. */
export const refusedBackoff: Backoff = { firstMs: 60_000, maxMs: 60_000 };

/** A participant that leaves waits this long until its coordinator has read its last votes: a round trip, if the coordinator is well. */
export const lingerMs = 2_000;

/** It waits no longer than the time that it was given to leave, but this long at least: a coordinator that runs has read Goodbye by then. */
export const lingerMinMs = 200;

/** For a resource that cannot carry out a decision now. */
export const resourceBackoff: Backoff = { firstMs: 200, maxMs: 30_000 };

/** In doubt, a participant asks this often besides each Hello. */
export const inquiryIntervalMs = 30_000;

/** Of what was prepared after this time the decision is under way; before it, the answer is worth a message. */
export const inquiryAfterMs = 5_000;

/** As in Hello.in_doubt. */
export const inDoubtCountMax = 10_000;

/** Prepares that a participant takes at once, unless it is told otherwise. */
export const prepareCredit = 256;

/**
 * No and read-only votes that a participant remembers without a record, so that a Prepare that comes twice is answered twice. Four times its
 * credit: what a coordinator sends again after a reconnect.
 */
export const volatileVoteCountMax = 1_024;

/** Work that a participant keeps in memory beside its promise. Larger work is read from the log again when it is carried out. */
export const preparedPayloadBytesMax = 4_096;

/** As in Vote.reason. */
export const reasonLengthMax = 1_000;
