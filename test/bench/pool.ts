/**
 * Workflows that go to and fro between ACTIVE and PAUSED, each in one call at a time, so that no call is refused for another's sake. They take
 * turns, the one that has waited longest first.
 */
export type Pool = {
  /** Undefined: fewer are free. */
  readonly take: (count: number) => readonly number[] | undefined;
  /** Gives back one that was taken, with what is known of it. */
  readonly put: (index: number, isActive: boolean) => void;
  readonly isActive: (index: number) => boolean;
};

/** A prime, and no divisor of a size. */
const step = 7_919;

/** All are free, and ACTIVE. Those that come one after the other are no neighbours in the store: else they would share its pages, as nobody's workflows do. */
export function createPool(size: number): Pool {
  const active = new Uint8Array(size).fill(1);
  /** A ring: the free ones, from `first` on. */
  const free = Uint32Array.from({ length: size }, (_, index) => (index * step) % size);
  let first = 0;
  let count = size;
  return {
    take(wanted) {
      if (wanted > count) return undefined;
      const taken = Array.from({ length: wanted }, (_, turn) => free[(first + turn) % size] ?? 0);
      first = (first + wanted) % size;
      count -= wanted;
      return taken;
    },
    put(index, isActive) {
      active[index] = Number(isActive);
      free[(first + count) % size] = index;
      count += 1;
    },
    isActive: (index) => active[index] === 1,
  };
}
