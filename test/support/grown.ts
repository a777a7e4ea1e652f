/**
 * Counts what is in each Map and Set that `src` makes from now on, but for the stores in memory, which are there to keep things. For tests that
 * nothing is left of what is over: whatever is added later is counted too, without a word to the test.
 */
export function trackCollections(): {
  /** Those that have more entries than this, with where they were made. */
  readonly largerThan: (count: number) => readonly string[];
  readonly stop: () => void;
} {
  const made: { readonly collection: WeakRef<Map<unknown, unknown> | Set<unknown>>; readonly where: string }[] = [];
  const original = { Map: globalThis.Map, Set: globalThis.Set };

  /** Where `src` has called the constructor; nothing if somebody else has. */
  function callSite(): string | undefined {
    const line = new Error().stack?.split("\n")[4] ?? "";
    const found = /\/src\/(?!storage\/memory\/)(.*?)\)?$/.exec(line);
    return found?.[1];
  }

  function keep(collection: Map<unknown, unknown> | Set<unknown>): void {
    const where = callSite();
    if (where !== undefined) made.push({ collection: new WeakRef(collection), where });
  }

  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 5;
  globalThis.Map = class<Key, Value> extends original.Map<Key, Value> {
    constructor(...args: readonly never[]) {
      super(...args);
      keep(this);
    }
  } as MapConstructor;
  globalThis.Set = class<Value> extends original.Set<Value> {
    constructor(...args: readonly never[]) {
      super(...args);
      keep(this);
    }
  } as SetConstructor;

  return {
    largerThan: (count) =>
      made.flatMap(({ collection, where }) => {
        const size = collection.deref()?.size ?? 0;
        return size > count ? [`${size} in ${where}`] : [];
      }),
    stop() {
      Object.assign(globalThis, original);
      Error.stackTraceLimit = stackTraceLimit;
    },
  };
}
