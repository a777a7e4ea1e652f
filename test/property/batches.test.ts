import fc from "fast-check";
import { expect, test } from "vitest";
import type { RequestId, WorkflowId } from "../../src/kernel/ids.ts";
import { type WorkflowState, workflowStates } from "../../src/kernel/lifecycle.ts";
import { itemKey } from "../../src/kernel/request-key.ts";
import { ok } from "../../src/kernel/result.ts";
import { createMemoryWorkflowStore } from "../../src/storage/memory/workflow-store.ts";
import { openSqliteWorkflowStore } from "../../src/storage/sqlite/workflow-store.ts";
import type { MoveCommand, Moves } from "../../src/workflow/attempt.ts";
import type { PredicateCheck, WorkflowStore } from "../../src/workflow/ports.ts";
import { temporaryFolder } from "../support/concord.ts";
import { contents, everyWorkflow } from "../support/storage-values.ts";
import { creation, denied, type ManagerUnderTest, managerOver, moveTo } from "../support/workflow-manager.ts";

// A batch does what its moves do one by one. A failure prints its seed; replay it with SEED=n npx vitest run --project property.

const workflowCount = 5;
const nameOf = (index: number): WorkflowId => `w${index}` as WorkflowId;

/** Which states the rules forbid to which workflow, and how far each has come before. */
type World = { readonly ways: readonly (readonly WorkflowState[])[]; readonly forbidden: readonly string[] };
type Item = { readonly workflow: number; readonly target: WorkflowState; readonly expectedVersion: number | undefined };

const state = fc.constantFrom(...workflowStates);
const world: fc.Arbitrary<World> = fc.record({
  ways: fc.array(fc.array(state, { maxLength: 4 }), { minLength: workflowCount, maxLength: workflowCount }),
  forbidden: fc.array(
    fc.tuple(fc.nat(workflowCount - 1), state).map(([index, target]) => `${nameOf(index)} ${target}`),
    { maxLength: 6 },
  ),
});
/** One of them does not exist. */
const items = (minLength: number): fc.Arbitrary<readonly Item[]> =>
  fc.uniqueArray(
    fc.record({
      workflow: fc.nat(workflowCount),
      target: state,
      expectedVersion: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined, freq: 3 }),
    }),
    { selector: ({ workflow }) => workflow, minLength, maxLength: workflowCount + 1 },
  );

const commandOf = ({ workflow, target, expectedVersion }: Item): MoveCommand =>
  moveTo(target, { workflowId: nameOf(workflow), expectedVersion });

function batchOf(wanted: readonly Item[], id?: string): Moves {
  const request = id === undefined ? undefined : { id: id as RequestId, digest: JSON.stringify(wanted) };
  const commands = wanted.map(commandOf).map((command, index) => ({
    ...command,
    move: { ...command.move, request: request && itemKey(request, index) },
  }));
  return { commands, request, reason: "because", requestedBy: "ada" };
}

const folder = temporaryFolder();
let stores = 0;

async function openSqlite(): Promise<WorkflowStore> {
  stores += 1;
  const opened = await openSqliteWorkflowStore({ path: `${folder.path}/${stores}.sqlite` });
  if (!opened.ok) throw new Error(opened.error.message);
  return opened.value;
}

/** A write to a disk takes a thousand times as long. */
const kinds = [
  { kind: "memory", open: async () => createMemoryWorkflowStore(), numRuns: 200 },
  { kind: "sqlite", open: openSqlite, numRuns: 12 },
];

async function managerIn(open: () => Promise<WorkflowStore>, { ways, forbidden }: World): Promise<ManagerUnderTest> {
  const under = managerOver(await open());
  const allowed = under.engine.answer;
  for (const [index, way] of ways.entries()) {
    const workflowId = nameOf(index);
    await under.manager.create({ ...creation(workflowId), metadata: { index } });
    for (const target of way) await under.manager.move(moveTo(target, { workflowId }));
  }
  under.engine.answer = async (check: PredicateCheck) =>
    forbidden.includes(`${check.workflow.id} ${check.targetState}`) && check.workflow.metadata["index"] !== undefined
      ? denied
      : allowed(check);
  return under;
}

/** What can be told apart by somebody who looks: not the times and ids of changes, nor the order of those of different workflows. */
async function shown({ store }: ManagerUnderTest) {
  const { workflows, events, counts } = await contents(store);
  const changes = events.map(({ workflowId, version, type, fromState, toState, retryCount, ruleSetRevision, reason, metadata }) =>
    JSON.stringify({ workflowId, version, type, fromState, toState, retryCount, ruleSetRevision, reason, metadata }),
  );
  const plain = workflows.map(({ createdAtMs: _, updatedAtMs: __, stateEnteredAtMs: ___, ...rest }) => rest);
  return { workflows: plain, changes: changes.toSorted(), counts, sequences: events.map(({ sequence }) => sequence) };
}

const patient = { signal: new AbortController().signal };
const typeOf = (result: { readonly ok: boolean; readonly error?: { readonly type: string } | undefined }) =>
  result.ok ? "moved" : result.error?.type;

