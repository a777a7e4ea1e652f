import type { Swarm } from "./swarm.ts";

/** Faults that can be switched off, by name, and how they are then. */
export const faultSwitches: Readonly<Record<string, (swarm: Swarm) => Swarm>> = {
  "slow network": (swarm) => ({ ...swarm, network: { ...swarm.network, delayMs: 1 } }),
  "lost messages": (swarm) => ({ ...swarm, network: { ...swarm.network, loss: 0 } }),
  "duplicated messages": (swarm) => ({ ...swarm, network: { ...swarm.network, duplication: 0 } }),
  "failed flushes": (swarm) => ({ ...swarm, disk: { ...swarm.disk, failure: 0 } }),
  "slow flushes": (swarm) => ({ ...swarm, disk: { ...swarm.disk, slow: 0 } }),
  "failing reads": (swarm) => ({ ...swarm, disk: { ...swarm.disk, unread: 0 } }),
  "failing resources": (swarm) => ({ ...swarm, resourceFailure: 0 }),
  "lost promises": (swarm) => ({ ...swarm, losing: 0 }),
  strangers: (swarm) => ({ ...swarm, strangers: 0 }),
  "leaving callers": (swarm) => ({ ...swarm, leaving: 0 }),
  "crashes between effects": (swarm) => ({ ...swarm, crashBetween: 0 }),
};

export const withoutFaults = (swarm: Swarm, without: readonly string[]): Swarm =>
  without.reduce((left, name) => faultSwitches[name]?.(left) ?? left, swarm);
