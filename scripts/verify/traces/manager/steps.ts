import type { Workflow, WorkflowEvent } from "../../../../src/workflow/core/types.ts";
import { specEvent } from "../../../../test/exploration/workflow/look.ts";
import { none, type SpecDue, type SpecEvent } from "../../../../test/exploration/workflow/spec.ts";
import { type Body, type ManagerEvent, requestOf } from "../../../../test/simulation/workflow/manager-events.ts";
import { names } from "../names.ts";

// What happened, as lines of a trace of specs/TraceWorkflowManager.tla. Workflows are w1, w2, …, and requests r1, r2, …, in the order in which they come.

/** How a workflow is after a write. */
export type After = { readonly workflow: string; readonly state: string; readonly version: number; readonly held: string };

type Written = { readonly request: string; readonly events: readonly SpecEvent[]; readonly after: readonly After[] };

type Said = { readonly request: string; readonly value: string };

export type Step =
  | {
      readonly action: "Submit";
      readonly request: string;
      readonly body: Omit<Body, "on"> & { readonly on: ReadonlySet<string> };
    }
  | {
      readonly action: "Ask";
      readonly workflow: string;
      readonly from: string;
      readonly version: number;
      readonly to: string;
      /** allowed, denied or silent. */
      readonly verdict: string;
      readonly revision: number;
    }
  | ({ readonly action: "Write" } & Written)
  | ({ readonly action: "Commit" } & Written)
  | {
      readonly action: "Hold";
      readonly request: string;
      readonly to: string;
      readonly revision: number;
      readonly due: string;
      readonly after: readonly After[];
    }
  | { readonly action: "Release"; readonly request: string; readonly after: readonly After[] }
  | {
      readonly action: "Fire";
      readonly workflow: string;
      readonly events: readonly SpecEvent[];
      readonly after: readonly After[];
    }
  | { readonly action: "Purge"; readonly workflow: string }
  | ({ readonly action: "Vote" } & Said)
  | ({ readonly action: "Decide" } & Said)
  | ({ readonly action: "Acknowledge" } & Said)
  | { readonly action: "Crash" }
  | { readonly action: "Answer"; readonly request: string; readonly code: string };

export type Trace = { readonly name: string; readonly steps: readonly Step[] };

/** Spec codes that the code tells apart. */
const codes: Readonly<{ [code in string]: string }> = { ID_RETIRED: "WORKFLOW_PURGED" };

export function stepsOf(name: string, happened: readonly ManagerEvent[]): Trace {
  const workflows = names("w");
  const requests = names("r");
  const bodies = new Map<string, Body>();
  const dues = new Map<string, SpecDue>();
  /** By transaction. */
  const transactions = new Map<string, string>();

  function eventOf(event: WorkflowEvent, request: string | undefined): SpecEvent {
    const asked =
      request === undefined
        ? { request: none, kind: undefined }
        : { request: requests(request), kind: bodies.get(request)?.kind };
    return { ...specEvent(event, asked, dues), workflow: workflows(event.workflowId) };
  }

  const afterOf = ({ id, state, version, hold }: Workflow): After => ({
    workflow: workflows(id),
    state,
    version,
    held: hold === undefined ? none : requests(transactions.get(hold.transactionId) ?? ""),
  });

  function written({ batch, events }: Extract<ManagerEvent, { type: "written" }>): readonly Step[] {
    const hold = batch.puts[0]?.workflow.hold;
    const named = requestOf(batch);
    if (hold !== undefined && named !== undefined) transactions.set(hold.transactionId, named);
    const request = named ?? (batch.outcome && transactions.get(batch.outcome.transactionId));
    const told = events.map((event) => eventOf(event, request));
    const after = batch.puts.map(({ workflow }) => afterOf(workflow));
    if (batch.outcome !== undefined) {
      // Of a transaction that has nothing to do with a request, such as one that another participant was enlisted in.
      if (request === undefined) return [];
      const ended = { request: requests(request), after };
      return batch.outcome.outcome === "committed"
        ? [{ action: "Commit", ...ended, events: told }]
        : [{ action: "Release", ...ended }];
    }
    if (hold !== undefined && request !== undefined) {
      const { targetState: to, deadline } = hold.move;
      const promised = { to, revision: hold.ruleSetRevision, due: deadline?.targetState ?? none };
      return [{ action: "Hold", request: requests(request), ...promised, after }];
    }
    const [first] = told;
    if (first === undefined) return [];
    if (request === undefined) return [{ action: "Fire", workflow: first.workflow, events: told, after }];
    return [{ action: "Write", request: requests(request), events: told, after }];
  }

  const steps = happened.flatMap((event): readonly Step[] => {
    switch (event.type) {
      case "submitted": {
        const { request, body } = event;
        bodies.set(request, body);
        transactions.set(request, request);
        return [{ action: "Submit", request: requests(request), body: { ...body, on: new Set(body.on.map(workflows)) } }];
      }
      case "asked": {
        const { workflow, to, verdict } = event;
        const said = verdict === undefined ? "silent" : verdict.isAllowed ? "allowed" : "denied";
        const about = { workflow: workflows(workflow.id), from: workflow.state, version: workflow.version, to };
        return [{ action: "Ask", ...about, verdict: said, revision: verdict?.revision ?? 0 }];
      }
      case "written":
        return written(event);
      case "purged":
        return event.workflows.map((id) => ({ action: "Purge", workflow: workflows(id) }));
      case "voted":
        return [{ action: "Vote", request: requests(event.request), value: event.vote }];
      case "decided":
        return [{ action: "Decide", request: requests(event.request), value: event.outcome }];
      case "acknowledged":
        return [{ action: "Acknowledge", request: requests(event.request), value: event.outcome }];
      case "crashed":
        return [{ action: "Crash" }];
      default: {
        const code = codes[event.code] ?? event.code;
        return [{ action: "Answer", request: requests(event.request), code }];
      }
    }
  });
  return { name, steps };
}
