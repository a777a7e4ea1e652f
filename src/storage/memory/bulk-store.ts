import type { WorkflowId } from "../../kernel/ids.ts";
import { compare } from "../../kernel/range.ts";
import { err, ok } from "../../kernel/result.ts";
import { stretchOf } from "../../kernel/stretch.ts";
import type { BulkOperation, BulkResult, BulkStore } from "../../workflow/bulk-ports.ts";
import type { WorkflowEvent } from "../../workflow/core/types.ts";

/** For tests. `remember` keeps which request has started an operation, unless it was answered already. */
export function createMemoryBulkStore(remember: (operation: BulkOperation) => boolean) {
  const operations = new Map<string, BulkOperation>();
  const results = new Map<string, Map<WorkflowId, BulkResult>>();

  const resultsOf = (id: string): Map<WorkflowId, BulkResult> => results.get(id) ?? new Map();

  function change(id: string, changes: Partial<BulkOperation>): void {
    const operation = operations.get(id);
    if (operation !== undefined) operations.set(id, { ...operation, ...changes });
  }

  function addResult(id: string, result: BulkResult): void {
    const known = resultsOf(id);
    if (known.has(result.workflowId)) return;
    results.set(id, known.set(result.workflowId, result));
    const { doneCount = 0, refusedCount = 0 } = operations.get(id) ?? {};
    change(id, "error" in result ? { refusedCount: refusedCount + 1 } : { doneCount: doneCount + 1 });
  }

  const newestFirst = (): BulkOperation[] => [...operations.values()].sort((a, b) => compare(b.id, a.id));

  const bulk: BulkStore = {
    get: async (id) => operations.get(id),
    byRequest: async (id) => [...operations.values()].find(({ request }) => request?.id === id),
    list: async ({ beforeId, limit }) => {
      const rows = newestFirst().filter(({ id }) => beforeId === undefined || compare(id, beforeId) < 0);
      return stretchOf(rows.slice(0, limit), limit, ({ id }) => id);
    },
    standing: async () =>
      newestFirst().map(({ id, state, stateEnteredAtMs, doneCount, refusedCount }) => ({
        id,
        state,
        stateEnteredAtMs,
        resultCount: doneCount + refusedCount,
      })),
    results: async ({ id, afterId, limit, refusedOnly }) => {
      const rows = [...resultsOf(id).values()]
        .filter(
          (result) => (afterId === undefined || compare(result.workflowId, afterId) > 0) && (!refusedOnly || "error" in result),
        )
        .sort((a, b) => compare(a.workflowId, b.workflowId));
      return stretchOf(rows.slice(0, limit), limit, ({ workflowId }) => workflowId);
    },
    add: async (operation, underWayMax) => {
      const { request } = operation;
      if (request && (await bulk.byRequest(request.id))) return err({ type: "conflict", conflict: { type: "request-exists" } });
      const underWay = [...operations.values()].filter(({ state }) => state === "RUNNING" || state === "PAUSED");
      if (underWay.length >= underWayMax) return err({ type: "conflict", conflict: { type: "limit" } });
      if (!remember(operation)) return err({ type: "conflict", conflict: { type: "request-exists" } });
      operations.set(operation.id, operation);
      return ok(undefined);
    },
    enter: async (id, from, to, atMs) => {
      const operation = operations.get(id);
      if (operation === undefined || !from.includes(operation.state))
        return err({ type: "conflict", conflict: { type: "other-state" } });
      change(id, { state: to, stateEnteredAtMs: atMs });
      return ok(undefined);
    },
    advance: async (id, position, added) => {
      for (const result of added) addResult(id, result);
      change(id, { position });
      return ok(undefined);
    },
    drop: async (id, limit) => {
      const known = resultsOf(id);
      const dropped = [...known.keys()].sort(compare).slice(0, limit);
      for (const workflowId of dropped) known.delete(workflowId);
      if (known.size === 0) {
        operations.delete(id);
        results.delete(id);
      }
      return ok(dropped.length);
    },
  };

  return {
    bulk,
    isKnown: (event: { readonly bulkOperationId?: string | undefined; readonly workflowId: WorkflowId }): boolean =>
      event.bulkOperationId !== undefined && resultsOf(event.bulkOperationId).has(event.workflowId),
    changed: ({ bulkOperationId, workflowId, sequence }: WorkflowEvent): void => {
      if (bulkOperationId !== undefined) addResult(bulkOperationId, { workflowId, sequence });
    },
  };
}
