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
  /** The moves that a deadline may name. */
  readonly dues: readonly string[];
  /** The states that have a deadline by policy. */
  readonly defaults: readonly string[];
  readonly maxRecoveries: number;
  readonly backoff: boolean;
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
  dues: [],
  defaults: [],
  maxRecoveries: 99,
  backoff: false,
};

/** Explored to the end. The code has the states and the labelled steps that TLC finds for the same constants: all, and no others. */
export const comparedModels: readonly Model[] = [
  {
    name: "one request of every kind, a rule change",
    constants: {
      ...base,
      requests: ["r1"],
      kinds: ["create", "start", "move", "recover", "update", "enlist", "enlist-recovery"],
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
  {
    name: "a batch of two workflows beside a move",
    constants: {
      ...base,
      workflows: ["w1", "w2"],
      kinds: ["batch", "move"],
      targets: ["COMPLETED"],
      maxWorkflows: 2,
      maxTogether: 2,
    },
  },
  {
    name: "two workflows held together, a crash",
    constants: {
      ...base,
      workflows: ["w1", "w2"],
      requests: ["r1"],
      kinds: ["enlist"],
      targets: ["PAUSED", "FAILED"],
      startStates: ["ACTIVE", "PAUSED"],
      maxWorkflows: 2,
      maxTogether: 2,
      maxCrash: 1,
    },
  },
  {
    name: "a deadline beside one request, a rule change, 1 crash",
    constants: {
      ...base,
      requests: ["r1"],
      kinds: ["start", "move", "deadline", "update", "enlist"],
      targets: ["PAUSED"],
      startStates: ["NONE", "ACTIVE"],
      maxRevision: 1,
      maxCrash: 1,
      dues: ["COMPLETED", "CANCELLED"],
      defaults: ["PAUSED"],
    },
  },
  {
    name: "a deadline that is changed, cancelled and left alone",
    constants: { ...base, kinds: ["deadline", "update"], dues: ["FAILED"] },
  },
  {
    name: "a policy of recovery, and deadlines that fail and recover",
    constants: {
      ...base,
      requests: ["r1"],
      kinds: ["recover", "deadline"],
      startStates: ["FAILED"],
      dues: ["ACTIVE"],
      defaults: ["ACTIVE"],
      maxRecoveries: 1,
      backoff: true,
    },
  },
  {
    name: "a limit of recoveries, and a policy that fails what is active",
    constants: { ...base, kinds: ["recover"], startStates: ["FAILED"], defaults: ["ACTIVE"], maxRecoveries: 1 },
  },
];
