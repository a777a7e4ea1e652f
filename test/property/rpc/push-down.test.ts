import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { isInScope } from "../../../src/commit/transaction-scope.ts";
import { assert } from "../../../src/kernel/assert.ts";
import type { WorkflowId } from "../../../src/kernel/ids.ts";
import { workflowStates } from "../../../src/kernel/lifecycle.ts";
import { eventFilter, workflowFilter } from "../../../src/rpc/filter.ts";
import { transactionFilter } from "../../../src/rpc/transaction-filter.ts";
import { createMemoryWorkflowStore } from "../../../src/storage/memory/workflow-store.ts";
import { openSqliteWorkflowStore } from "../../../src/storage/sqlite/workflow-store.ts";
import type { Workflow, WorkflowEvent } from "../../../src/workflow/core/types.ts";
import type { WorkflowPut, WorkflowStore } from "../../../src/workflow/ports.ts";
import { storageDir } from "../../support/storage-dir.ts";
import { contents, event, workflow } from "../../support/storage-values.ts";
import { transactionsOfEveryKind } from "../../support/transaction-values.ts";

const texts = ['"a"', '"a-1"', '"ab"', '""', '"ｱ"', '"😀"', '"op-1"', '"FAILED"', '"ACTIVE"', '"COMPLETED"', '"COMMITTED"'];
const times = ["00", "00.0005", "00.010", "00.012", "01"].map((second) => `timestamp("1970-01-01T00:00:${second}Z")`);
const numbers = ["1", "7", "7.5", "9u", "-1", "9007199254740993"];
const literal = fc.constantFrom(...texts, ...times, ...numbers, "true", "null");

/** Any field against any literal, either way round; many make no sense, and are refused or never true. */
function conditionOf(resource: string, fields: readonly string[]): fc.Arbitrary<string> {
  const field = fc.constantFrom(...fields.flatMap((each) => [`${resource}.${each}`, `${resource}["${each}"]`]));
  const operator = fc.constantFrom("==", "!=", "<", "<=", ">", ">=");
  const comparison = fc.oneof(
    fc.tuple(field, operator, literal).map((parts) => parts.join(" ")),
    fc.tuple(literal, operator, field).map((parts) => parts.join(" ")),
    fc.tuple(field, fc.array(literal, { maxLength: 3 })).map(([of, list]) => `${of} in [${list}]`),
    fc.tuple(field, fc.constantFrom(...texts)).map(([of, prefix]) => `${of}.startsWith(${prefix})`),
    fc.tuple(field, fc.constantFrom(...texts)).map(([of, suffix]) => `${of}.endsWith(${suffix})`),
  );
  return fc.letrec<{ condition: string }>((tie) => ({
    condition: fc.oneof(
      { maxDepth: 3 },
      { arbitrary: comparison, weight: 3 },
      { arbitrary: fc.array(tie("condition"), { minLength: 2, maxLength: 3 }).map((all) => `(${all.join(" && ")})`), weight: 3 },
      { arbitrary: fc.tuple(tie("condition"), tie("condition")).map((all) => `(${all.join(" || ")})`), weight: 1 },
      { arbitrary: tie("condition").map((one) => `!(${one})`), weight: 1 },
    ),
  })).condition;
}

/** Nothing, of a filter that is refused. */
function compiled<Filter>(filter: () => Filter): Filter | undefined {
  try {
    return filter();
  } catch {
    return undefined;
  }
}

let stores: readonly WorkflowStore[];

