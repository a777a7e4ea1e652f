/** Newest events kept in memory while somebody watches: as many as one flush may bring, so that who keeps up need not read the store. */
export const recentCountMax = 1_024;

/** Their texts. The largest event has some 200 KiB. */
export const recentBytesMax = 16 * 1024 * 1024;

/** What a watch has read that lags behind these, and has not told for so long, or twice as long, is let go. It reads it again when it goes on. */
export const heldStretchMs = 1_000;

/** All are kept in memory, each a KiB or two; more types than anybody tells apart. */
export const policyCountMax = 1_000;

/** Of one policy; the contract says the same. Each costs a row more when a workflow is written. */
export const indexedMetadataCountMax = 16;

/** Events after its first page that a sorted list goes on through: each page must know what they have changed. */
export const snapshotEventsMax = 100_000;

/** Workflows that are remembered to have changed, of all snapshots together: some 25 MB. What is forgotten is read again. */
export const snapshotEntriesMax = 200_000;

/** Groups of a count in an answer: with three texts each they are below what clients read. */
export const groupCountMax = 1_000;

/** Groups that are told apart while they are counted. Those that come later are counted together. */
export const groupKeptMax = 10_000;

/** Characters by which texts of metadata are told apart as groups. */
export const groupTextMax = 256;

/** How often policies of retention are applied. Where there is nothing to purge, that costs a look at an index for each type. */
export const retentionIntervalMs = 60_000;

/** Types that are looked for in one go: a look at an index each, a millisecond together. */
export const endedTypesMax = 100;

/** What has ended, read in one go: numbers and ids. */
export const endedWorkflowsMax = 500;

/** Deadlines whose moves are under way at a time. After a downtime thousands may be due, and callers are there too. */
export const dueAtOnceMax = 16;

/** Deadlines that are due, read in one go. */
export const duePageSize = 64;

/** Between attempts, while the moves of deadlines cannot be made: it doubles. An outage that is over is seen within the longest. */
export const duePauseMsMin = 100;
export const duePauseMsMax = 5_000;

/** No timer for a deadline runs longer: if somebody sets the clock ahead, it is noticed by then. */
export const dueWakeMsMax = 60_000;

/** Moves of one batch; the contract says the same. */
export const batchItemCountMax = 1_000;

/** Moves of one batch that are judged, or made, at a time: a call to the engine has 128. What they are about is in memory meanwhile. */
export const judgedAtOnceMax = 64;

/** Holds of one transaction that are read in one go: some 5 ms if each workflow is as large as it may be. */
export const heldPageSize = 16;

/** Lost races of one change of one workflow that expects no version. In each, somebody else has made progress, so it ends long before. */
export const patientRaceCountMax = 1_000;

/** How long one who changes a workflow that others change too keeps them waiting: an engine answers in a fraction of it. */
export const rivalTurnMsMax = 100;
