import type { TraceEvent } from "../../../../src/commit/core/trace.ts";
import { deadlineActor } from "../../../../src/workflow/core/deadline.ts";
import type { Workflow, WorkflowEvent } from "../../../../src/workflow/core/types.ts";
import type { WorkflowBatch } from "../../../../src/workflow/ports.ts";
import { specEvent } from "../../../../test/exploration/workflow/look.ts";
import { none, type SpecDue, type SpecEvent } from "../../../../test/exploration/workflow/spec.ts";
import type { ManagerEvent } from "../../../../test/simulation/workflow/manager-events.ts";
import type { Step, Trace } from "./steps.ts";

// What a store was told, workflow by workflow, where nobody recorded the calls: each write is of a request that asks for just that. What the engine said and
// what the coordinator decided are recorded, so a write needs its consent all the same, and a hold its decision.

export type Logged = ManagerEvent | { readonly type: "core"; readonly event: TraceEvent };

export function logStepsOf(name: string, happened: readonly Logged[]): readonly Trace[] {
  const steps = new Map<string, Step[]>();
  const requests = new Map<string, number>();
  /** What holds what: a request of the workflow, by transaction. */
  const holds = new Map<string, Map<string, string>>();
  const decided = new Map<string, "commit" | "abort">();
  const delegated = new Set<string>();
  const dues = new Map<string, SpecDue>();

  const say = (workflow: string, ...more: readonly Step[]): void => {
    steps.set(workflow, [...(steps.get(workflow) ?? []), ...more]);
  };
  const newRequest = (workflow: string): string => {
    const number = (requests.get(workflow) ?? 0) + 1;
    requests.set(workflow, number);
    return `r${number}`;
  };
  const submit = (
    workflow: string,
    request: string,
    body: { readonly kind: string; readonly to: string; readonly due: string },
  ) => say(workflow, { action: "Submit", request, body: { ...body, on: new Set(["w1"]), expected: 0 } });

  function eventOf(event: WorkflowEvent, request: string, kind: string): SpecEvent {
    // What a schema says of a creation is no matter of the spec.
    const revision = event.type === "CREATED" ? 0 : event.ruleSetRevision;
    return { ...specEvent(event, { request, kind: undefined }, dues), workflow: "w1", kind, revision };
  }

  const afterOf = ({ state, version }: Workflow, held = none) => [{ workflow: "w1", state, version, held }];

  function held(workflow: Workflow): void {
    const { hold, id } = workflow;
    if (hold === undefined) return;
    const request = newRequest(id);
    const ofTransaction = holds.get(hold.transactionId) ?? new Map<string, string>();
    holds.set(hold.transactionId, ofTransaction.set(id, request));
    const promised = { to: hold.move.targetState as string, due: hold.move.deadline?.targetState ?? none };
    submit(id, request, { kind: "enlist", ...promised });
    say(id, { action: "Hold", request, ...promised, revision: hold.ruleSetRevision, after: afterOf(workflow, request) });
  }

  /** That a lone participant was to decide by itself, or that nobody is known to have decided for a commit. */
  function ended({ outcome }: WorkflowBatch, workflow: Workflow, events: readonly WorkflowEvent[]): void {
    const transaction = outcome?.transactionId ?? "";
    const request = holds.get(transaction)?.get(workflow.id);
    if (request === undefined) return;
    const value = outcome?.outcome === "committed" ? ("commit" as const) : ("abort" as const);
    const isOwn = !decided.has(transaction) && (value === "abort" || delegated.has(transaction));
    if (isOwn) say(workflow.id, { action: "Decide", request, value });
    const after = afterOf(workflow);
    if (value === "abort") say(workflow.id, { action: "Release", request, after });
    else say(workflow.id, { action: "Commit", request, events: events.map((event) => eventOf(event, request, "enlist")), after });
  }

  function changed(workflow: Workflow, events: readonly WorkflowEvent[]): void {
    const [first] = events;
    const last = events.at(-1);
    if (first === undefined || last === undefined) return;
    const after = afterOf(workflow);
    const { id } = workflow;
    if (first.type === "DEADLINE_REFUSED" || (first.requestedBy === deadlineActor && first.type !== "CREATED")) {
      const kind = first.type === "DEADLINE_REFUSED" ? "deadline-refused" : "deadline";
      say(id, { action: "Fire", workflow: "w1", events: [eventOf(first, none, kind)], after });
      return;
    }
    const request = newRequest(id);
    const [kind, written] = kindOf(events);
    const due = last.type === "UPDATED" ? none : (last.deadline?.targetState ?? none);
    const stays = last.type === "UPDATED" || last.type === "DEADLINE_SET";
    submit(id, request, { kind, to: stays ? none : last.toState, due });
    const told = events.map((event, index) => eventOf(event, request, written[index] ?? kind));
    say(id, { action: "Write", request, events: told, after });
  }

  for (const event of happened) {
    if (event.type === "asked") {
      const { workflow, to, verdict } = event;
      const said = verdict === undefined ? "silent" : verdict.isAllowed ? "allowed" : "denied";
      const about = { workflow: "w1", from: workflow.state, version: workflow.version, to };
      if (verdict !== undefined) say(workflow.id, { action: "Ask", ...about, verdict: said, revision: verdict.revision });
    } else if (event.type === "purged") {
      for (const workflow of event.workflows) say(workflow, { action: "Purge", workflow: "w1" });
    } else if (event.type === "core") {
      if (!("transaction" in event.event)) continue;
      const { action, transaction } = event.event;
      // Then the lone participant decides, or an operator has.
      if (action === "ForceDelegate" || action === "Resolve") delegated.add(transaction);
      if (action !== "ForceCommit") continue;
      decided.set(transaction, "commit");
      for (const [workflow, request] of holds.get(transaction) ?? [])
        say(workflow, { action: "Decide", request, value: "commit" });
    } else if (event.type === "written") {
      for (const { workflow } of event.batch.puts) {
        const own = event.events.filter(({ workflowId }) => workflowId === workflow.id);
        if (workflow.hold !== undefined) held(workflow);
        else if (event.batch.outcome !== undefined) ended(event.batch, workflow, own);
        else changed(workflow, own);
      }
    }
  }
  return [...steps].map(([workflow, ofWorkflow]) => ({ name: `${workflow} of ${name}`, steps: ofWorkflow }));
}

/** Of a request, and of each event that it writes. */
function kindOf(events: readonly WorkflowEvent[]): readonly [string, readonly string[]] {
  switch (events[0]?.type) {
    case "CREATED":
      return events.length === 2 ? ["start", ["create", "move"]] : ["create", ["create"]];
    case "UPDATED":
      return ["update", ["update"]];
    case "DEADLINE_SET":
      return ["deadline", ["deadline-set"]];
    default:
      return ["move", ["move"]];
  }
}
