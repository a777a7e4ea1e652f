import { isRecovery } from "../../../src/kernel/lifecycle.ts";
import type { WorkflowEvent } from "../../../src/workflow/core/types.ts";
import type { Demand } from "./change-checks.ts";
import type { Request } from "./clients.ts";

/** What was done for a request is what was asked: of that workflow, to that state, from that version, and all of it. */
export function checkHonest(demand: Demand, { by, verb }: Request, own: readonly WorkflowEvent[]): void {
  const [event] = own;
  if (event === undefined) return;
  const detail = `${by} ${verb.type}: ${own.map(({ workflowId, toState, version }) => `${workflowId} ${toState} ${version}`).join(", ")}`;
  const isOf = (id: string, expected: number | undefined, each = event): boolean =>
    each.workflowId === id && (expected === undefined || each.version === expected + 1);
  switch (verb.type) {
    case "create":
      demand(
        own.length === (verb.started ? 2 : 1) && own.every(({ workflowId }) => workflowId === verb.id),
        "EventPerChange",
        detail,
      );
      return;
    case "move":
      demand(own.length === 1 && event.toState === verb.to, "ResponseHonest", detail);
      demand(isOf(verb.id, verb.expected), "ConcurrentSafety", detail);
      demand((verb.order !== undefined) === (event.transactionId !== undefined), "AllOrNothing", detail);
      return;
    case "recover":
      demand(event.fromState !== undefined && isRecovery(event.fromState, event.toState), "RecoveryValidity", detail);
      demand(own.length === 1 && isOf(verb.id, verb.expected), "ConcurrentSafety", detail);
      return;
    case "update":
      demand(own.length === 1 && event.type === "UPDATED", "ResponseHonest", detail);
      demand(isOf(verb.id, verb.expected), "ConcurrentSafety", detail);
      return;
    case "deadline":
      demand(own.length === 1 && event.type === "DEADLINE_SET", "ResponseHonest", detail);
      demand((event.deadline !== undefined) === (verb.afterMs !== undefined), "DeadlineHonest", detail);
      demand(isOf(verb.id, verb.expected), "ConcurrentSafety", detail);
      return;
    case "batch":
      demand(own.length === verb.items.length, "AllOrNothing", detail);
      for (const item of verb.items) {
        const each = own.find(({ workflowId }) => workflowId === item.id);
        demand(each !== undefined && each.toState === item.to, "AllOrNothing", detail);
        demand(each === undefined || isOf(item.id, item.expected, each), "ConcurrentSafety", detail);
      }
      return;
    default:
      demand(false, "EventPerChange", `${detail}, which changes nothing`);
  }
}
