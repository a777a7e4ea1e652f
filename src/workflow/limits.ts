/** Newest events kept in memory while somebody watches: as many as one flush may bring, so that who keeps up need not read the store. */
export const recentCountMax = 1_024;

/** Their texts. The largest event has some 200 KiB. */
export const recentBytesMax = 16 * 1024 * 1024;

/** All are kept in memory, each a KiB or two; more types than anybody tells apart. */
export const policyCountMax = 1_000;
