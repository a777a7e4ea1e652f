/** Far more than a person reads, and one rule cannot fill the store. The contract says the same. */
export const expressionLengthMax = 4096;

/**
 * Names, values and operators. What it takes to compile an expression goes with these, some 3 µs for each, and the event loop waits for it.
 * Ordinary rules of that length have half as many.
 */
export const expressionTokenCountMax = 2000;

/** People nest a few levels; the recursive walks over an expression stay far from the end of the stack. */
export const expressionDepthMax = 64;

/**
 * The cost that one evaluation may have. A unit is one node of the expression evaluated, or the handling of 16 characters or of one list
 * element: about 1 µs at most. docs/rules.md has the table. Ordinary rules cost below 100.
 */
export const evaluationCostMax = 100_000;

/** What all rules of one check may cost together, messages included: some tenths of a second, whatever their number. */
export const checkCostMax = 200_000;

/** What all checks of one call may cost together: two or three seconds. A batch of 1,000 checks has 3,000 for each. */
export const callCostMax = 3_000_000;

/** What all tests of a rule set may cost together: changes of the rules wait for each other. 1,000 tests have 20,000 for each. */
export const testsCostMax = 20_000_000;

/**
 * What all rules in shadow may cost together, of a check that is judged at once: a millisecond at most, for they decide nothing. What is spent
 * on those that turn out too dear comes on top, less than twice as much.
 */
export const shadowCostMax = 1_000;

/** The same of a check that a thread judges. The checks of a call share `callCostMax`. */
export const threadShadowCostMax = 100_000;

/** A check that costs no more is judged at once, on the event loop: a millisecond at most. A dearer one goes to a thread. */
export const inPlaceCostMax = 1_000;

/** To compile the literal patterns of one expression, which happens when its rule is written. */
export const regexCostMax = 20_000;

/**
 * What it may cost to evaluate the parts of an expression that have no variables, to see that they have a value: the event loop waits for it.
 * What is dearer is looked at when it is evaluated.
 */
export const foldCostMax = 1_000;

/** Of one expression, as many are told. Who mends these sees the rest. */
export const problemCountMax = 10;

/** For people; and what is wrong with an expression stays far below what clients take of headers, where errors travel. */
export const diagnosticLengthMax = 300;

/** A page of a list can ask its filter about thousands of resources in one go. In the units of `evaluationCostMax`, for each. */
export const filterCostMax = 2000;

/** For people, who read no more. */
export const messageLengthMax = 1000;

/** So that each of the 1,000 checks of a call can be answered with one at least: docs/limits.md. */
export const messageBytesMax = 3000;

/** Of a value or a text in an explanation: enough to recognise it. */
export const shownLengthMax = 200;

/** Of the elements of a loop, how many an explanation shows: the first ones, the first that fails, and the last, which decides. */
export const shownRoundCountMax = 10;

/** An explanation of one expression, as JSON: those of some dozens of rules fit into an answer. */
export const explanationBytesMax = 64 * 1024;

/** All explanations of a check, as JSON: more would hold the event loop when it comes from a thread, and when it is written to the wire. */
export const explanationsBytesMax = 512 * 1024;

/** An explanation takes three to six times as long as a plain evaluation, and some milliseconds to be written down. */
export const explanationCostFactor = 10;
