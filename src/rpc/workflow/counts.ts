import type { WorkflowServiceImplementation } from "../../gen/concord/workflow/v1/workflow_service.ts";
import type { Clock } from "../../kernel/clock.ts";
import type { JsonObject } from "../../kernel/json.ts";
import { type WorkflowState, workflowStates } from "../../kernel/lifecycle.ts";
import type { Turns } from "../../kernel/turns.ts";
import type { Workflow } from "../../workflow/core/types.ts";
import { type Counted, countByCounters, countByLooking, type Group, type Grouping } from "../../workflow/count.ts";
import type { WorkflowStore } from "../../workflow/ports.ts";
import type { RpcContext } from "../context.ts";
import { stateToWire } from "../convert-workflow.ts";
import { invalidField } from "../errors.ts";
import { unledOf, workflowFilter } from "../filter.ts";

type Methods = Pick<WorkflowServiceImplementation<RpcContext>, "countWorkflows" | "getSystemStats">;

/** How many workflows there are, by what the store has counted or by looking. */
export function createCountHandlers(dependencies: {
  readonly store: WorkflowStore;
  readonly clock: Clock;
  readonly turns: Turns;
  readonly workflowCountMax: number;
}): Methods {
  const { store, clock, turns, workflowCountMax } = dependencies;

  return {
    async countWorkflows(request, context) {
      const filter = workflowFilter(request.filter, context.permission.workflows);
      const groupings = request.groupBy.map(groupingOf);
      const breathe = turns(context.signal);
      const asksOnly =
        filter === undefined || (filter.onlyCompares && filter.comparisons.every(({ field }) => counted.has(field)));
      const matches = filter?.matches;
      if (asksOnly && groupings.every(({ type }) => type !== "metadata")) {
        const ofCount = matches && ((of: Pick<Workflow, "type" | "state">) => matches({ ...anyWorkflow, ...of }));
        const found = await countByCounters(store, { groupings, matches: ofCount }, breathe);
        return { ...countedToWire(found, groupings), fromCounters: true };
      }
      const unindexed = new Set<string>();
      const onLed = (led: Parameters<typeof unledOf>[1]): void => {
        if (filter !== undefined) for (const field of unledOf(filter, led)) unindexed.add(field);
      };
      const found = await countByLooking(store, { groupings, ranges: filter?.known ?? {}, matches, onLed }, breathe);
      return { ...countedToWire(found, groupings), scanned: unindexed.size > 0, unindexed: [...unindexed] };
    },

    async getSystemStats(_request, context) {
      const byType = await countByCounters(store, { groupings: typeAndState, matches: undefined }, turns(context.signal));
      const counts = await store.counts();
      const { oldest, newest } = await store.sequences();
      return {
        totalWorkflows: BigInt(counts.workflows),
        totalEvents: BigInt(newest),
        keptEvents: BigInt(counts.events),
        oldestSequence: BigInt(oldest),
        workflowsByState: workflowStates.map((state) => ({ state: stateToWire(state), count: BigInt(counts.byState[state]) })),
        inTransition: BigInt(counts.held),
        recoveriesInProgress: BigInt(counts.recovering),
        workflowLimit: BigInt(workflowCountMax),
        asOf: new Date(clock.nowMs()),
        workflowsByType: countedToWire(byType, typeAndState).groups,
      };
    },
  };
}

/** Of these the store keeps counts. */
const counted: ReadonlySet<string> = new Set(["workflow.state", "workflow.type"]);

const typeAndState = [{ type: "type" }, { type: "state" }] as const;

/** For a filter that asks about nothing else than type and state. */
const anyWorkflow: Workflow = {
  id: "" as Workflow["id"],
  type: "",
  state: "CREATED",
  previousState: undefined,
  version: 1,
  createdAtMs: 0,
  createdBy: "",
  updatedAtMs: 0,
  updatedBy: "",
  stateEnteredAtMs: 0,
  hold: undefined,
  metadata: {},
  retryCount: 0,
  recoverableAtMs: undefined,
  deadline: undefined,
};

const metadataPrefix = "metadata.";

function groupingOf(text: string, index: number): Grouping {
  if (text === "state" || text === "type") return { type: text };
  if (text.startsWith(metadataPrefix) && text.length > metadataPrefix.length)
    return { type: "metadata", key: text.slice(metadataPrefix.length) };
  throw invalidField(`group_by[${index}]`, `must be state, type, or metadata. and a key, such as metadata.site; it is "${text}"`);
}

const countedToWire = ({ total, groups, notGrouped }: Counted, groupings: readonly Grouping[]) => ({
  total: BigInt(total),
  groups: groups.map((group) => groupToWire(group, groupings)),
  notGrouped: BigInt(notGrouped),
});

function groupToWire({ values, count }: Group, groupings: readonly Grouping[]) {
  const metadata: [string, string | number | boolean][] = [];
  let state: WorkflowState | undefined;
  let type = "";
  for (const [index, grouping] of groupings.entries()) {
    const value = values[index];
    if (grouping.type === "state") state = value as WorkflowState;
    else if (grouping.type === "type") type = value as string;
    else if (value !== undefined) metadata.push([grouping.key, value]);
  }
  const hasMetadata = groupings.some((grouping) => grouping.type === "metadata");
  return {
    state: stateToWire(state),
    type,
    metadata: hasMetadata ? (Object.fromEntries(metadata) as JsonObject) : undefined,
    count: BigInt(count),
  };
}
