/** Far more than a person reads, and one rule cannot fill the store. The contract says the same. */
export const expressionLengthMax = 4096;

/** People nest a few levels; the recursive walks over an expression stay far from the end of the stack. */
export const expressionDepthMax = 64;

/**
 * The cost that one evaluation may have. A unit is one node of the expression evaluated within a loop, or the handling of 16
 * characters or of one list element: about 1 µs at most. Whatever the rule and the data, it ends within some tenths of a second;
 * ordinary rules cost below 100.
 */
export const evaluationCostMax = 100_000;

/** A page of a list can ask its filter about thousands of resources in one go. In the units of `evaluationCostMax`, for each. */
export const filterCostMax = 2000;

/** Messages of many rules travel in one gRPC trailer, which has to stay small. */
export const messageLengthMax = 1000;

/** The engine keeps all of them compiled in memory, and asks each one that applies. */
export const ruleCountMax = 1000;
