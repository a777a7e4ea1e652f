import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import type { WorkflowId } from "../../src/kernel/ids.ts";
import { allowedMoves, type WorkflowState, workflowStates } from "../../src/kernel/lifecycle.ts";
import { unledOf, workflowFilter } from "../../src/rpc/filter.ts";
import type { Workflow } from "../../src/workflow/core/types.ts";
import { countByCounters, countByLooking, type Grouping } from "../../src/workflow/count.ts";
import { inOrder, placeOf } from "../../src/workflow/place.ts";
import type { WorkflowOrder, WorkflowPlace, WorkflowPut, WorkflowStore } from "../../src/workflow/ports.ts";
import { createSnapshots } from "../../src/workflow/snapshots.ts";
import { createReadSorted, type Listed } from "../../src/workflow/sorted-list.ts";
import { event, put, workflow, workflowId } from "../support/storage-values.ts";

const orders: readonly WorkflowOrder[] = (["id", "created", "updated", "version"] as const).flatMap((by) =>
  [false, true].map((descending) => ({ by, descending })),
);

const atOnce = () => undefined;

/** One change of the world: a creation, or a move of one that is there; the clock stands still, or goes on, or back. And perhaps one of the policies. */
type Step = { readonly id: number; readonly choice: number; readonly ms: number; readonly policy?: PolicyStep | undefined };

/** A policy is set with these keys, or deleted; or what policies ask for is made for a while. */
type PolicyStep = { readonly type: string; readonly keys: readonly string[] | undefined } | { readonly slices: number };

const policyStep: fc.Arbitrary<PolicyStep> = fc.oneof(
  fc.record({
    type: fc.constantFrom("", "", "order", "sample"),
    keys: fc.option(fc.subarray(["site", "number", "flag"]), { nil: undefined, freq: 5 }),
  }),
  fc.record({ slices: fc.integer({ min: 1, max: 12 }) }),
);

const step: fc.Arbitrary<Step> = fc.record({
  id: fc.integer({ min: 0, max: 14 }),
  choice: fc.integer({ min: 0, max: 5 }),
  ms: fc.constantFrom(0, 0, 1, 5, -3),
  policy: fc.option(policyStep, { nil: undefined, freq: 2 }),
});

/** What is true of the store, kept beside it. */
function createWorld(store: WorkflowStore) {
  const all = new Map<WorkflowId, Workflow>();
  let nowMs = 1_000;
  return {
    all,
    async run({ id: number, choice, ms, policy }: Step): Promise<void> {
      if (policy !== undefined) await runPolicy(store, policy);
      nowMs = Math.max(1, nowMs + ms);
      const id = workflowId(`w-${String(number).padStart(2, "0")}`);
      const stored = all.get(id);
      const change = stored === undefined ? creationOf(id, number, nowMs) : moveOf(stored, choice, nowMs);
      if (change === undefined) return;
      const applied = await store.apply({
        puts: [change],
        events: [event(change.workflow, { occurredAtMs: change.workflow.updatedAtMs })],
      });
      expect(applied.ok).toBe(true);
      all.set(id, change.workflow);
    },
  };
}

async function runPolicy(store: WorkflowStore, step: PolicyStep): Promise<void> {
  if ("slices" in step) {
    for (let slice = 0; slice < step.slices; slice += 1)
      expect(await store.indexMetadata({ limit: 4 })).toMatchObject({ ok: true });
    return;
  }
  const { newest: expectedNewest } = await store.policies();
  const newest = expectedNewest + 1;
  const terms = { deadlines: [], indexedMetadata: step.keys ?? [] };
  const by = { updatedAtMs: 1, updatedBy: "ada", reason: "because" };
  const policy = step.keys === undefined ? undefined : { workflowType: step.type, revision: newest, terms, ...by };
  expect(await store.applyPolicy({ expectedNewest, newest, workflowType: step.type, policy })).toMatchObject({ ok: true });
}

function creationOf(id: WorkflowId, number: number, nowMs: number): WorkflowPut {
  const times = { createdAtMs: nowMs, updatedAtMs: nowMs, stateEnteredAtMs: nowMs };
  const metadata = metadataOf(number);
  const fields = { ...times, metadata, type: ["", "order", "sample"][number % 3] ?? "", createdBy: `op-${number % 2}` };
  return { workflow: workflow(id, { ...fields, updatedBy: fields.createdBy }), expected: "absent" };
}

function metadataOf(number: number): Workflow["metadata"] {
  const long = "x".repeat(300);
  const site = ["A", "B", 3, true, null, [], { a: 1 }, long, `${long}y`, "A\0", "😀", "", false, -0, 1e300][number % 15] ?? null;
  return { ...(number % 7 !== 6 && { site }), number: number / 2, flag: number % 2 === 0 };
}

