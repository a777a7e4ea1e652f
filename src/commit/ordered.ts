/** Keys in their order, none twice. Adding and deleting cost little among a hundred thousand, and least at the end, where new ones come. */
export type Ordered<Key> = {
  readonly size: number;
  readonly first: Key | undefined;
  add(key: Key): void;
  delete(key: Key): void;
  /** The first ones, in order. */
  firsts(limit: number): readonly Key[];
  /** Those before this one, or all, the last of them first, at most `limit`. */
  before(key: Key | undefined, limit: number): readonly Key[];
};

/** Keys that move when one comes or goes: a copy of memory that is not felt. */
const chunkSizeMax = 512;

export function createOrdered<Key>(compare: (a: Key, b: Key) => number): Ordered<Key> {
  /** Each in order, one after the other, none of them empty. */
  const chunks: Key[][] = [];
  let size = 0;

  /** The last chunk that begins with this key or one before it; the first, if there is none. */
  const chunkOf = (key: Key): number =>
    Math.max(0, countBefore(chunks, ([first]) => first !== undefined && compare(first, key) <= 0) - 1);

  const placeIn = (chunk: readonly Key[], key: Key): number => countBefore(chunk, (each) => compare(each, key) < 0);

  return {
    get size() {
      return size;
    },
    get first() {
      return chunks[0]?.[0];
    },
    add(key) {
      size += 1;
      const index = chunkOf(key);
      const chunk = chunks[index];
      const place = chunk ? placeIn(chunk, key) : 0;
      if (!chunk || place === chunkSizeMax) {
        chunks.splice(index + 1, 0, [key]);
        return;
      }
      chunk.splice(place, 0, key);
      if (chunk.length > chunkSizeMax) chunks.splice(index + 1, 0, chunk.splice(chunkSizeMax / 2));
    },
    delete(key) {
      const index = chunkOf(key);
      const chunk = chunks[index] ?? [];
      const place = placeIn(chunk, key);
      const found = chunk[place];
      if (found === undefined || compare(found, key) !== 0) return;
      size -= 1;
      chunk.splice(place, 1);
      if (chunk.length === 0) chunks.splice(index, 1);
    },
    firsts: (limit) =>
      chunks
        .values()
        .flatMap((chunk) => chunk.values())
        .take(limit)
        .toArray(),
    before(key, limit) {
      const found: Key[] = [];
      let index = key === undefined ? chunks.length - 1 : chunkOf(key);
      let end: number | undefined = key === undefined ? undefined : placeIn(chunks[index] ?? [], key);
      for (; index >= 0 && found.length < limit; index -= 1) {
        const chunk = chunks[index] ?? [];
        const to: number = end ?? chunk.length;
        found.push(...chunk.slice(Math.max(0, to - (limit - found.length)), to).reverse());
        end = undefined;
      }
      return found;
    },
  };
}

/** How many items at the beginning are so: none behind the first that is not. The last is tried first. */
function countBefore<Item>(items: readonly Item[], isBefore: (item: Item) => boolean): number {
  let from = 0;
  let to = items.length;
  for (let next = to - 1; from < to; next = (from + to) >>> 1) {
    if (isBefore(items[next] as Item)) from = next + 1;
    else to = next;
  }
  return from;
}
