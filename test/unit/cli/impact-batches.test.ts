import { expect, test } from "vitest";
import { batchesOf } from "../../../src/cli/rule/impact-batches.ts";
import { Workflow, WorkflowEvent, WorkflowState } from "../../../src/gen/concord/workflow/v1/workflow.ts";

const moveOf = (metadata: { readonly [key: string]: unknown }, lastEvent?: WorkflowEvent) => ({
  workflow: Workflow.create({ metadata }),
  targetState: WorkflowState.ACTIVE,
  lastEvent,
});
const sizes = (moves: readonly ReturnType<typeof moveOf>[]): readonly number[] => batchesOf(moves).map(({ length }) => length);
const times = <Value>(count: number, value: Value): readonly Value[] => Array.from({ length: count }, () => value);

test("of small moves 200 go together", () => {
  expect(sizes(times(450, moveOf({ a: 1 })))).toEqual([200, 200, 50]);
  expect(batchesOf([])).toEqual([]);
});

test("of what has many values, or much text, as many as a request may have", () => {
  const wide = moveOf({ n: times(4_900, 1) });
  expect(sizes(times(5, wide))).toEqual([2, 2, 1]);
  const long = moveOf({ text: "x".repeat(60_000) });
  expect(sizes(times(10, long))).toEqual([8, 2]);
});

test("the last event counts", () => {
  const event = WorkflowEvent.create({ metadata: { n: times(4_900, { a: 1 }) } });
  expect(sizes(times(3, moveOf({ n: times(4_900, 1) }, event)))).toEqual([1, 1, 1]);
});
