import type { NetworkFaults } from "./network.ts";
import type { Dice } from "./random.ts";
import type { DiskFaults } from "./sqlite-faults.ts";

/** What can go wrong in one run, and how often, but for blows (`blows.ts`). */
export type Swarm = {
  readonly network: NetworkFaults;
  readonly disk: DiskFaults;
  readonly resourceFailure: number;
  /** A promise that a resource has lost by the time it is to be kept. */
  readonly losing: number;
  /** An address leads to a coordinator with another decision log. */
  readonly strangers: number;
  /** A client that hangs up. */
  readonly leaving: number;
  /** A process dies exactly between two effects: before or after a durable write, or behind what it has just sent. */
  readonly crashBetween: number;
  /** Between two blows. */
  readonly gapMs: number;
};

/**
 * Each run has its own selection: where everything goes wrong at once, few transactions come far enough to be interesting (Groce et
 * al., Swarm Testing, ISSTA 2012).
 */
export function drawSwarm(dice: Dice): Swarm {
  const some = (max: number): number => (dice.chance(0.5) ? dice.unit() * max : 0);
  return {
    network: { delayMs: dice.pick([1, 20, 200, 1_500]), loss: some(0.05), duplication: some(0.2) },
    disk: { flushMs: dice.pick([0, 10, 400]), failure: some(0.2), slow: some(0.1), unread: 0 },
    resourceFailure: some(0.3),
    losing: some(0.3),
    strangers: some(0.3),
    leaving: some(0.3),
    crashBetween: some(0.3),
    gapMs: dice.pick([500, 2_500, 10_000]),
  };
}

/** In so many worlds reads fail. */
const unreadShare = 0.15;

/** So many of them: seldom, or so often that little comes through. */
const unreadParts = [0.005, 0.02, 0.1] as const;

/** With failing reads, in few worlds. By dice of their own: the others are as they would be if no read could fail. */
export const withFailingReads = (swarm: Swarm, dice: Dice, isFocus: boolean): Swarm =>
  isFocus || dice.chance(unreadShare)
    ? { ...swarm, disk: { ...swarm.disk, unread: isFocus ? Math.max(...unreadParts) : dice.pick(unreadParts) } }
    : swarm;

/** Nothing goes wrong any more. */
export const calm: Swarm = {
  network: { delayMs: 20, loss: 0, duplication: 0 },
  disk: { flushMs: 10, failure: 0, slow: 0, unread: 0 },
  resourceFailure: 0,
  losing: 0,
  strangers: 0,
  leaving: 0,
  crashBetween: 0,
  gapMs: 1_000,
};