function moveOf(stored: Workflow, choice: number, nowMs: number): WorkflowPut | undefined {
  const moves = allowedMoves(stored.state);
  const state = moves[choice % Math.max(1, moves.length)];
  const updatedAtMs = Math.max(nowMs, stored.updatedAtMs);
  // Metadata can change too.
  const metadata = choice % 3 === 0 ? metadataOf(choice + stored.version) : stored.metadata;
  return state && put(stored, { state, metadata, updatedAtMs, stateEnteredAtMs: updatedAtMs, updatedBy: `op-${choice}` });
}

const filters = [
  "",
  'workflow.state == "ACTIVE"',
  'workflow.state != "COMPLETED" && workflow.type == "order"',
  'workflow.type in ["order", "sample"] && workflow.state in ["FAILED", "PAUSED"]',
  'workflow.type == ""',
  'workflow.type in ["order", "order"]',
  "workflow.version >= 2 && workflow.version < 5",
  'workflow.created_by == "op-1"',
  'workflow.metadata.site == "B"',
  'workflow.metadata.site == "A" && workflow.type == "order"',
  'workflow.type in ["order", "sample"] && workflow.metadata.site in ["A", "A", 3, true]',
  'workflow.metadata.site == "A\\u0000" || workflow.metadata.site == ""',
  `workflow.metadata.site == "${"x".repeat(300)}"`,
  `workflow.metadata.site >= "${"x".repeat(300)}" && workflow.type == ""`,
  'workflow.metadata.site < "B"',
  'workflow.metadata.site.startsWith("x")',
  "workflow.metadata.site == 0",
  "workflow.metadata.number >= 2 && workflow.metadata.number < 5.5",
  'workflow.metadata.flag && workflow.state == "ACTIVE"',
  "workflow.metadata.site == false",
  'workflow.id > "w-04" && workflow.id <= "w-11"',
  'workflow.id in ["w-03", "w-05", "w-99"]',
  'workflow.updated_at >= timestamp("1970-01-01T00:00:01.003Z")',
  'workflow.created_at <= timestamp("1970-01-01T00:00:01.004Z") && workflow.state == "ACTIVE"',
  'workflow.state == "ACTIVE" || workflow.type == "sample"',
] as const;

/** Where a run begins with these: few runs are long enough to come to the last of them. */
const firstFilter = fc.nat({ max: filters.length - 1 });

