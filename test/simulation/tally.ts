/** How often each thing happened. */
export type Tally = {
  readonly counts: ReadonlyMap<string, number>;
  count(what: string): void;
  add(other: ReadonlyMap<string, number>): void;
};

export function createTally(): Tally {
  const counts = new Map<string, number>();
  const add = (what: string, times: number): void => void counts.set(what, (counts.get(what) ?? 0) + times);
  return {
    counts,
    count: (what) => add(what, 1),
    add(other) {
      for (const [what, times] of other) add(what, times);
    },
  };
}
