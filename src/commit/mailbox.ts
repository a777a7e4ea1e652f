/** Handles items one by one, in order. While one waits for a flush, those behind it wait too, and nothing else does. */
export type Mailbox<Item> = {
  /** False if it was dropped: the mailbox is stopped, or as much waits already as the bounds allow. */
  post(item: Item, bounds?: Bounds, bytes?: number): boolean;
  /** True if nothing waits; while an item is handled, nothing behind it. */
  isEmpty(): boolean;
  /** Drops what waits. What is being handled goes on. */
  stop(): void;
};

/** What may wait before an item is dropped; one without bounds is not. */
export type Bounds = { readonly countMax: number; readonly bytesMax: number };

/**
 * A handler that returns nothing is done; one that returns a promise is done when that resolves. If it throws or rejects, the mailbox
 * stops: no other item may meet what this one has left half done. Then `onDefect` hears of it, once, with what was dropped: this item,
 * and those behind it.
 */
export function createMailbox<Item>(
  handle: (item: Item) => Promise<void> | undefined,
  onDefect: (error: unknown, dropped: readonly Item[]) => void,
): Mailbox<Item> {
  const waiting: Item[] = [];
  /** Of each that waits. */
  const sizes: number[] = [];
  let waitingBytes = 0;
  let busy = false;
  let stopped = false;

  function pump(): void {
    while (!busy && !stopped) {
      const item = waiting.shift();
      if (item === undefined) return;
      waitingBytes -= sizes.shift() ?? 0;
      busy = true;
      try {
        const pending = handle(item);
        if (pending) {
          pending.then(goOn, (error: unknown) => fail(error, item));
          return;
        }
      } catch (error) {
        fail(error, item);
        return;
      }
      busy = false;
    }
  }

  function goOn(): void {
    busy = false;
    pump();
  }

  function stop(): void {
    stopped = true;
    waiting.length = 0;
    sizes.length = 0;
    waitingBytes = 0;
  }

  function fail(error: unknown, item: Item): void {
    const dropped = [item, ...waiting];
    stop();
    onDefect(error, dropped);
  }

  return {
    post(item, bounds, bytes = 0) {
      if (stopped) return false;
      if (bounds && (waiting.length >= bounds.countMax || waitingBytes >= bounds.bytesMax)) return false;
      waiting.push(item);
      sizes.push(bytes);
      waitingBytes += bytes;
      pump();
      return true;
    },
    isEmpty: () => waiting.length === 0,
    stop,
  };
}