test.each(kinds)("INDEPENDENT: a batch ends as its moves one by one, in order, in $kind", async ({ open, numRuns }) => {
  await fc.assert(
    fc.asyncProperty(world, items(1), async (given, wanted) => {
      const [one, other] = [await managerIn(open, given), await managerIn(open, given)];
      const singles = [];
      for (const command of batchOf(wanted).commands) singles.push(await one.manager.move(command));
      const each = await other.manager.moveEach(batchOf(wanted), patient);
      expect(each.ok && each.value.map(typeOf)).toEqual(singles.map(typeOf));
      expect(await shown(other)).toEqual(await shown(one));
      await Promise.all([one.store.close(), other.store.close()]);
    }),
    { numRuns },
  );
});

test.each(kinds)("ALL_OR_NOTHING: all moves of a batch are made, as one by one, or none, in $kind", async ({ open, numRuns }) => {
  await fc.assert(
    fc.asyncProperty(world, items(1), async (given, wanted) => {
      const [one, other] = [await managerIn(open, given), await managerIn(open, given)];
      const before = await shown(other);
      const singles = [];
      for (const command of batchOf(wanted).commands) singles.push(await one.manager.move(command));
      const all = await other.manager.moveAll(batchOf(wanted), undefined, patient);
      expect(all.ok).toBe(singles.every((single) => single.ok));
      if (all.ok) expect(await shown(other)).toEqual(await shown(one));
      else {
        expect(await shown(other)).toEqual(before);
        expect(all.error.type === "items-refused" && all.error.errors.map((error) => error?.type ?? "moved")).toEqual(
          singles.map(typeOf),
        );
      }
      await Promise.all([one.store.close(), other.store.close()]);
    }),
    { numRuns },
  );
});

const rivals = fc.array(fc.oneof(fc.record({ one: items(1) }), fc.record({ all: items(2) }), fc.record({ each: items(2) })), {
  minLength: 2,
  maxLength: 5,
});

test.each(kinds)(
  "whatever runs beside it, an ALL_OR_NOTHING batch is made whole or not at all, once for each request, in $kind",
  async ({ open, numRuns }) => {
    await fc.assert(
      fc.asyncProperty(world, rivals, async (given, wanted) => {
        const under = await managerIn(open, given);
        const before = new Map((await everyWorkflow(under.store)).map(({ id, version }) => [id, version]));
        const run = async (rival: (typeof wanted)[number], index: number): Promise<readonly string[]> => {
          const id = `r${index}`;
          if ("one" in rival) {
            const moved = await under.manager.move(commandOf(rival.one[0] as Item));
            return moved.ok ? [`${moved.value.workflow.id} ${moved.value.event.sequence}`] : [];
          }
          if ("each" in rival) {
            const each = await under.manager.moveEach(batchOf(rival.each, id), patient);
            return each.ok
              ? each.value.flatMap((moved) => (moved.ok ? `${moved.value.workflow.id} ${moved.value.event.sequence}` : []))
              : [];
          }
          const batch = batchOf(rival.all, id);
          const all = await under.manager.moveAll(batch, undefined, patient);
          if (!all.ok) return [];
          expect(all.value.map(({ event }) => event.workflowId)).toEqual(batch.commands.map(({ workflowId }) => workflowId));
          // Next to each other: nothing came between.
          const [first] = all.value;
          expect(all.value.map(({ event }) => event.sequence)).toEqual(
            all.value.map((_, at) => (first?.event.sequence ?? 0) + at),
          );
          const again = await under.manager.moveAll(batch, undefined, patient);
          expect(again.ok && again.value.map(({ event }) => event)).toEqual(all.value.map(({ event }) => event));
          return all.value.map(({ event }) => `${event.workflowId} ${event.sequence}`);
        };
        const made = (await Promise.all(wanted.map(run))).flat();
        const { workflows, events } = await contents(under.store);
        const after = workflows.reduce((sum, { id, version }) => sum + version - (before.get(id) ?? 0), 0);
        expect(made).toHaveLength(after);
        expect(new Set(made).size).toBe(made.length);
        for (const each of workflows) {
          expect(events.filter(({ workflowId }) => workflowId === each.id)).toHaveLength(each.version);
          expect(each.metadata).not.toEqual({});
        }
        await under.store.close();
      }),
      { numRuns },
    );
  },
);

test("all moves of a batch are judged under one revision of the rules, also while it changes", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 40 }),
      fc.integer({ min: 2, max: 9 }),
      async (changes, count) => {
        const under = managerOver();
        let revision = 1;
        const left = [...changes];
        under.engine.answer = async () => {
          const judgedUnder = revision;
          revision += (left.shift() ?? 0) > 5 ? 1 : 0;
          await undefined;
          return ok({ type: "allowed", ruleSetRevision: judgedUnder, warnings: { first: [], omitted: 0 } });
        };
        const wanted = Array.from(
          { length: count },
          (_, workflow): Item => ({ workflow, target: "ACTIVE", expectedVersion: undefined }),
        );
        for (const { workflow } of wanted) await under.manager.create(creation(nameOf(workflow)));
        const all = await under.manager.moveAll(batchOf(wanted), undefined, patient);
        expect(new Set(all.ok ? all.value.map(({ event }) => event.ruleSetRevision) : []).size).toBe(1);
      },
    ),
    { numRuns: 200 },
  );
});
