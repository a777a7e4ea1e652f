import { scopeKey } from "../../access/core/scope.ts";
import type {
  ExportWorkflowsRequest,
  ExportWorkflowsResponse,
  PurgeWorkflowsRequest,
} from "../../gen/concord/workflow/v1/retention.ts";
import { KeptReason } from "../../gen/concord/workflow/v1/retention.ts";
import type { DeepPartial } from "../../gen/concord/workflow/v1/workflow.ts";
import type { WorkflowServiceImplementation } from "../../gen/concord/workflow/v1/workflow_service.ts";
import type { Clock } from "../../kernel/clock.ts";
import type { WorkflowId } from "../../kernel/ids.ts";
import { isTerminal, workflowStates } from "../../kernel/lifecycle.ts";
import { stretchRowsMax } from "../../kernel/limits.ts";
import { intersection } from "../../kernel/range.ts";
import type { TimeMs } from "../../kernel/time.ts";
import type { Turns } from "../../kernel/turns.ts";
import { barredFrom } from "../../workflow/attempt.ts";
import type { KeptBecause, Seen } from "../../workflow/core/purge.ts";
import type { Workflow } from "../../workflow/core/types.ts";
import { historyOf } from "../../workflow/export.ts";
import type { WorkflowRanges, WorkflowStore } from "../../workflow/ports.ts";
import type { Kept, Purges, PurgeTerms } from "../../workflow/purge.ts";
import type { RpcContext } from "../context.ts";
import { eventToWire, workflowToWire } from "../convert-workflow.ts";
import { durationMs } from "../duration.ts";
import { invalidField } from "../errors.ts";
import { workflowFilter } from "../filter.ts";
import { createReadPage } from "../list.ts";
import { workflowError } from "../workflow-errors.ts";

type Handlers = Pick<WorkflowServiceImplementation<RpcContext>, "purgeWorkflows" | "exportWorkflows">;

const reasons: Readonly<Record<KeptBecause, KeptReason>> = {
  "not-found": KeptReason.NOT_FOUND,
  "not-terminal": KeptReason.NOT_TERMINAL,
  changed: KeptReason.CHANGED,
  "too-young": KeptReason.TOO_YOUNG,
  answered: KeptReason.ANSWERED,
  undelivered: KeptReason.UNDELIVERED,
};

