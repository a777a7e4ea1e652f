import type { DurationMs } from "../kernel/time.ts";

// What a connection may do. How many there may be, and how many calls, stands in the settings: `EdgeBounds`.

/** A client queues more by itself, silently. As many as one address may have of one kind, if the settings are as they come. */
export const streamCountPerConnectionMax = 4_096;

/** Half of them may last: the other half is for calls, so that nobody's watches keep his own calls waiting. */
export const lastingCountPerConnectionMax = streamCountPerConnectionMax / 2;

/** All of one request, as HTTP/2 counts them: what gRPC's core allows, and enough for a token. An open stream keeps its own. */
export const headerBytesMax = 16 * 1024;

/** Ten headers and a token. They take less than the stream itself, so a call's place pays for them: health is never refused for others' headers. */
export const headerBytesFree = 2 * 1024;

/** Of all calls under way whose headers are larger, what their headers take in memory: 4,000 of the largest. */
export const keptHeaderBytesMax = 64 * 1024 * 1024;

/**
 * A client library that ends its calls at once, all that a connection may have, and again after it has connected them anew, does what is
 * its right. Node closes the connection over 1,000, or over 33 a second: timeouts of ordinary traffic would be enough.
 */
export const resetBurstMax = 2 * streamCountPerConnectionMax;

/** A call that is reset costs less than one that is answered, so this bounds nothing that its calls do not cost anyway. */
export const resetsPerSecondMax = 1_000;

/** Who has connected says so in HTTP/2 within this time. The slowest of networks take a few round trips. */
export const handshakeMs: DurationMs = 10_000;

/** A connection without a call is closed after this time; its client opens another when it has one. */
export const connectionIdleMs: DurationMs = 30 * 60_000;

/** All that is open is looked at this often: some microseconds for each thousand. */
export const lookMs: DurationMs = 500;

/** From its headers to its last byte: 4 MiB come within it at 0.6 Mbit/s. Else its sender would keep a call's place as long as it likes. */
export const requestMs: DurationMs = 60_000;

/** Of all answers that are made and not yet sent, since their callers do not read: 70 of the largest. */
export const unreadBytesMax = 256 * 1024 * 1024;

/** Calls that begin in one turn of the event loop, some 50 µs each. */
export const startsPerTurnMax = 64;

/** Of one connection: beyond it nothing more is read from it in this turn. */
export const arrivalsPerTurnMax = 64;

/**
 * Of one method: as many begin at a time however busy the process is. Two calls to the rules that are full, and so a flush that is worth its
 * disk's time; with fewer, what is done for many at once costs each of them more.
 */
export const windowMin = 256;

/** A window is looked at this often while it is full. */
export const windowLookMs: DurationMs = 10;

/** Of the event loop's time. With less the calls that have begun keep it busy, with more it could do more of them. */
export const idleShareWanted = 0.05;

/** What has been under way for longer waits for somebody else: with a full window, 256 calls a second are enough to keep it so short. */
export const agedMs: DurationMs = 1_000;

/**
 * How long a call waits whose caller has no earlier deadline. To refuse costs something too, and who is refused comes again: who has time waits.
 */
export const turnWaitMaxMs: DurationMs = 5_000;

/** Each connection is asked this often whether it is there. */
export const keepaliveMs: DurationMs = 30_000;

/** It has this long to answer. Who is in the midst of a frame, or of headers, cannot: so it is also a bound on how slowly they come. */
export const keepaliveTimeoutMs: DurationMs = 10_000;

/** What each chunk of a message that is not whole takes besides its bytes: two Buffers, and their places. */
export const chunkOverheadBytes = 256;

/** Characters of compiled filters that are kept, of each list that has some: eight of the longest, which take some 8 MB. */
export const filterLengthKept = 8 * 4096;

/** As many as there are threads for them in Node: more at a time would only hold what they have grown to. */
export const decompressionsMax = 4;

/** Of one connection: as many stay for all others. */
export const decompressionsPerConnectionMax = decompressionsMax / 2;

/** Of one connection: as many calls of it as begin in one turn. Beyond it: OVERLOADED. */
export const waitingDecompressionsMax = 64;

/**
 * What has no more, before and after, is decompressed as it comes and waits for nobody: some 10 µs, a quarter of what it takes in a thread.
 * To find out that a message has more takes 25 µs.
 */
export const decompressedAtOnceBytesMax = 16 * 1024;

/** Of compressed messages that have come whole, and are being decompressed or wait for it. Beyond it: OVERLOADED. */
export const compressedBytesMax = 32 * 1024 * 1024;

/** Of one connection, so that it does not have others refused. More than the largest message that the settings allow. */
export const compressedBytesPerConnectionMax = 24 * 1024 * 1024;

/** Of a request for reflection, which names a file, a type or a field. Its decoder is not Concord's, and counts nothing. */
export const reflectionBytesMax = 4 * 1024;

/** Of messages that go out together: some hundreds of votes. One that is larger goes with what was said before it. */
export const burstBytesMax = 64 * 1024;

/** Of events that go together to one who watches: some tens. Two of these are in memory for each of thousands who do not read. */
export const toldBytesMax = 8 * 1024;

/** A principal that has used up its quota is told so then: measured, one with 512 calls under way that came again at once slowed others more than without a quota. */
export const excessAnswerMs: DurationMs = 500;

/** Refusals that wait for that. Beyond it they are told at once. */
export const waitingRefusalCountMax = 8_192;
