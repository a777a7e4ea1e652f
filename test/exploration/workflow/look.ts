import type { WorkflowId } from "../../../src/kernel/ids.ts";
import { type RequestKey, wholeKey } from "../../../src/kernel/request-key.ts";
import { deadlineActor } from "../../../src/workflow/core/deadline.ts";
import type { Workflow, WorkflowEvent } from "../../../src/workflow/core/types.ts";
import type { WorkflowStore } from "../../../src/workflow/ports.ts";
import { absent, noDue, noHold, none, type SpecBody, type SpecDue, type SpecEvent, type SpecRecord } from "./spec.ts";

// What the store has, in the terms of the spec.

/** Of events that nobody has asked for. */
const kindsOf: Readonly<Record<WorkflowEvent["type"], string>> = {
  CREATED: "create",
  TRANSITION: "move",
  FAILED: "move",
  RECOVERED: "move",
  UPDATED: "update",
  DEADLINE_SET: "deadline-set",
  DEADLINE_REFUSED: "deadline-refused",
};

/** Changes that leave the workflow in its state. */
const stays: readonly WorkflowEvent["type"][] = ["UPDATED", "DEADLINE_SET", "DEADLINE_REFUSED"];

/** All that has happened, with the deadline that was in force behind each change. */
export async function eventsIn(store: WorkflowStore, bodies: ReadonlyMap<string, SpecBody>): Promise<readonly SpecEvent[]> {
  const { rows } = await store.listEvents({ afterSequence: 0, limit: 1_000 });
  const dues = new Map<string, SpecDue>();
  return rows.map((event) => {
    const { fromState, toState, reason, type } = event;
    if (stays.includes(type) !== (fromState === toState)) throw new Error(`${type} from ${fromState} to ${toState}`);
    return specEvent(event, { request: bodies.has(reason) ? reason : none, kind: bodies.get(reason)?.kind }, dues);
  });
}

/** `asked`: the request it is of, and of which kind that is. `dues` are those in force behind the event before, by workflow, and then behind this one. */
export function specEvent(
  event: WorkflowEvent,
  asked: { readonly request: string; readonly kind: string | undefined },
  dues: Map<string, SpecDue>,
): SpecEvent {
  const { workflowId, fromState, toState, version, requestedBy, ruleSetRevision, type, deadline } = event;
  const set = deadline && { to: deadline.targetState, set: version };
  const due = set ?? (type === "UPDATED" ? dues.get(workflowId) : undefined) ?? noDue;
  dues.set(workflowId, due);
  const isMove = !stays.includes(type) && type !== "CREATED";
  const isAsked = isMove && asked.kind !== undefined && asked.kind !== "start";
  return {
    workflow: workflowId,
    from: fromState ?? "NONE",
    to: toState,
    version,
    request: asked.request,
    kind: requestedBy === deadlineActor && isMove ? "deadline" : isAsked ? asked.kind : kindsOf[type],
    revision: ruleSetRevision,
    due,
  };
}

export async function recordIn(store: WorkflowStore, id: string, nowMs: number): Promise<SpecRecord> {
  const workflow = await store.get(id as WorkflowId);
  if (workflow === undefined) return absent;
  const { state, version, hold, deadline, recoverableAtMs, retryCount } = workflow;
  const events = (await eventsIn(store, new Map())).filter((event) => event.workflow === id);
  const recoveries = events.filter(({ from, to }) => from === "FAILED" && to === "ACTIVE").length;
  if (recoveries !== retryCount) throw new Error(`${retryCount} recoveries, ${recoveries} in the events`);
  return {
    state,
    version,
    hold: hold === undefined ? noHold : heldBy(hold),
    // When it was set is in the events.
    due: deadline === undefined ? noDue : { to: deadline.targetState, set: events.at(-1)?.due.set ?? 0 },
    ripe: recoverableAtMs === undefined || nowMs >= recoverableAtMs,
  };
}

const heldBy = ({ move, ruleSetRevision }: NonNullable<Workflow["hold"]>): SpecRecord["hold"] => ({
  request: requestOf(move.request) ?? none,
  to: move.targetState,
  revision: ruleSetRevision,
  due: move.deadline?.targetState ?? none,
});

/** An item's is that of its request. */
const requestOf = (key: RequestKey | undefined): string | undefined => key && (wholeKey(key) ?? key).id;
