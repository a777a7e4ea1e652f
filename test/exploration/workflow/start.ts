import type { WorkflowId } from "../../../src/kernel/ids.ts";
import { isMove, type WorkflowState } from "../../../src/kernel/lifecycle.ts";
import type { PolicyTerms } from "../../../src/workflow/core/policy.ts";
import { applyMove, create, type Stamp } from "../../../src/workflow/core/step.ts";
import type { Workflow } from "../../../src/workflow/core/types.ts";
import { noWarnings } from "../../../src/workflow/core/warnings.ts";
import type { WorkflowStore } from "../../../src/workflow/ports.ts";
import type { Constants } from "./models.ts";
import { none, type SpecBody } from "./spec.ts";

/** Every way in which the workflows may begin. */
export function startsOf({ workflows, startStates, maxWorkflows }: Constants): readonly Readonly<Record<string, string>>[] {
  let starts: readonly Readonly<Record<string, string>>[] = [{}];
  for (const id of workflows) starts = starts.flatMap((start) => startStates.map((state) => ({ ...start, [id]: state })));
  return starts.filter((start) => Object.values(start).filter((state) => state !== "NONE").length <= maxWorkflows);
}

/** What a request may ask for. specs/WorkflowManager.tla: Bodies. */
export function bodiesOf({ workflows, kinds, targets, expected, dues, maxTogether }: Constants): readonly SpecBody[] {
  const isBorn = (kind: string): boolean => kind === "create" || kind === "start";
  const fixed: Readonly<Record<string, readonly string[]>> = {
    create: ["CREATED"],
    start: ["ACTIVE"],
    recover: ["ACTIVE"],
    "enlist-recovery": ["ACTIVE"],
    update: [none],
    deadline: [none],
  };
  const duesOf = (kind: string, to: string): readonly string[] => {
    if (kind === "deadline") return [none, ...dues];
    if (to === none) return [none];
    return [none, ...dues.filter((due) => isMove(to as WorkflowState, due as WorkflowState))];
  };
  const singly = kinds
    .filter((kind) => kind !== "batch")
    .flatMap((kind) =>
      workflows.flatMap((id) =>
        (fixed[kind] ?? targets).flatMap((to) =>
          (isBorn(kind) ? [0] : expected).flatMap((version) =>
            duesOf(kind, to).map((due) => ({ kind, on: [id], to, expected: version, due })),
          ),
        ),
      ),
    );
  const several = subsetsOf(workflows).filter(({ length }) => length <= maxTogether);
  const together = kinds
    .filter((kind) => kind === "batch" || kind === "enlist")
    .flatMap((kind) =>
      several
        .filter(({ length }) => kind === "batch" || length > 1)
        .flatMap((on) => targets.flatMap((to) => expected.map((version) => ({ kind, on, to, expected: version, due: none })))),
    );
  return [...singly, ...together];
}

/** In their order; none of them is empty. */
function subsetsOf(ids: readonly string[]): readonly (readonly string[])[] {
  const [first, ...others] = ids;
  if (first === undefined) return [];
  const rest = subsetsOf(others);
  return [[first], ...rest.map((each) => [first, ...each]), ...rest];
}

/** What the policy of all workflows says: one deadline a state, a limit of recoveries, and a time before each. */
export const termsOf = ({ defaults, maxRecoveries, backoff }: Constants): PolicyTerms => ({
  deadlines: (defaults as readonly WorkflowState[]).map((state) => ({
    state,
    afterMs: 0,
    targetState: state === "ACTIVE" ? "FAILED" : "CANCELLED",
    reason: "by policy",
  })),
  recovery: { maxAttempts: maxRecoveries, initialBackoffMs: backoff ? backoffMs : 0, multiplier: 1, maxBackoffMs: backoffMs },
});

export const backoffMs = 1_000;

/** A workflow with a short legal history behind it. */
export async function beginHistory(store: WorkflowStore, id: string, state: string, stampOf: () => Stamp): Promise<void> {
  const path = { NONE: [], CREATED: ["CREATED"], ACTIVE: ["CREATED", "ACTIVE"] }[state] ?? ["CREATED", "ACTIVE", state];
  const said = { reason: none, requestedBy: "somebody" };
  let workflow: Workflow | undefined;
  for (const to of path as readonly WorkflowState[]) {
    const expected = workflow === undefined ? ("absent" as const) : { version: workflow.version, heldBy: undefined };
    const change =
      workflow === undefined
        ? create({ id: id as WorkflowId, type: "", metadata: {}, ruleSetRevision: 0, ...said }, stampOf())
        : applyMove(
            workflow,
            { targetState: to, eventMetadata: {}, request: undefined, ...said },
            { ruleSetRevision: 0, warnings: noWarnings },
            stampOf(),
            undefined,
          );
    const applied = await store.apply({ puts: [{ workflow: change.workflow, expected }], events: [change.event] });
    if (!applied.ok) throw new Error(JSON.stringify(applied.error));
    workflow = change.workflow;
  }
}
