import { wholeKey } from "../../../src/kernel/request-key.ts";
import { ok } from "../../../src/kernel/result.ts";
import type { Workflow, WorkflowEvent } from "../../../src/workflow/core/types.ts";
import type { PredicateClient, WorkflowBatch, WorkflowStore } from "../../../src/workflow/ports.ts";

/** What a request asks for, in the terms of specs/WorkflowManager.tla. */
export type Body = {
  readonly kind: string;
  readonly on: readonly string[];
  readonly to: string;
  /** 0: none. */
  readonly expected: number;
  readonly due: string;
};

/** What happened in one manager's world, in the order in which it happened. */
export type ManagerEvent =
  /** A caller calls, perhaps again. */
  | { readonly type: "submitted"; readonly request: string; readonly body: Body }
  /** The engine has answered. Undefined: it has not. */
  | {
      readonly type: "asked";
      readonly workflow: Workflow;
      readonly to: string;
      readonly verdict: { readonly revision: number; readonly isAllowed: boolean } | undefined;
    }
  /** The store has made a batch durable. */
  | { readonly type: "written"; readonly batch: WorkflowBatch; readonly events: readonly WorkflowEvent[] }
  | { readonly type: "purged"; readonly workflows: readonly string[] }
  /** The manager has voted on the transaction of a request. */
  | { readonly type: "voted"; readonly request: string; readonly vote: "yes" | "no" }
  /** The coordinator has decided. */
  | { readonly type: "decided"; readonly request: string; readonly outcome: "commit" | "abort" }
  /** The manager has told the coordinator that a decision is carried out. */
  | { readonly type: "acknowledged"; readonly request: string; readonly outcome: "commit" | "abort" }
  | { readonly type: "crashed" }
  /** A caller has heard. */
  | { readonly type: "answered"; readonly request: string; readonly code: string };

export type Record = (event: ManagerEvent) => void;

/** The store, telling what it was told. */
export function recordedStore<Store extends WorkflowStore>(store: Store, record: Record): Store {
  return {
    ...store,
    apply: async (batch) => {
      const applied = await store.apply(batch);
      if (applied.ok) record({ type: "written", batch, events: applied.value });
      return applied;
    },
    purgeWorkflows: async (purge) => {
      const purged = await store.purgeWorkflows(purge);
      if (purged.ok && purged.value.workflows.length > 0) record({ type: "purged", workflows: purged.value.workflows });
      return purged;
    },
  };
}

/** The engine, telling what it said of changes of workflows. */
export function recordedPredicates(predicates: PredicateClient, record: Record): PredicateClient {
  return {
    ...predicates,
    check: async (check, asker) => {
      const { workflow, targetState: to } = check;
      const answer = await predicates.check(check, asker);
      const verdict = answer.ok
        ? { revision: answer.value.ruleSetRevision, isAllowed: answer.value.type === "allowed" }
        : undefined;
      record({ type: "asked", workflow, to, verdict });
      return answer.ok ? ok(answer.value) : answer;
    },
  };
}

/** The request that a batch carries out, if it says so. */
export function requestOf({ answers, puts }: WorkflowBatch): string | undefined {
  const key = answers?.[0] ?? puts[0]?.workflow.hold?.move.request;
  return key && (wholeKey(key) ?? key).id;
}
