/** Feeds an async generator from callbacks. One reader. */
export type Queue<Item> = {
  /** False if it was dropped: the queue is closed, or holds `max` items already. */
  push(item: Item, max?: number): boolean;
  /** The reader gets what is queued, then the end. */
  close(): void;
  readonly items: AsyncIterable<Item>;
};

export function createQueue<Item>(): Queue<Item> {
  let waiting: Item[] = [];
  let closed = false;
  let wake = (): void => {};

  async function* read(): AsyncGenerator<Item, void, undefined> {
    for (;;) {
      const batch = waiting;
      waiting = [];
      yield* batch;
      if (waiting.length > 0) continue;
      if (closed) return;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }

  return {
    push(item, max = Number.POSITIVE_INFINITY) {
      if (closed || waiting.length >= max) return false;
      waiting.push(item);
      wake();
      return true;
    },
    close() {
      closed = true;
      wake();
    },
    items: read(),
  };
}
