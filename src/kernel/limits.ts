// The event loop belongs to everyone: docs/architecture.md.

/** No call and no job holds the event loop longer at a stretch. */
export const loopHoldMsMax = 10;

/** Whoever holds it for longer is named in a warning. Below this, an ordinary collection of garbage would accuse calls. */
export const loopHoldWarnMs = 5 * loopHoldMsMax;

/** What all sliced work together takes of one turn of the loop. The step that uses it up may take as long again. */
export const sliceMs = loopHoldMsMax / 2;

/**
 * What all watches together take of a turn, of their own: who writes does not wait for as many as look on, and they are told within the next turns.
 * Those that catch up have as much for themselves.
 */
export const watchSliceMs = 1;

/** Rows of a list that are read, and made into values, in one go. */
export const stretchRowsMax = 128;

/** The text of these rows; one that is larger is read alone. To parse so much JSON takes some 2 ms. */
export const stretchBytesMax = 256 * 1024;

/** Rows that the store may pass over for them, by what it knows of their columns: half a millisecond. */
export const stretchLookMax = 2_000;

/** Rows that an index leads to, and that are sorted in one go: two milliseconds. Of more, the order of the list is followed instead. */
export const sortedRowsMax = 1_000;

/** A workflow is read and written with each move, so what is kept with it must stay small. */
export const structBytesMax = 64 * 1024;

/** Deep enough for people's data; shallow enough that no recursive walk of it is a risk. */
export const structDepthMax = 32;

/** Numbers, texts, objects and all else that a Struct has in it: half a microsecond each until it is read, three such Structs 7.5 ms. */
export const structValueCountMax = 5_000;

/**
 * Fields of a request on the wire, those of what is within it counted: they are read at one go, some 10 ms. The three Structs that a move
 * is judged by (the workflow's metadata, the last event's, the context) have 60,000 if they are as wide as they may be; an entry of a map is four.
 */
export const fieldCountMax = 62_000;

// What one process takes on at once, as it comes; settings. More is refused with OVERLOADED.

/** Connections: each takes some 15 KB, and a file descriptor. */
export const connectionCountMax = 4_096;

/** Unary calls under way, of each service; more would only wait in memory. */
export const callCountMax = 8_192;

/** Watches of each service, and as many sessions: mostly idle, each some 20 KB. */
export const streamCountMax = 8_192;

/** Of all these, and of undecided transactions, one address may have half: what one caller takes, another still finds. */
export const addressShareMax = 0.5;

/** What gRPC libraries read of a message unless they are told otherwise. No answer is larger, nor a request unless `--max-message` allows it. */
export const messageBytesDefault = 4 * 1024 * 1024;

/** 64 full payloads, and all around them: no request has use for more. */
export const requestBytesMax = 20 * 1024 * 1024;

/** An answer, or a message of a stream, on the wire: clients that are not configured otherwise read 4 MiB. */
export const answerBytesMax = 3.5 * 1024 * 1024;

/** How often a watch tells how far it has come while it tells nothing else, unless it is told otherwise. */
export const progressIntervalMs = 10_000;

/** Of requests that are not whole yet, all of them together: 64 of the largest, if the settings are as they come. Beyond it: OVERLOADED. */
export const receivingBytesMax = 256 * 1024 * 1024;

/** The longest delay that a timer can hold, 24.8 days. It fires at once for a longer one. */
export const timerMaxMs = 2 ** 31 - 1;

// How long is kept what answers a retry. A coordinator remembers more than one answer, a participant for longer than its coordinator asks.

/** How long a retry with a request id finds the first answer. The contract promises 24 hours; clocks differ. */
export const answerRetentionMs = 25 * 3_600_000;

/** Rows dropped in one write, which others wait for: some 5 ms, 20 ms if each has 64 KiB. The next ones go after what came meanwhile. */
export const purgeBatchSize = 250;

/** Ended transactions are listed for this long; also how long their request ids are remembered, so never below `answerRetentionMs`. */
export const historyRetentionMs = 7 * 24 * 3_600_000;

/**
 * A participant remembers how a transaction ended for this long, and until its coordinator is connected. A coordinator knows a participant
 * that is away and owes nothing for as long.
 */
export const participantRetentionMs = 30 * 24 * 3_600_000;