/** What becomes of workflows that have ended. */
export function createRetentionHandlers(dependencies: {
  readonly store: WorkflowStore;
  readonly purges: Purges;
  readonly clock: Clock;
  readonly turns: Turns;
}): Handlers {
  const { store, purges, clock, turns } = dependencies;
  const readPage = createReadPage(dependencies);

  /** A page of those that have ended by then. They are few enough to be kept; what they have with them is not. */
  async function chosen(
    request: PurgeWorkflowsRequest,
    endedByMs: TimeMs,
    context: RpcContext & { readonly signal: AbortSignal },
  ) {
    const { workflows: scope } = context.permission;
    const filter = workflowFilter(request.filter, scope);
    const ranges = endedBy(endedByMs, filter?.known);
    const seen: Seen[] = [];
    const { nextPageToken } = await readPage<Workflow>(
      {
        scope: `purge/${scopeKey(scope)}${request.filter}`,
        keyOf: ({ id }) => id,
        read: (after, limit) => store.list({ afterId: after as WorkflowId | undefined, limit, ranges }),
        matches: filter?.matches,
        encode: ({ id, version }) => {
          seen.push({ id, version });
          return nothing;
        },
      },
      request,
      context,
    );
    return { seen, nextPageToken };
  }

  /** Those that are listed, of which the caller may hear. Of the others it is told that they are not there. */
  async function named({ workflows }: PurgeWorkflowsRequest, context: RpcContext & { readonly signal: AbortSignal }) {
    const all = workflows.map(seenFromWire);
    if (context.guard === undefined) return { seen: all, hidden: [] };
    const breathe = turns(context.signal);
    const seen: Seen[] = [];
    const hidden: Kept[] = [];
    for (const workflow of all) {
      const pause = breathe();
      if (pause !== undefined) await pause;
      const found = await store.get(workflow.id);
      const barred = found && barredFrom(found, context);
      if (barred?.type === "permission-denied") throw workflowError(barred, {});
      if (found === undefined || barred !== undefined) hidden.push({ workflow, because: "not-found" });
      else seen.push(workflow);
    }
    return { seen, hidden };
  }

  return {
    async purgeWorkflows(request, context) {
      const { dryRun, freeIds, withUndelivered, requestedBy: by, reason } = request;
      checkSelection(request);
      const endedByMs = clock.nowMs() - (durationMs(request.olderThan) ?? 0);
      const { seen, hidden, nextPageToken } =
        request.workflows.length > 0
          ? { ...(await named(request, context)), nextPageToken: "" }
          : { ...(await chosen(request, endedByMs, context)), hidden: [] };
      const terms: PurgeTerms = { endedByMs, freeIds, withUndelivered };
      if (dryRun) {
        const { purgeable, kept, behind } = await purges.look(seen, terms, context.signal);
        const purgedEvents = BigInt(purgeable.reduce((sum, { version }) => sum + version, 0));
        return {
          ...answer(purgeable, [...hidden, ...kept], behind),
          purgedEvents,
          nextPageToken,
          oldestSequence: await oldest(store),
        };
      }
      const result = await purges.purge(seen, terms, context.signal);
      if (!result.ok) throw workflowError(result.error, {});
      const { purged, events, kept, behind } = result.value;
      if (purged.length > 0) {
        const fields = {
          workflows: purged.length,
          events,
          by,
          reason,
          filter: request.filter,
          first: purged[0],
          freeIds,
          behind,
        };
        context.log.warn(fields, "workflows purged");
      }
      const gone = purged.map((id) => ({ id }));
      return {
        ...answer(gone, [...hidden, ...kept], behind),
        purgedEvents: BigInt(events),
        nextPageToken,
        oldestSequence: await oldest(store),
      };
    },

    async *exportWorkflows(request, { permission, signal }) {
      const filter = workflowFilter(request.filter, permission.workflows);
      const ranges = exportedRanges(request, filter?.known, clock.nowMs);
      const breathe = turns(signal);
      let afterId = request.afterWorkflowId === "" ? undefined : (request.afterWorkflowId as WorkflowId);
      for (;;) {
        const pause = breathe();
        if (pause !== undefined) await pause;
        const { rows, upTo } = await store.list({ afterId, limit: stretchRowsMax, ranges });
        for (const workflow of rows) {
          const pause = breathe();
          if (pause !== undefined) await pause;
          if (filter !== undefined && !filter.matches(workflow)) continue;
          let head: Workflow | undefined = workflow;
          for await (const { events, isLast } of historyOf(store, workflow, breathe)) {
            const message: DeepPartial<ExportWorkflowsResponse> = {
              workflow: head && workflowToWire(head),
              events: events.map(eventToWire),
              continues: !isLast,
            };
            yield message;
            head = undefined;
          }
        }
        if (upTo === undefined) return;
        afterId = upTo;
      }
    },
  };
}

const nothing = new Uint8Array();

const terminalStates = workflowStates.filter(isTerminal);

/** Of workflows that have ended by then. */
const endedBy = (endedByMs: TimeMs, known: WorkflowRanges = {}): WorkflowRanges => ({
  ...known,
  state: intersection<string>(known.state ?? {}, { oneOf: terminalStates }),
  stateEnteredAtMs: intersection(known.stateEnteredAtMs ?? {}, { max: endedByMs }),
});

function exportedRanges({ olderThan }: ExportWorkflowsRequest, known: WorkflowRanges = {}, nowMs: () => TimeMs): WorkflowRanges {
  const ms = durationMs(olderThan);
  return ms === undefined ? known : endedBy(nowMs() - ms, known);
}

/** A purge is told clearly what it is to purge. */
function checkSelection({ workflows, filter, pageSize, pageToken, olderThan }: PurgeWorkflowsRequest): void {
  if (workflows.length === 0) {
    if (olderThan === undefined) throw invalidField("older_than", "is required without workflows; 0s is whatever has ended");
    return;
  }
  const first = new Map<string, number>();
  for (const [index, { workflowId }] of workflows.entries()) {
    const other = first.get(workflowId);
    if (other !== undefined) throw invalidField(`workflows[${index}].workflow_id`, `is "${workflowId}", as workflows[${other}]`);
    first.set(workflowId, index);
  }
  const [field] = Object.entries({ filter, page_size: pageSize, page_token: pageToken }).find(([, value]) => value) ?? [];
  if (field !== undefined) throw invalidField(field, "chooses workflows, which are listed already: leave it empty");
}

const seenFromWire = ({ workflowId, version }: PurgeWorkflowsRequest["workflows"][number]): Seen => ({
  id: workflowId as WorkflowId,
  version: Number(version),
});

const answer = (gone: readonly { readonly id: WorkflowId }[], kept: readonly Kept[], behindSinks: readonly string[]) => ({
  behindSinks,
  workflowIds: gone.map(({ id }) => id),
  kept: kept.map(({ workflow, because }) => ({ workflowId: workflow.id, reason: reasons[because] })),
});

const oldest = async (store: WorkflowStore): Promise<bigint> => BigInt((await store.sequences()).oldest);
