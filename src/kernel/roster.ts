/** One who is on a roster, until he leaves. */
export type Entry<Member> = { member: Member | undefined };

/**
 * Those who come and go, in the order of coming, on a list that lives longer than they do. A Set of them would do, but for V8: when a Set or a
 * Map has aged and makes room for others, what it was before keeps whoever was in it, and all that hangs on them, until the next collection of all
 * garbage; collections of the young generation take that for alive, and copy it. Here it keeps entries that are empty by then.
 */
export class Roster<Member> {
  readonly #entries = new Set<Entry<Member>>();

  get size(): number {
    return this.#entries.size;
  }

  enter(member: Member): Entry<Member> {
    const entry = { member };
    this.#entries.add(entry);
    return entry;
  }

  /** True if he was still there. */
  leave(entry: Entry<Member>): boolean {
    entry.member = undefined;
    return this.#entries.delete(entry);
  }

  entries(): Iterable<Entry<Member>> {
    return this.#entries.values();
  }

  *[Symbol.iterator](): Generator<Member, void> {
    for (const { member } of this.#entries) if (member !== undefined) yield member;
  }
}
