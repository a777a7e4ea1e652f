import type { Dice } from "../random.ts";

/** What is asked of the workflow manager in one run, and how often. */
export type WorkflowLoad = {
  readonly clientCount: number;
  readonly callsEach: number;
  readonly workflowCount: number;
  /** Of the moves: together with the work of other participants. */
  readonly together: number;
  /** Of the moves that could be made with a version: they name it. */
  readonly versioned: number;
  /** Of the changes: with a request id, so that they are asked again. */
  readonly repeatable: number;
  /** Of the calls: several workflows at once. */
  readonly batches: number;
  readonly deadlines: number;
  readonly purges: number;
  readonly ruleChanges: number;
  readonly watcherCount: number;
  readonly gapMs: number;
  /** How often the policy of their type changes. */
  readonly policyChangeCount: number;
  readonly bulkCount: number;
  /** Of the holds: operators look at them, and end those whose coordinator does not tell. */
  readonly resolving: number;
};

/** Of what a world may have more. */
export const focuses = ["bulk", "holds", "leavers", "policies", "reads"] as const;

export type Focus = (typeof focuses)[number];

export function drawWorkflowLoad(dice: Dice, focus: Focus | undefined): WorkflowLoad {
  const often = (what: Focus): boolean => dice.chance(what === focus ? 1 : 0.4);
  const some = (max: number): number => (dice.chance(0.6) ? dice.unit() * max : 0);
  const drawn = {
    clientCount: dice.between(3, 6),
    callsEach: dice.between(8, 24),
    workflowCount: dice.between(1, 5),
    together: dice.chance(0.7) ? 0.3 + dice.unit() * 0.7 : 0,
    versioned: some(0.8),
    repeatable: dice.chance(0.35) ? 0 : 0.3 + dice.unit() * 0.7,
    batches: some(0.5),
    deadlines: some(1),
    purges: some(1),
    ruleChanges: some(0.8),
    watcherCount: dice.between(0, 3),
    gapMs: dice.pick([100, 1_000, 3_000]),
    policyChangeCount: often("policies") ? dice.between(2, 8) : 0,
    bulkCount: often("bulk") ? dice.between(2, focus === "bulk" ? 12 : 6) : 0,
    resolving: often("holds") ? 0.4 + dice.unit() * 0.6 : 0,
  };
  return focus === "holds" ? { ...drawn, together: 0.9 } : drawn;
}
