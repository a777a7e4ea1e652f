import fc from "fast-check";
import { expect, test } from "vitest";
import type { MarkedStore, Membership, WriteMark } from "../../../src/storage/sqlite/statement.ts";
import type { StoreKind } from "../../../src/storage/sqlite/store-kind.ts";
import { createStoreSet, mismatches } from "../../../src/storage/sqlite/store-marks.ts";

// SEED=n npx vitest run --project property.
const runs = { numRuns: 2_000 };

const kinds = ["workflows", "rules", "decision-log"] as const satisfies readonly StoreKind[];

type Write = { readonly store: number; readonly began: number; readonly ended: number };
type Stored = ReadonlyMap<StoreKind, WriteMark>;

/** Each step begins a write of a store, or ends the one that is under way there. What is stored after each step, and when writes were. */
function live(steps: readonly number[]): { readonly writes: readonly Write[]; readonly stored: readonly Stored[][] } {
  const set = createStoreSet();
  let now: Stored[] = kinds.map((kind) => new Map([[kind, { kind, id: `id-${kind}`, writes: 0 }]]));
  const members = kinds.map((kind, store) => set.join({ path: kind, kind, marks: [...(now[store]?.values() ?? [])] }));
  set.begin();
  const underWay = new Map<number, { readonly began: number; readonly statements: ReturnType<Membership["statements"]> }>();
  const writes: Write[] = [];
  const stored = [now];
  for (const [at, store] of steps.entries()) {
    const write = underWay.get(store);
    const member = members[store];
    if (member === undefined) throw new Error("no such store");
    if (write === undefined) underWay.set(store, { began: at, statements: member.statements() });
    else {
      underWay.delete(store);
      const rows = new Map(now[store]);
      for (const { params } of write.statements) {
        const [kind, id, count] = params as [StoreKind, string?, number?];
        const before = rows.get(kind);
        rows.set(
          kind,
          id === undefined ? { ...(before as WriteMark), writes: (before?.writes ?? 0) + 1 } : { kind, id, writes: count ?? 0 },
        );
      }
      now = now.map((each, index) => (index === store ? rows : each));
      member.written([{ writes: rows.get(kinds[store] ?? "rules")?.writes ?? 0 }]);
      writes.push({ store, began: write.began, ended: at });
    }
    stored.push(now);
  }
  return { writes, stored };
}

/** As of what is there: a write that began after another store's write had ended is nowhere without it. */
function isConsistent(writes: readonly Write[], times: readonly number[]): boolean {
  const isIn = ({ store, ended }: Write): boolean => ended < (times[store] ?? 0);
  return writes.filter(isIn).every((later) => writes.every((earlier) => earlier.ended >= later.began || isIn(earlier)));
}

test("stores that were put together from several times fit exactly if none has what came after what another one lacks", () => {
  const store = fc.integer({ min: 0, max: kinds.length - 1 });
  const mixing = fc
    .array(store, { maxLength: 40 })
    .chain((steps) => fc.tuple(fc.constant(steps), fc.array(fc.nat(steps.length), { minLength: 3, maxLength: 3 })));
  fc.assert(
    fc.property(mixing, ([steps, times]) => {
      const { writes, stored } = live(steps);
      const mixed = kinds.map(
        (kind, index): MarkedStore => ({ path: kind, kind, marks: [...(stored[times[index] ?? 0]?.[index]?.values() ?? [])] }),
      );
      expect(mismatches(mixed).length === 0).toBe(isConsistent(writes, times));
    }),
    runs,
  );
});
