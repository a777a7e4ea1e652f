import { Status } from "nice-grpc-common";
import { scopeKey } from "../../access/core/scope.ts";
import { Workflow as WireWorkflow } from "../../gen/concord/workflow/v1/workflow.ts";
import { ListWorkflowsResponse, type WorkflowServiceImplementation } from "../../gen/concord/workflow/v1/workflow_service.ts";
import type { Clock } from "../../kernel/clock.ts";
import type { Turns } from "../../kernel/turns.ts";
import { snapshotEventsMax } from "../../workflow/limits.ts";
import type { WorkflowRanges, WorkflowStore } from "../../workflow/ports.ts";
import { createSnapshots } from "../../workflow/snapshots.ts";
import { createReadSorted, type Listed } from "../../workflow/sorted-list.ts";
import type { RpcContext } from "../context.ts";
import { workflowToWire } from "../convert-workflow.ts";
import { encoded, listAnswer } from "../encoded-answer.ts";
import { rpcError } from "../errors.ts";
import { unledOf, workflowFilter } from "../filter.ts";
import { createReadPage } from "../list.ts";
import { orderOf, placeFrom, placePattern, placeText } from "./order.ts";

/** The lists of workflows. */
export function createListHandlers(dependencies: {
  readonly store: WorkflowStore;
  readonly clock: Clock;
  readonly turns: Turns;
}): Pick<WorkflowServiceImplementation<RpcContext>, "listWorkflows"> {
  const { store, turns } = dependencies;
  const readPage = createReadPage(dependencies);
  const readSorted = createReadSorted({ store, snapshots: createSnapshots({ store }) });

  return {
    async listWorkflows(request, context) {
      const { workflows: scope } = context.permission;
      const filter = workflowFilter(request.filter, scope);
      const order = orderOf(request.orderBy);
      const breathe = turns(context.signal);
      const unindexed = new Set<string>();
      let snapshot: number | undefined;
      const ranges: WorkflowRanges = filter?.known ?? {};
      const matches = filter?.matches;
      const page = await readPage<Listed>(
        {
          scope: `workflows/${JSON.stringify([order.by, order.descending])}/${scopeKey(scope)}${request.filter}`,
          place: placePattern,
          keyOf: ({ place }) => placeText(snapshot ?? 0, place),
          read: async (text, limit) => {
            const from = text === undefined ? undefined : placeFrom(text);
            snapshot ??= from?.snapshot ?? (await store.sequences()).newest;
            const stretch = await readSorted({ order, snapshot, after: from?.place, ranges, limit }, breathe);
            if (stretch === "expired") throw pageTokenExpired();
            if (filter !== undefined) for (const field of unledOf(filter, stretch.led)) unindexed.add(field);
            return { ...stretch, upTo: stretch.upTo && placeText(snapshot, stretch.upTo) };
          },
          matches: matches && (({ workflow }) => matches(workflow)),
          encode: ({ workflow }) => encoded(WireWorkflow, workflowToWire(workflow)),
        },
        request,
        context,
      );
      const scan = { scanned: unindexed.size > 0, unindexed: [...unindexed] };
      return listAnswer(ListWorkflowsResponse, page.items, { nextPageToken: page.nextPageToken, ...scan });
    },
  };
}

const pageTokenExpired = () =>
  rpcError({
    code: Status.ABORTED,
    reason: "PAGE_TOKEN_EXPIRED",
    message: `more than ${snapshotEventsMax} changes were made since the first page; begin again, or sort by id or created_at`,
    metadata: { limit: String(snapshotEventsMax) },
  });
