import type { DatabaseSync } from "node:sqlite";
import { assert } from "../../kernel/assert.ts";
import type { MarkedStore, Mismatch, Row, Statement, StoreSet, WriteMark } from "./statement.ts";
import type { StoreKind } from "./store-kind.ts";

/**
 * Beside the versioned schema, as every store has it: its own id and how often it was written, and what it knows of the stores that it is
 * served with. Each of its writes tells that anew, so that a set in which one was put back to an earlier time shows by itself.
 */
export const storeMarksTable = `CREATE TABLE IF NOT EXISTS store_marks (
  kind TEXT PRIMARY KEY,
  id TEXT NOT NULL,
  writes INTEGER NOT NULL
) STRICT`;

export const insertOwnMark = (kind: StoreKind): string =>
  `INSERT INTO store_marks VALUES ('${kind}', lower(hex(randomblob(16))), 0)`;

/** A file that no program of this version has opened for writing has none. */
export function marksIn(db: Pick<DatabaseSync, "prepare">): readonly WriteMark[] {
  const table = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'store_marks'").get();
  return table === undefined ? [] : (db.prepare("SELECT kind, id, writes FROM store_marks").all() as Row[]).map(toWriteMark);
}

const toWriteMark = (row: Row): WriteMark => ({
  kind: row["kind"] as StoreKind,
  id: row["id"] as string,
  writes: Number(row["writes"]),
});

/** Judging does not need the one, and the other only publishes again. */
const minorKinds: ReadonlySet<StoreKind> = new Set(["verdicts", "sinks"]);

/** One of them knows of a later write of another one than that has, or of another store in its place. */
type Contradiction = {
  readonly knowing: MarkedStore;
  readonly known: MarkedStore;
  /** Undefined: it is another store. Nothing says which of the two is the wrong one. */
  readonly missingWrites: number | undefined;
};

/**
 * A cut through all of them is consistent if none knows of a later write of another one than that has. Each store that is at fault is told once:
 * first the one whose absence would end the most contradictions.
 */
export function mismatches(stores: readonly MarkedStore[]): readonly Mismatch[] {
  const found: Mismatch[] = [];
  let left = contradictions(stores);
  for (;;) {
    const accused = stores
      .map((store) => ({ store, against: left.filter(isAgainst(store)), asKnown: left.filter(({ known }) => known === store) }))
      .toSorted((a, b) => b.against.length - a.against.length || b.asKnown.length - a.asKnown.length)[0];
    if (accused === undefined || accused.against.length === 0) return found;
    found.push(mismatchOf(accused.store, accused.against));
    left = left.filter((each) => !accused.against.includes(each));
  }
}

const isAgainst =
  (store: MarkedStore) =>
  ({ knowing, known, missingWrites }: Contradiction): boolean =>
    known === store || (knowing === store && missingWrites === undefined);

function contradictions(stores: readonly MarkedStore[]): readonly Contradiction[] {
  return stores.flatMap((knowing) =>
    stores.flatMap((known): Contradiction[] => {
      const [told, own] = [knowing, known].map(({ marks }) => marks.find(({ kind }) => kind === known.kind));
      // Of one kind, a set has one; the logs of two participants know nothing of each other.
      if (knowing.kind === known.kind || told === undefined || own === undefined) return [];
      if (told.id !== own.id) return [{ knowing, known, missingWrites: undefined }];
      return told.writes <= own.writes ? [] : [{ knowing, known, missingWrites: told.writes - own.writes }];
    }),
  );
}

function mismatchOf(store: MarkedStore, against: readonly Contradiction[]): Mismatch {
  const isMinor = against.every(
    ({ knowing, known, missingWrites }) =>
      minorKinds.has(known.kind) || (missingWrites === undefined && minorKinds.has(knowing.kind)),
  );
  const other = against.filter(({ missingWrites }) => missingWrites === undefined);
  const toldBy = other.find(({ known }) => known === store)?.knowing;
  if (toldBy) return { message: `${store.path} is not the store that ${toldBy.path} was used with`, isMinor };
  if (other[0]) return { message: `${store.path} was used with another store than ${other[0].known.path}`, isMinor };
  const [worst] = against.toSorted((a, b) => (b.missingWrites ?? 0) - (a.missingWrites ?? 0));
  assert(worst !== undefined, "a store is at fault for something");
  const message = `${store.path} is older than ${worst.knowing.path} knows it: its last ${worst.missingWrites} or more writes are missing`;
  return { message, isMinor };
}

/** Of a file that is not there. */
export function missing({ path, kind }: Omit<MarkedStore, "marks">, stores: readonly MarkedStore[]): readonly Mismatch[] {
  if (minorKinds.has(kind)) return [];
  const knowing = stores.find((store) => !minorKinds.has(store.kind) && store.marks.some((mark) => mark.kind === kind));
  return knowing ? [{ message: `${path} is missing, and ${knowing.path} was used with it`, isMinor: false }] : [];
}

export function createStoreSet(): StoreSet {
  const stores: MarkedStore[] = [];
  /** As far as they are known to have come: what is durable in one is here before anybody hears of it. */
  const current = new Map<StoreKind, WriteMark>();
  let hasBegun = false;

  return {
    join(store) {
      const { kind, marks } = store;
      const own = marks.find((mark) => mark.kind === kind);
      if (own === undefined) return { statements: () => [], written: () => {} };
      stores.push(store);
      current.set(kind, own);
      const told = new Map<StoreKind, number>();
      let telling: readonly WriteMark[] = [];
      return {
        statements() {
          if (!hasBegun) return [];
          telling = [...current.values()].filter((mark) => mark.kind !== kind && told.get(mark.kind) !== mark.writes);
          return [...telling.map(tell), { sql: countWrite, params: [kind], returning: true }];
        },
        written([row]) {
          for (const mark of telling) told.set(mark.kind, mark.writes);
          if (row !== undefined) current.set(kind, { ...own, writes: Number(row["writes"]) });
        },
      };
    },
    mismatches: () => mismatches(stores),
    begin: () => {
      hasBegun = true;
    },
  };
}

const tell = ({ kind, id, writes }: WriteMark): Statement<never> => ({
  sql: `INSERT INTO store_marks (kind, id, writes) VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET id = excluded.id, writes = excluded.writes`,
  params: [kind, id, writes],
});

const countWrite = "UPDATE store_marks SET writes = writes + 1 WHERE kind = ? RETURNING writes";
