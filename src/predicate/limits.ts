/** Checks for a thread, waiting or under way. Some take a tenth of a second: more would only wait in memory. */
export const askedCountMax = 2048;

/** What their data may take. */
export const askedBytesMax = 32 * 1024 * 1024;

/** Of these, for one caller: another finds room beside whoever takes all it can. */
export const callerShare = 0.5;

/** The last resort, for where a cost is wrong: the dearest check takes tenths of a second. After so many ticks, 2 s, it is denied. */
export const checkTicksMax = 4;
export const checkTickMs = 500;

/** For a step of an evaluation that looks at nothing else. A thread that takes longer is ended, and replaced. */
export const stopGraceMs = 200;

/** What rules have said, of one entry of the verdict log. A person reads a few; 1,000 rules could say 3 MB. */
export const recordTextMax = 64 * 1024;

/** Verdicts that wait to be written down, with their questions. A check never waits for the disk: what does not fit is counted, and lost. */
export const verdictQueueBytesMax = 16 * 1024 * 1024;

/** How long verdicts are gathered, so that the disk is not asked for each. */
export const verdictGatherMs = 200;

/** Verdicts written in one go. */
export const verdictBatchCountMax = 128;

/** Their questions and texts: some 2 ms, to make rows of them at one go. A larger one goes alone. */
export const verdictBatchBytesMax = 256 * 1024;

/** How often it is looked whether what is in the verdict log is too old. */
export const verdictAgeLookMs = 60_000;

/** Verdicts dropped in one write because the log is full: with their questions, some MB at most. */
export const verdictDropCount = 50;

/** How often a replay tells how far it has come. */
export const replayProgressMs = 1_000;
