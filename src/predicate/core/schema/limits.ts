/** As much as a workflow's metadata may have: a schema goes where it does. */
export const schemaBytesMax = 64 * 1024;

/** Of its JSON: a level of metadata takes two. The recursive walks over a schema stay far from the end of the stack. */
export const schemaDepthMax = 64;

/** Schemas within it, itself counted: each takes a microsecond to compile, in one go. */
export const schemaNodeCountMax = 2_000;

/** Schemas that one value goes through within each other (`allOf`, `$ref`, …), times 32 levels of metadata: the stack again. */
export const schemaChainMax = 32;

/** Of its patterns together, each counted once: up to 4 µs a character to compile. */
export const schemaPatternLengthMax = 2_048;

/** To compile them, in the units of `regexCostMax`: what is repeated is compiled as often. */
export const schemaRegexCostMax = 20_000;

/** A letter of either case: 50 µs to compile, and as many characters of others. */
export const schemaFoldingFactor = 16;

/**
 * What one validation may take: it holds the event loop, so 10 ms at most, and a step is a tenth of a microsecond at most. A keyword that
 * looks at a value, 16 characters or an element that are looked at, and one instruction of a pattern for one character are a step each. 5,000
 * values with ten keywords each are 50,000.
 */
export const schemaStepsMax = 100_000;

/** For people, who mend some and ask again. */
export const schemaFindingsMax = 20;