beforeAll(async () => {
  const opened = await openSqliteWorkflowStore({ path: join(storageDir(), "workflows.db") });
  if (!opened.ok) throw new Error(opened.error.message);
  stores = [opened.value, createMemoryWorkflowStore()];
  const ids = ["a", "a-1", "ab", "b", "ｱ", "😀"];
  const puts = workflowStates.flatMap((state, place) =>
    ids.map((id, index): WorkflowPut => {
      const times = { createdAtMs: index, stateEnteredAtMs: 5 + place, updatedAtMs: 10 + place };
      const by = { createdBy: `op-${index % 2}`, updatedBy: `op-${index % 3}` };
      const fields = { state, ...times, ...by, type: ["", "a", "ab"][index % 3] ?? "" };
      return { workflow: workflow(index === place ? id : `${id}.${state}`, fields), expected: "absent" };
    }),
  );
  const events = puts.map((each, index) =>
    event(each.workflow, {
      requestedBy: `op-${index % 3}`,
      type: index % 2 ? "FAILED" : "CREATED",
      occurredAtMs: (index % 5) * 4,
    }),
  );
  for (const store of stores) await store.apply({ puts, events });
});

afterAll(async () => {
  for (const store of stores) await store.close();
});

test("a list of workflows is the same, whether the store or the filter leaves a workflow out", async () => {
  const condition = conditionOf("workflow", [
    "id",
    "type",
    "state",
    "previous_state",
    "created_at",
    "created_by",
    "updated_at",
    "updated_by",
    "state_entered_at",
    "version",
  ]);
  await fc.assert(
    fc.asyncProperty(condition, async (expression) => {
      const filter = compiled(() => workflowFilter(expression));
      fc.pre(filter !== undefined);
      for (const store of stores) {
        const listed: Workflow[] = [];
        for (let afterId: WorkflowId | undefined; ; ) {
          const { rows, upTo } = await store.list({ afterId, limit: 7, ranges: filter.known });
          listed.push(...rows.filter(filter.matches));
          if (upTo === undefined) break;
          afterId = upTo;
        }
        expect(listed).toEqual((await contents(store)).workflows.filter(filter.matches));
      }
    }),
    { numRuns: 300 },
  );
});

test("a list of events is the same, whether the store or the filter leaves an event out", async () => {
  const fields = ["id", "sequence", "workflow_id", "workflow_type", "type", "from", "to", "occurred_at", "requested_by"];
  const ofEvent = conditionOf("event", fields);
  const ofBoth = fc.tuple(ofEvent, conditionOf("workflow", ["id", "type", "state", "version"]), fc.constantFrom("&&", "||"));
  const conditions = fc.oneof(
    ofEvent,
    ofBoth.map(([one, other, operator]) => `(${one}) ${operator} (${other})`),
  );
  await fc.assert(
    fc.asyncProperty(conditions, async (expression) => {
      fc.pre(compiled(() => eventFilter(expression, async () => undefined)) !== undefined);
      for (const store of stores) {
        const filter = eventFilter(expression, ({ workflowId }) => store.get(workflowId));
        assert(filter !== undefined, "it has compiled");
        const keptOf = async (events: readonly WorkflowEvent[]): Promise<WorkflowEvent[]> => {
          const kept = await Promise.all(events.map((each) => filter.matches(each)));
          return events.filter((_, index) => kept[index]);
        };
        const listed: WorkflowEvent[] = [];
        for (let afterSequence = 0; ; ) {
          const { rows, upTo } = await store.listEvents({ afterSequence, limit: 7, ranges: filter.known });
          listed.push(...(await keptOf(rows)));
          if (upTo === undefined) break;
          afterSequence = upTo;
        }
        expect(listed).toEqual(await keptOf((await contents(store)).events));
      }
    }),
    { numRuns: 300 },
  );
});

test("no transaction that a filter wants is out of its scope", () => {
  const fields = ["id", "phase", "outcome", "in_doubt", "created_at", "requested_by"];
  fc.assert(
    fc.property(conditionOf("transaction", fields), fc.boolean(), (expression, inDoubt) => {
      const filter = compiled(() =>
        transactionFilter(inDoubt ? `transaction.in_doubt && ${expression}` : expression, () => 1000),
      );
      fc.pre(filter !== undefined);
      for (const transaction of transactionsOfEveryKind) {
        if (filter.matches(transaction)) expect(isInScope(filter.known, transaction)).toBe(true);
      }
    }),
    { numRuns: 1000 },
  );
});
