import type { Constants } from "./world.ts";

export type Model = {
  readonly name: string;
  readonly constants: Constants;
  /** The code reaches all states that the spec has, not only such ones. */
  readonly same: boolean;
  readonly statesMax: number;
};

const two = ["p1", "p2"];

/** Small enough to compare each state and each step with TLC's graph. */
export const comparedModels: readonly Model[] = [
  {
    name: "1 participant, 2 epochs, 1 crash",
    constants: { participants: ["p1"], maxEpoch: 2, maxPartCrash: 1, may: [] },
    same: true,
    statesMax: 100_000,
  },
  {
    name: "2 participants, 1 epoch",
    constants: { participants: two, maxEpoch: 1, maxPartCrash: 0, may: [] },
    same: true,
    statesMax: 100_000,
  },
  {
    name: "2 participants, 1 epoch, refusals",
    constants: { participants: two, maxEpoch: 1, maxPartCrash: 0, may: ["no"] },
    same: false,
    statesMax: 100_000,
  },
  {
    name: "1 participant, 3 epochs, 1 crash, refusals and timeouts",
    constants: { participants: ["p1"], maxEpoch: 3, maxPartCrash: 1, may: ["no", "timeout"] },
    same: false,
    statesMax: 200_000,
  },
];

/** The larger worlds, in which the invariants are checked. The first is explored to its end. */
export const largeModels: readonly Model[] = [
  {
    name: "2 participants, 2 epochs",
    constants: { participants: two, maxEpoch: 2, maxPartCrash: 0, may: [] },
    same: false,
    statesMax: 1_000_000,
  },
  {
    name: "2 participants, 2 epochs, 1 crash, all whims",
    constants: { participants: two, maxEpoch: 2, maxPartCrash: 1, may: ["no", "readonly", "timeout", "clientAbort"] },
    same: false,
    statesMax: 300_000,
  },
];

/** Where mistakes are looked for, the smallest first. */
export const huntModels: readonly Pick<Model, "constants" | "statesMax">[] = [
  { constants: { participants: ["p1"], maxEpoch: 2, maxPartCrash: 1, may: ["no", "timeout"] }, statesMax: 30_000 },
  { constants: { participants: two, maxEpoch: 1, maxPartCrash: 1, may: ["no"] }, statesMax: 60_000 },
  { constants: { participants: two, maxEpoch: 2, maxPartCrash: 0, may: ["timeout"] }, statesMax: 60_000 },
];
