import { assert } from "../../kernel/assert.ts";
import type { RequestId, TransactionId, WorkflowId } from "../../kernel/ids.ts";
import { isTerminal, type WorkflowState, workflowStates } from "../../kernel/lifecycle.ts";
import { provedOf } from "../../kernel/principal.ts";
import { compare } from "../../kernel/range.ts";
import { err, ok } from "../../kernel/result.ts";
import { stretchOf } from "../../kernel/stretch.ts";
import type { TimeMs } from "../../kernel/time.ts";
import type { BulkStore } from "../../workflow/bulk-ports.ts";
import type { TypePolicy } from "../../workflow/core/policy.ts";
import type { Workflow, WorkflowEvent } from "../../workflow/core/types.ts";
import { earliestDeadline } from "../../workflow/earliest-deadline.ts";
import { isWithinRanges } from "../../workflow/event-ranges.ts";
import type {
  DeadlinePlace,
  DueWorkflow,
  EndedPlace,
  EndedTransaction,
  KnownCoordinator,
  RememberedAnswer,
  StoredAnswer,
  TransactionOutcome,
  TypeCount,
  WorkflowBatch,
  WorkflowConflict,
  WorkflowStore,
} from "../../workflow/ports.ts";
import { createMemoryBulkStore } from "./bulk-store.ts";
import { changesSince, isWanted, listSorted } from "./workflow-lists.ts";

