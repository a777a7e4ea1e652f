/** A draft costs its text on the disk, and nothing when a move is judged. Far more than people write. */
export const idleRuleCountMax = 10_000;

/** The engine keeps all of them compiled in memory, and asks each one that applies. */
export const activeRuleCountMax = 1000;

/** They are judged beside the others, and decide nothing. */
export const shadowRuleCountMax = 100;

/** Each is compiled, and the names of all are known to each rule. */
export const factCountMax = 256;

/** Those that are described, and those that rules name which judge. Of each, memory keeps a schema, and what applies to it. */
export const workflowTypeCountMax = 256;

/** All of them run before a change takes effect. */
export const ruleTestCountMax = 1000;

/** Of a rule, versions that were never active or in shadow. Whoever edits a rule in a loop must not fill the store. */
export const unusedVersionCountMax = 100;

export type RuleSetLimits = {
  readonly drafts: number;
  readonly "active rules": number;
  readonly "rules in shadow": number;
  readonly facts: number;
  readonly "workflow types": number;
  readonly tests: number;
  readonly unusedVersions: number;
};

export const ruleSetLimits: RuleSetLimits = {
  drafts: idleRuleCountMax,
  "active rules": activeRuleCountMax,
  "rules in shadow": shadowRuleCountMax,
  facts: factCountMax,
  "workflow types": workflowTypeCountMax,
  tests: ruleTestCountMax,
  unusedVersions: unusedVersionCountMax,
};
