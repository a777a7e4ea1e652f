/** Feeds an async generator from callbacks. One reader. */
export type Queue<Item> = {
  /** False if the queue is closed. */
  push(item: Item, bytes?: number): boolean;
  /** What the reader has not taken yet, and what it is busy with. */
  readonly count: number;
  readonly bytes: number;
  /** The reader gets what is queued, then the end. */
  close(): void;
  readonly items: AsyncIterable<Item>;
};

/** `onTaken`: the reader is done with an item, and comes for the next. */
export function createQueue<Item>(onTaken: () => void = () => {}): Queue<Item> {
  type Entry = { readonly item: Item; readonly bytes: number };
  let waiting: Entry[] = [];
  let count = 0;
  let bytes = 0;
  let closed = false;
  let wake = (): void => {};

  async function* read(): AsyncGenerator<Item, void, undefined> {
    for (;;) {
      const batch = waiting;
      waiting = [];
      for (const entry of batch) {
        yield entry.item;
        count -= 1;
        bytes -= entry.bytes;
        onTaken();
      }
      if (waiting.length > 0) continue;
      if (closed) return;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }

  return {
    get count() {
      return count;
    },
    get bytes() {
      return bytes;
    },
    push(item, size = 0) {
      if (closed) return false;
      waiting.push({ item, bytes: size });
      count += 1;
      bytes += size;
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