/** For tests. */
export function createMemoryWorkflowStore(nowMs: () => TimeMs = Date.now): WorkflowStore & { readonly bulk: BulkStore } {
  const workflows = new Map<WorkflowId, Workflow>();
  const creators = new Map<WorkflowId, string>();
  const purgedIds = new Map<WorkflowId, TimeMs>();
  let events: WorkflowEvent[] = [];
  let newest = 0;
  let purgedUpTo = 0;
  const answers = new Map<RequestId, StoredAnswer & { readonly atMs: TimeMs }>();
  const outcomes = new Map<TransactionId, EndedTransaction & { readonly atMs: TimeMs }>();
  const coordinators = new Map<string, KnownCoordinator>();
  const policies = new Map<string, TypePolicy>();
  let newestPolicy = 0;
  const deadlineListeners = new Set<(atMs: TimeMs) => void>();
  const appendListeners = new Set<(newest: number) => void>();
  const bulkResults = createMemoryBulkStore(({ id: bulkOperationId, request, createdAtMs: atMs }) => {
    if (request === undefined) return true;
    if (answers.has(request.id)) return false;
    answers.set(request.id, { digest: request.digest, bulkOperationId, atMs });
    return true;
  });
  let closed = false;

  const allHeld = (): Workflow[] => [...workflows.values()].filter(({ hold }) => hold !== undefined);

  const allEnded = (): Workflow[] => [...workflows.values()].filter(({ state }) => isTerminal(state));

  const countCreatedAs = (principal: string): number => [...creators.values()].filter((each) => each === principal).length;

  const conflictOf = ({
    answers: remembered = [],
    puts,
    events: appended,
    creator,
    workflowCountMax,
  }: WorkflowBatch): WorkflowConflict | undefined => {
    const isAnswered = ({ id, digest, shared }: RememberedAnswer): boolean => {
      const known = answers.get(id);
      return known !== undefined && !(shared && known.digest === digest);
    };
    if (remembered.some(isAnswered)) return { type: "request-exists" };
    const stale = puts.find(({ workflow, expected }) => {
      const stored = workflows.get(workflow.id);
      if (expected === "absent") return stored !== undefined;
      return stored?.version !== expected.version || stored.hold?.transactionId !== expected.heldBy;
    });
    const purged = puts.find(({ workflow, expected }) => expected === "absent" && purgedIds.has(workflow.id));
    if (purged !== undefined) return { type: "purged", workflowId: purged.workflow.id };
    if (stale !== undefined) return { type: "stale", workflowId: stale.workflow.id };
    const created = puts.filter(({ expected }) => expected === "absent").length;
    if (workflowCountMax !== undefined && workflows.size + created > workflowCountMax) return { type: "limit" };
    if (creator?.countMax !== undefined && countCreatedAs(creator.principal) + created > creator.countMax)
      return { type: "creator-limit", principal: creator.principal, limit: creator.countMax };
    return appended.some(bulkResults.isKnown) ? { type: "request-exists" } : undefined;
  };

  const carryOut = (batch: WorkflowBatch): readonly WorkflowEvent[] => {
    const { puts, events: appended, answers: remembered = [], creator, outcome, coordinator } = batch;
    const known = outcome && outcomes.get(outcome.transactionId);
    assert(known === undefined || known.outcome === outcome?.outcome, "a transaction has one outcome");
    for (const { workflow, expected, keeps } of puts) {
      if (expected === "absent" && creator !== undefined) creators.set(workflow.id, creator.principal);
      const before = workflows.get(workflow.id) ?? workflow;
      if (keeps === "all but the hold") workflows.set(workflow.id, { ...before, hold: workflow.hold });
      else workflows.set(workflow.id, keeps === "metadata" ? { ...workflow, metadata: before.metadata } : workflow);
    }
    const stored = appended.map((event, index) => ({ ...event, sequence: newest + index + 1 }));
    events.push(...stored);
    newest += stored.length;
    for (const event of stored) bulkResults.changed(event);
    for (const { id, digest, atMs, ...places } of remembered) {
      const [workflow, event] = [puts[places.put]?.workflow, stored[places.event]];
      assert(workflow !== undefined && event !== undefined, "an answer is a workflow and an event");
      if (!answers.has(id)) answers.set(id, { digest, workflow, event, atMs });
    }
    if (outcome !== undefined) outcomes.set(outcome.transactionId, known ?? outcome);
    if (coordinator !== undefined) {
      const { coordinatorId, coordinatorEpoch } = coordinator;
      if (coordinatorEpoch > (coordinators.get(coordinatorId)?.coordinatorEpoch ?? 0))
        coordinators.set(coordinatorId, coordinator);
    }
    return stored;
  };

  return {
    id: "memory",
    bulk: bulkResults.bulk,
    writable: true,
    onWritableChange: () => () => {},
    keptBeforeMs: (retentionMs) => nowMs() - retentionMs,
    get: async (id) => workflows.get(id),
    getWithLastEvent: async (id) => {
      const workflow = workflows.get(id);
      const last = events.findLast(({ workflowId }) => workflowId === id);
      if (workflow === undefined || last === undefined) return workflow && { workflow, lastEvent: undefined };
      const { type, fromState, toState, occurredAtMs, requestedBy, reason, metadata } = last;
      const said = { requestedBy, reason, metadata, ...provedOf(last) };
      return { workflow, lastEvent: { type, fromState, toState, occurredAtMs, ...said } };
    },
    list: async ({ afterId, limit, ranges = {} }) => {
      const after = [...workflows.values()]
        .filter(({ id }) => afterId === undefined || compare(id, afterId) > 0)
        .sort((a, b) => compare(a.id, b.id));
      const wanted = after.filter((workflow) => isWanted(workflow, ranges));
      return stretchOf(wanted.slice(0, limit), limit, (workflow) => workflow.id);
    },
    listSorted: async (page) => listSorted(workflows.values(), page),
    changesSince: async (page) => changesSince(events, page),
    listEvents: async ({ afterSequence, limit, ranges = {} }) => {
      return stretchOf(
        events.filter((event) => event.sequence > afterSequence && isWithinRanges(event, ranges)).slice(0, limit),
        limit,
        ({ sequence }) => sequence,
      );
    },
    sequences: async () => ({ oldest: purgedUpTo + 1, newest }),
    keptBeforeLoss: async () => undefined,
    counts: async () => {
      const all = [...workflows.values()];
      const inState = (state: WorkflowState): number => all.filter((workflow) => workflow.state === state).length;
      const recovers = ({ state, hold }: Workflow): boolean => state === "FAILED" && hold?.move.targetState === "ACTIVE";
      return {
        workflows: all.length,
        events: events.length,
        byState: Object.fromEntries(workflowStates.map((state) => [state, inState(state)])) as Record<WorkflowState, number>,
        held: all.filter(({ hold }) => hold !== undefined).length,
        recovering: all.filter(recovers).length,
      };
    },
    typeCounts: async ({ after, limit }) => {
      const counts = new Map<string, { readonly type: string; readonly state: WorkflowState; readonly count: number }>();
      for (const { type, state } of workflows.values()) {
        const key = JSON.stringify([type, state]);
        counts.set(key, { type, state, count: (counts.get(key)?.count ?? 0) + 1 });
      }
      const inOrder = (a: Pick<TypeCount, "type" | "state">, b: typeof a) => compare(a.type, b.type) || compare(a.state, b.state);
      const rest = [...counts.values()].toSorted(inOrder).filter((each) => after === undefined || inOrder(each, after) > 0);
      return rest.slice(0, limit);
    },
    countCreatedAs: async (principal) => countCreatedAs(principal),
    answer: async (requestId) => {
      const { atMs: _, ...stored } = answers.get(requestId) ?? {};
      return "digest" in stored ? (stored as StoredAnswer) : undefined;
    },
    outcome: async (transactionId) => {
      const ended = outcomes.get(transactionId);
      return ended && { transactionId, coordinatorId: ended.coordinatorId, outcome: ended.outcome };
    },
    coordinators: async () => [...coordinators.values()],
    heldBy: async ({ transactionId, afterId, limit }) =>
      allHeld()
        .filter((each) => holderOf(each) === transactionId && (afterId === undefined || compare(each.id, afterId) > 0))
        .sort((a, b) => compare(a.id, b.id))
        .slice(0, limit),
    held: async ({ afterId, limit }) =>
      allHeld()
        .filter((each) => afterId === undefined || compare(holderOf(each), afterId) > 0)
        .sort((a, b) => compare(holderOf(a), holderOf(b)) || compare(a.id, b.id))
        .slice(0, limit),
    apply: async (batch) => {
      if (closed) return err(closedFailure);
      // A store answers later, never at once.
      await undefined;
      const conflict = conflictOf(batch);
      if (conflict !== undefined) return err({ type: "conflict", conflict });
      const stored = carryOut(batch);
      const atMs = earliestDeadline(batch.puts);
      if (atMs !== undefined) for (const listener of deadlineListeners) listener(atMs);
      if (stored.length > 0) for (const listener of appendListeners) listener(newest);
      return ok(stored);
    },
    due: async ({ upToMs, after, limit }) => {
      const due = [...workflows.values()].flatMap(({ id: workflowId, version, deadline, hold }) =>
        hold === undefined && deadline !== undefined && deadline.atMs <= upToMs ? [{ workflowId, version, deadline }] : [],
      );
      const order = (a: DeadlinePlace, b: DeadlinePlace): number => a.atMs - b.atMs || compare(a.workflowId, b.workflowId);
      const placeOf = ({ workflowId, deadline: { atMs } }: DueWorkflow): DeadlinePlace => ({ workflowId, atMs });
      return due
        .filter((each) => after === undefined || order(placeOf(each), after) > 0)
        .sort((a, b) => order(placeOf(a), placeOf(b)))
        .slice(0, limit);
    },
    onDeadline: (listener) => {
      deadlineListeners.add(listener);
      return () => deadlineListeners.delete(listener);
    },
    policies: async () => ({
      newest: newestPolicy,
      policies: [...policies.values()].sort((a, b) => compare(a.workflowType, b.workflowType)),
    }),
    applyPolicy: async ({ expectedNewest, newest, workflowType, policy, request }) => {
      if (closed) return err(closedFailure);
      await undefined;
      if (request !== undefined && answers.has(request.id))
        return err({ type: "conflict", conflict: { type: "request-exists" } });
      if (expectedNewest !== newestPolicy) return err({ type: "conflict", conflict: { type: "stale" } });
      newestPolicy = newest;
      if (policy === undefined) policies.delete(workflowType);
      else policies.set(workflowType, policy);
      if (request !== undefined) {
        answers.set(request.id, { digest: request.digest, policy: request.answer, atMs: request.atMs });
      }
      return ok(undefined);
    },
    metadataIndexes: async () =>
      [...policies.values()]
        .sort((a, b) => compare(a.workflowType, b.workflowType))
        .flatMap(({ workflowType, terms }) =>
          [...(terms.indexedMetadata ?? [])].sort(compare).map((key) => ({ workflowType, key, ready: true })),
        ),
    indexMetadata: async () => ok(false),
    onAppend: (listener) => {
      appendListeners.add(listener);
      return () => appendListeners.delete(listener);
    },
    purge: async ({ olderThanMs, limit }) => {
      if (closed) return err(closedFailure);
      const isAborted = ({ outcome }: { readonly outcome: TransactionOutcome }) => outcome === "aborted";
      return ok(purgeOldest(answers, olderThanMs, limit) + purgeOldest(outcomes, olderThanMs, limit, isAborted));
    },
    purgeOutcomes: async ({ coordinatorId, olderThanMs, limit }) => {
      if (closed) return err(closedFailure);
      return ok(purgeOldest(outcomes, olderThanMs, limit, (each) => each.coordinatorId === coordinatorId));
    },
    purgedAtMs: async (id) => purgedIds.get(id),
    endedTypes: async ({ after, limit }) => {
      const types = [...new Set(allEnded().map(({ type }) => type))].sort(compare);
      return types.filter((type) => after === undefined || compare(type, after) > 0).slice(0, limit);
    },
    ended: async ({ type, beforeMs, after, limit }) => {
      const ended = allEnded()
        .filter((each) => each.type === type && each.stateEnteredAtMs < beforeMs)
        .map(({ id, version, stateEnteredAtMs: enteredAtMs }) => ({ id, version, enteredAtMs }))
        .filter((each) => after === undefined || comparePlaces(each, after) > 0)
        .sort(comparePlaces);
      return stretchOf(ended.slice(0, limit), limit, ({ enteredAtMs, id }) => ({ enteredAtMs, id }));
    },
    purgeFacts: async (id) => {
      const workflow = workflows.get(id);
      if (workflow === undefined) return undefined;
      const { version, state, stateEnteredAtMs } = workflow;
      const newestSequence = events.findLast(({ workflowId }) => workflowId === id)?.sequence ?? 0;
      const isAnswered = [...answers.values()].some((answer) => answeredId(answer) === id);
      return { id, version, state, stateEnteredAtMs, isAnswered, newestSequence };
    },
    purgeWorkflows: async ({ workflows: wanted, beforeSequence, eventCountMax, freeIds, atMs }) => {
      if (closed) return err(closedFailure);
      await undefined;
      const answered = new Set([...answers.values()].map(answeredId));
      const purged: WorkflowId[] = [];
      const before = events.length;
      for (const { id, version } of wanted) {
        const workflow = workflows.get(id);
        if (workflow?.version !== version || !isTerminal(workflow.state) || workflow.hold !== undefined || answered.has(id))
          continue;
        const own = events.filter(({ workflowId }) => workflowId === id);
        if ((own.at(-1)?.sequence ?? 0) >= beforeSequence) continue;
        const gone = new Set(own.slice(0, eventCountMax));
        events = events.filter((event) => !gone.has(event));
        for (const { sequence } of gone) purgedUpTo = Math.max(purgedUpTo, sequence);
        if (gone.size < own.length) continue;
        workflows.delete(id);
        creators.delete(id);
        if (!freeIds) purgedIds.set(id, atMs);
        purged.push(id);
      }
      return ok({ workflows: purged, events: before - events.length });
    },
    close: async () => {
      closed = true;
    },
  };
}

const closedFailure = { type: "storage-unavailable", cause: "the store is closed", outcomeUnknown: false } as const;

const holderOf = ({ hold }: Workflow): string => hold?.transactionId ?? "";

/** Of whose change the answer tells. */
const answeredId = (answer: StoredAnswer): WorkflowId | undefined => ("event" in answer ? answer.event.workflowId : undefined);

const comparePlaces = (a: EndedPlace, b: EndedPlace): number => a.enteredAtMs - b.enteredAtMs || compare(a.id, b.id);

function purgeOldest<K, Row extends { readonly atMs: TimeMs }>(
  rows: Map<K, Row>,
  olderThanMs: TimeMs,
  limit: number,
  mayGo: (row: Row) => boolean = () => true,
): number {
  const old = [...rows].filter(([, row]) => row.atMs < olderThanMs && mayGo(row)).sort(([, a], [, b]) => a.atMs - b.atMs);
  const purged = old.slice(0, limit);
  for (const [key] of purged) rows.delete(key);
  return purged.length;
}
