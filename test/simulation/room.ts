/**
 * A part of the world with its own actors: coordinators, participants, clients. The world knows rooms only by this, so another kind of actor
 * is another room, in files of its own. It is made by a function of the stage (`stage.ts`) and of the rooms that it talks to, and draws its
 * load and its faults while it is made.
 */
export type Room = {
  /** What can be done to it while things go wrong, by a name that no other room uses. Each world draws how often each of them falls. */
  readonly blows: Readonly<Record<string, () => void>>;
  /** Starts its actors, and plans its load: within `stage.chaosMs`. */
  open(): void;
  /** From here on nothing fails: what is cut is joined, and what was replaced ends. The stage is calm already. */
  heal(): void;
  /** In worlds that heal in two steps: what `heal` has left away comes back. Until then it is to be missed by nobody else. */
  healRest(): void;
  /** What is not yet as it must be once all is over. Empty: all of it is. Nothing is a fault before the time is up. */
  unsettled(): Promise<readonly string[]>;
  /** Asked when all rooms are settled, until it says true: it is not only at rest, it still works. */
  probe(): Promise<boolean>;
};

/** For a room that lacks one of these. */
export const idle: Room = {
  blows: {},
  open() {},
  heal() {},
  healRest() {},
  unsettled: async () => [],
  probe: async () => true,
};
