import fc from "fast-check";
import { expect, test } from "vitest";
import type { WorkflowId } from "../../../../src/kernel/ids.ts";
import { createRecentWorkflows } from "../../../../src/storage/sqlite/recent-workflows.ts";
import type { NewWorkflowEvent, Workflow } from "../../../../src/workflow/core/types.ts";
import type { WorkflowWithLastEvent } from "../../../../src/workflow/ports.ts";
import { event, hold, workflow, workflowId } from "../../../support/storage-values.ts";

const found = (id: string, version = 1): WorkflowWithLastEvent => {
  const { type, fromState, toState, occurredAtMs, requestedBy, reason, metadata } = event(workflow(id, { version }), {
    metadata: {},
  });
  return {
    workflow: workflow(id, { version }),
    lastEvent: { type, fromState, toState, occurredAtMs, requestedBy, reason, metadata },
  };
};

/** The move after this. */
function move(
  { workflow: before }: WorkflowWithLastEvent,
  changes: Partial<Workflow> = {},
  more: Partial<NewWorkflowEvent> = {},
) {
  const moved = { ...before, version: before.version + 1, ...changes };
  const expected = { version: before.version, heldBy: undefined };
  return {
    puts: [{ workflow: moved, expected, keeps: "metadata" as const }],
    events: [event(moved, { metadata: {}, ...more })],
  };
}

test("what was read is known until it is written, and again when its move is durable", () => {
  const recent = createRecentWorkflows(() => true);
  const w = found("w");
  recent.keep(w, 2);
  expect(recent.get(workflowId("w"))).toBe(w);
  const batch = move(w);
  const ended = recent.write(batch);
  expect(recent.get(workflowId("w"))).toBeUndefined();
  // It may be durable, or not yet: a read says nothing for later.
  recent.keep(w, 2);
  expect(recent.get(workflowId("w"))).toBeUndefined();
  ended(true);
  expect(recent.get(workflowId("w"))).toEqual(found("w", 2));
});

test("the metadata of a move is that of the workflow that was read", () => {
  const recent = createRecentWorkflows(() => true);
  const w = found("w");
  const read = { ...w, workflow: { ...w.workflow, metadata: { a: 1 } } };
  recent.keep(read, 7);
  recent.write(move(w, { metadata: {} }))(true);
  expect(recent.get(workflowId("w"))?.workflow.metadata).toEqual({ a: 1 });
});

test.each([
  { what: "a move that was refused", ends: false },
  { what: "one with metadata of its event", more: { metadata: { a: -0 } } },
  { what: "one that is held", changes: { hold: hold("tx") } },
  {
    what: "one with a deadline",
    changes: { deadline: { atMs: 5, targetState: "ACTIVE", reason: "r", setBy: "ada", setAtMs: 1 } },
  },
])("$what is read again", ({ ends = true, changes = {}, more = {} }) => {
  const recent = createRecentWorkflows(() => true);
  const w = found("w");
  recent.keep(w, 2);
  recent.write(move(w, changes as Partial<Workflow>, more))(ends);
  expect(recent.get(workflowId("w"))).toBeUndefined();
});

test("those that came first go first, when there are too many, and no more than half of them", () => {
  const recent = createRecentWorkflows(() => true);
  const count = 60_000;
  for (let index = 0; index < count; index += 1) recent.keep(found(`w-${index}`), 0);
  const kept = Array.from({ length: count }, (_, index) => recent.get(workflowId(`w-${index}`)) !== undefined);
  expect(kept.at(-1)).toBe(true);
  expect(kept.indexOf(true)).toBe(kept.lastIndexOf(false) + 1);
  // 24 MiB, of 1,000 bytes each.
  const room = 25_165;
  expect(kept.filter(Boolean).length).toBeGreaterThan(room / 2 - 1);
  expect(kept.filter(Boolean).length).toBeLessThanOrEqual(room + 1);
});

/** How a write ends: at the disk, and for its caller. `lost`: its caller hears that it failed, and whether it is durable shows later. */
type Fate = "applied" | "refused" | "lost";

const steps = fc.array(
  fc.oneof(
    fc.record({ type: fc.constant("read" as const), id: fc.constantFrom("a", "b") }),
    fc.record({
      type: fc.constant("write" as const),
      id: fc.constantFrom("a", "b"),
      kind: fc.constantFrom("move" as const, "other" as const),
      fate: fc.constantFrom<Fate>("applied", "applied", "refused", "lost"),
    }),
    fc.record({ type: fc.constantFrom("commit" as const, "end" as const), which: fc.nat(1) }),
    fc.record({ type: fc.constant("recover" as const), isDurable: fc.boolean() }),
  ),
  { minLength: 20, maxLength: 60 },
);

test("what is known is what a read would find, whatever is written meanwhile, and however that ends", () => {
  fc.assert(
    fc.property(steps, (wanted) => {
      const disk = new Map(["a", "b"].map((id) => [id, found(id)]));
      let isTrusted = true;
      const recent = createRecentWorkflows(() => isTrusted);
      const underWay: {
        id: string;
        after: WorkflowWithLastEvent;
        fate: Fate;
        isCommitted: boolean;
        ended: (is: boolean) => void;
      }[] = [];
      const lost: (() => void)[] = [];
      const durable = (id: string): WorkflowWithLastEvent => disk.get(id) as WorkflowWithLastEvent;
      const isNext = ({ id, after }: { readonly id: string; readonly after: WorkflowWithLastEvent }): boolean =>
        after.workflow.version === durable(id).workflow.version + 1;
      const commit = (one: (typeof underWay)[number]): void => {
        // One that expects another version is refused.
        if (one.fate !== "applied" || one.isCommitted || !isNext(one)) return;
        disk.set(one.id, one.after);
        one.isCommitted = true;
      };
      for (const step of wanted) {
        if (step.type === "read" && recent.get(workflowId(step.id)) === undefined) recent.keep(durable(step.id), 2);
        if (step.type === "write" && isTrusted) {
          const { id, kind, fate } = step;
          const before = durable(id);
          const after = found(id, before.workflow.version + 1);
          const end = kind === "move" ? recent.write(move(before)) : recent.forgetWhile([id as WorkflowId]);
          underWay.push({ id, after, fate, isCommitted: false, ended: end });
        }
        if (step.type === "commit") {
          const one = underWay[step.which];
          if (one) commit(one);
        }
        if (step.type === "end") {
          const [one] = underWay.splice(step.which, 1);
          if (one === undefined) continue;
          commit(one);
          if (one.fate === "lost") {
            isTrusted = false;
            lost.push(() => {
              if (isNext(one)) disk.set(one.id, one.after);
            });
          }
          one.ended(one.isCommitted);
        }
        if (step.type === "recover") {
          for (const become of lost.splice(0)) if (step.isDurable) become();
          isTrusted = true;
        }
        for (const id of ["a", "b"]) {
          const known = recent.get(workflowId(id));
          if (known !== undefined) expect(known).toEqual(durable(id));
        }
      }
    }),
    { numRuns: 10_000 },
  );
});
