import type { Constants } from "./world.ts";

export type Model = {
  readonly name: string;
  readonly constants: Constants;
  /** How far it is explored; undefined: to its end. */
  readonly statesMax?: number;
};

const two = ["p1", "p2"];
const whims = ["no", "readonly", "timeout", "clientAbort"] as const;

/** Explored to the end. The code has the states and the labelled steps that TLC finds for the same constants: all, and no others. */
export const comparedModels: readonly Model[] = [
  { name: "no participants, 2 epochs, all whims", constants: { participants: [], maxEpoch: 2, maxPartCrash: 0, may: whims } },
  {
    name: "1 participant, 3 epochs, 2 crashes, all whims",
    constants: { participants: ["p1"], maxEpoch: 3, maxPartCrash: 2, may: whims },
  },
  {
    name: "1 participant, 2 epochs, 1 crash, refusals and timeouts, lost sessions",
    constants: { participants: ["p1"], maxEpoch: 2, maxPartCrash: 1, may: ["no", "timeout"], also: ["disconnect"] },
  },
  { name: "2 participants, 1 epoch, all whims", constants: { participants: two, maxEpoch: 1, maxPartCrash: 0, may: whims } },
  {
    name: "2 participants, 1 epoch, 1 crash, refusals and read-only votes",
    constants: { participants: two, maxEpoch: 1, maxPartCrash: 1, may: ["no", "readonly"] },
  },
  {
    name: "2 participants, 1 epoch, lost sessions",
    constants: { participants: two, maxEpoch: 1, maxPartCrash: 0, may: [], also: ["disconnect"] },
  },
  { name: "2 participants, 2 epochs", constants: { participants: two, maxEpoch: 2, maxPartCrash: 0, may: [] } },
  {
    name: "1 participant, 2 epochs, 1 crash, lost promises",
    constants: { participants: ["p1"], maxEpoch: 2, maxPartCrash: 1, may: ["losePromise"] },
  },
  {
    name: "2 participants, 1 epoch, lost promises, a stranger",
    constants: { participants: two, maxEpoch: 1, maxPartCrash: 0, may: ["losePromise", "stranger"] },
  },
  {
    name: "2 participants, 1 epoch, 1 crash, lost promises",
    constants: { participants: two, maxEpoch: 1, maxPartCrash: 1, may: ["losePromise"] },
  },
  { name: "3 participants, 1 epoch", constants: { participants: ["p1", "p2", "p3"], maxEpoch: 1, maxPartCrash: 0, may: [] } },
];

/** Too large to be explored to the end. What of it is, has no states and no steps but the spec's. */
export const partlyComparedModels: readonly Model[] = [
  {
    name: "2 participants, 2 epochs, timeouts",
    constants: { participants: two, maxEpoch: 2, maxPartCrash: 0, may: ["timeout"] },
    statesMax: 60_000,
  },
];

/** Where the invariants alone are checked: the largest one, and those with operators, whom the spec does not know. */
export const exploredModels: readonly Model[] = [
  {
    name: "2 participants, 2 epochs, 1 crash, all whims, lost sessions",
    constants: { participants: two, maxEpoch: 2, maxPartCrash: 1, may: whims, also: ["disconnect"] },
    statesMax: 60_000,
  },
  {
    name: "1 participant, 2 epochs, 1 crash, refusals, operators",
    constants: { participants: ["p1"], maxEpoch: 2, maxPartCrash: 1, may: ["no"], also: ["resolve"] },
  },
  {
    name: "2 participants, 1 epoch, 1 crash, operators",
    constants: { participants: two, maxEpoch: 1, maxPartCrash: 1, may: [], also: ["resolve"] },
  },
];

/** Where mistakes are looked for, the smallest first. */
export const huntModels: readonly Pick<Model, "constants" | "statesMax">[] = [
  { constants: { participants: ["p1"], maxEpoch: 1, maxPartCrash: 0, may: ["no"], also: ["resolve"] } },
  { constants: { participants: two, maxEpoch: 1, maxPartCrash: 0, may: [], also: ["resolve"] } },
  { constants: { participants: ["p1"], maxEpoch: 2, maxPartCrash: 1, may: ["no", "timeout"] } },
  { constants: { participants: two, maxEpoch: 1, maxPartCrash: 1, may: ["no", "readonly"] }, statesMax: 40_000 },
  { constants: { participants: ["p1"], maxEpoch: 2, maxPartCrash: 1, may: ["losePromise"] } },
  { constants: { participants: two, maxEpoch: 1, maxPartCrash: 0, may: ["losePromise", "stranger"] } },
  { constants: { participants: two, maxEpoch: 1, maxPartCrash: 1, may: ["losePromise"] }, statesMax: 40_000 },
  { constants: { participants: two, maxEpoch: 2, maxPartCrash: 0, may: ["timeout"] }, statesMax: 40_000 },
];
