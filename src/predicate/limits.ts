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
