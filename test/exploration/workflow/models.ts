/** As in the specs. One call a request: the code lets those of one process join. */
export type Constants = {
  readonly workflows: readonly string[];
  readonly requests: readonly string[];
  readonly kinds: readonly string[];
  readonly targets: readonly string[];
  readonly expected: readonly number[];
  readonly startStates: readonly string[];
  readonly maxWorkflows: number;
  readonly maxTogether: number;
  readonly maxRevision: number;
  readonly maxCrash: number;
};

export type Model = { readonly name: string; readonly constants: Constants };

const base: Constants = {
  workflows: ["w1"],
  requests: ["r1", "r2"],
  kinds: [],
  targets: [],
  expected: [0],
  startStates: ["ACTIVE"],
  maxWorkflows: 1,
  maxTogether: 1,
  maxRevision: 0,
  maxCrash: 0,
};

/** Explored to the end. The code has the states and the labelled steps that TLC finds for the same constants: all, and no others. */
export const comparedModels: readonly Model[] = [
  {
    name: "one request of every kind, a rule change",
    constants: {
      ...base,
      requests: ["r1"],
      kinds: ["create", "start", "move", "recover", "update", "enlist"],
      targets: ["ACTIVE", "PAUSED", "COMPLETED", "FAILED", "CANCELLED"],
      expected: [0, 2],
      startStates: ["NONE", "CREATED", "ACTIVE", "PAUSED", "COMPLETED", "FAILED"],
      maxRevision: 1,
    },
  },
  {
    name: "two moves race, 1 crash",
    constants: {
      ...base,
      kinds: ["move", "recover"],
      targets: ["COMPLETED", "FAILED"],
      startStates: ["ACTIVE", "FAILED"],
      maxCrash: 1,
    },
  },
  {
    name: "updates beside moves, and beside each other",
    constants: { ...base, kinds: ["update", "move"], targets: ["COMPLETED"], expected: [0, 2], maxCrash: 1 },
  },
  {
    name: "a move beside a held one, 1 crash",
    constants: { ...base, kinds: ["move", "enlist"], targets: ["PAUSED"], maxCrash: 1 },
  },
  {
    name: "two creations where one is allowed, 1 crash",
    constants: { ...base, workflows: ["w1", "w2"], kinds: ["create", "start"], startStates: ["NONE"], maxCrash: 1 },
  },
];