/** What the lists of every workflow store must be. `open` gives a new, empty store. */
export function workflowListsSuite(name: string, open: () => Promise<WorkflowStore>): void {
  const opened: WorkflowStore[] = [];
  const openStore = async (): Promise<WorkflowStore> => {
    const store = await open();
    opened.push(store);
    return store;
  };
  afterEach(async () => {
    for (const store of opened.splice(0)) await store.close();
  });

  describe(`lists of workflows: ${name}`, () => {
    test("after each acknowledged change, every list, filter, order and count agrees with what was acknowledged", async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(step, { maxLength: 30 }),
          fc.integer({ min: 1, max: 7 }),
          firstFilter,
          async (steps, limit, first) => {
            const store = await openStore();
            const world = createWorld(store);
            for (const [index, each] of steps.entries()) {
              await world.run(each);
              const expression = filters[(first + index) % filters.length] ?? "";
              const filter = workflowFilter(expression);
              const wanted = [...world.all.values()].filter((one) => filter?.matches(one) ?? true);
              for (const order of orders) {
                const listed = await walk(store, order, limit, expression);
                expect(listed).toStrictEqual(wanted.toSorted((a, b) => inOrder(order)(placeOf(order, a), placeOf(order, b))));
              }
              const groupings: readonly Grouping[] = [{ type: "state" }, { type: "type" }];
              const matches = filter?.matches;
              const ranges = filter?.known ?? {};
              const looked = await countByLooking(store, { groupings, ranges, matches, onLed: () => {} }, atOnce);
              expect(groupsOf(looked)).toEqual(recount(wanted));
              expect(looked.total).toBe(wanted.length);
              const kept = await countByCounters(store, { groupings, matches: undefined }, atOnce);
              expect(groupsOf(kept)).toEqual(recount([...world.all.values()]));
            }
            await store.close();
          },
        ),
        { numRuns: 12 },
      );
    });

    test("the pages of a list are a snapshot: under writes no workflow comes twice and none is skipped", async () => {
      const during = fc.array(fc.array(step, { maxLength: 6 }), { maxLength: 20 });
      await fc.assert(
        fc.asyncProperty(
          fc.array(step, { minLength: 5, maxLength: 40 }),
          during,
          fc.constantFrom(...orders),
          fc.integer({ min: 1, max: 4 }),
          async (before, meanwhile, order, limit) => {
            const store = await openStore();
            const world = createWorld(store);
            for (const each of before) await world.run(each);
            const then = new Map(world.all);
            const { newest: snapshot } = await store.sequences();
            const listed: Listed[] = [];
            // Two readers: what is remembered of one must not be wrong for the other.
            const readers = [readerOf(store), readerOf(store)];
            let after: WorkflowPlace | undefined;
            for (let page = 0; ; page += 1) {
              const read = readers[page % 2] ?? readerOf(store);
              for (const each of meanwhile[page] ?? []) await world.run(each);
              const stretch = await read({ order, snapshot, after, ranges: {}, limit }, atOnce);
              if (stretch === "expired") throw new Error("it is within its bounds");
              listed.push(...stretch.rows);
              for (const { workflow: one } of stretch.rows) expect(one).toStrictEqual(world.all.get(one.id));
              if (stretch.upTo === undefined) break;
              after = stretch.upTo;
            }
            const ids = listed.map(({ workflow: one }) => one.id).filter((id) => then.has(id));
            const inOrderOfThen = [...then.values()].toSorted((a, b) => inOrder(order)(placeOf(order, a), placeOf(order, b)));
            expect(ids).toStrictEqual(inOrderOfThen.map(({ id }) => id));
            // What was created since is left out where keys change.
            if (order.by === "updated" || order.by === "version") expect(listed).toHaveLength(then.size);
            await store.close();
          },
        ),
        { numRuns: 40 },
      );
    });

    test("a list that changes too much cannot go on, nor one of a later store", async () => {
      const store = await openStore();
      const world = createWorld(store);
      for (let id = 0; id < 6; id += 1) await world.run({ id, choice: 0, ms: 1 });
      const snapshots = createSnapshots({ store, bounds: { eventsMax: 3, entriesMax: 100 } });
      const read = createReadSorted({ store, snapshots });
      const page = { order: { by: "updated", descending: true } as const, after: undefined, ranges: {}, limit: 2 };
      expect(await read({ ...page, snapshot: 3 }, atOnce)).not.toBe("expired");
      expect(await read({ ...page, snapshot: 2 }, atOnce)).toBe("expired");
      expect(await read({ ...page, snapshot: 7 }, atOnce)).toBe("expired");
      expect(await read({ ...page, snapshot: 1, order: { by: "created", descending: true } }, atOnce)).not.toBe("expired");
    });

    test("what is forgotten of a snapshot is read again", async () => {
      const store = await openStore();
      const world = createWorld(store);
      for (let id = 0; id < 6; id += 1) await world.run({ id, choice: 0, ms: 1 });
      const snapshots = createSnapshots({ store, bounds: { eventsMax: 100, entriesMax: 0 } });
      for (let again = 0; again < 2; again += 1) {
        const found = await snapshots({ sequence: 4, by: "version" }, atOnce);
        if (found === "expired") throw new Error("it is within its bounds");
        expect([found.has(workflowId("w-04")), found.has(workflowId("w-03")), found.places]).toEqual([true, false, []]);
      }
    });

    test("a workflow whose events of then are gone ends the list that needs them", async () => {
      const store = await openStore();
      await store.apply({ puts: [{ workflow: workflow("silent"), expected: "absent" }], events: [] });
      const { newest } = await store.sequences();
      const moved = put(workflow("silent"), { state: "ACTIVE" });
      await store.apply({ puts: [moved], events: [event(moved.workflow)] });
      expect(await createSnapshots({ store })({ sequence: newest, by: "version" }, atOnce)).toBe("expired");
    });
  });
}

const readerOf = (store: WorkflowStore) => createReadSorted({ store, snapshots: createSnapshots({ store }) });

async function walk(store: WorkflowStore, order: WorkflowOrder, limit: number, expression: string): Promise<readonly Workflow[]> {
  const filter = workflowFilter(expression);
  const found: Workflow[] = [];
  for (let after: WorkflowPlace | undefined; ; ) {
    const { rows, upTo, led } = await store.listSorted({ order, after, limit, ranges: filter?.known ?? {} });
    expect(rows.length).toBeLessThanOrEqual(limit);
    found.push(...rows.filter((each) => filter?.matches(each) ?? true));
    // Whatever says that indexes led by all of it leaves nothing to the filter, unless another index than that of metadata has led to fewer.
    if (filter && unledOf(filter, led).length === 0 && !/[<>]|startsWith|metadata.*&&|&&.*metadata/.test(expression))
      expect(rows.filter(filter.matches)).toEqual(rows);
    if (upTo === undefined) return found;
    after = upTo;
  }
}

type StateAndType = readonly [WorkflowState, string, number];

const groupsOf = ({ groups }: Awaited<ReturnType<typeof countByCounters>>): readonly StateAndType[] =>
  groups.map(({ values: [state, type], count }): StateAndType => [state as WorkflowState, String(type), count]).toSorted(byText);

function recount(workflows: readonly Workflow[]): readonly StateAndType[] {
  const pairs = workflowStates.flatMap((state) => ["", "order", "sample"].map((type) => [state, type] as const));
  return pairs
    .map(
      ([state, type]): StateAndType => [state, type, workflows.filter((one) => one.state === state && one.type === type).length],
    )
    .filter(([, , count]) => count > 0)
    .toSorted(byText);
}

const byText = (a: StateAndType, b: StateAndType): number => (a.join() < b.join() ? -1 : 1);
