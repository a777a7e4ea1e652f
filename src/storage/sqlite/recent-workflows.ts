import { assert } from "../../kernel/assert.ts";
import type { WorkflowId } from "../../kernel/ids.ts";
import { provedOf } from "../../kernel/principal.ts";
import type { LastEvent, NewWorkflowEvent } from "../../workflow/core/types.ts";
import type { WorkflowBatch, WorkflowPut, WorkflowWithLastEvent } from "../../workflow/ports.ts";

/** What all of them take in memory, about: 15,000 small ones. */
const recentBytesMax = 24 * 1024 * 1024;

/** What one takes besides its metadata, its answer to who reads it included. */
const workflowBytes = 1_400;

/** Parsed, metadata takes some four bytes for each character of its text; encoded, one. */
const metadataBytesEach = 5;

type Recent = { readonly found: WorkflowWithLastEvent; readonly bytes: number };

/** Of one workflow. It stays while that is forgotten, and takes what comes next: else each move would take one out and put one in (see kernel/roster). */
type Place = { recent: Recent | undefined; bytes: number };

/**
 * Workflows as they were read or moved last, so that one that moves is not read for each of its moves. They are as a read would find them: what is
 * about to be written is forgotten before, and not kept again until all that is on its way has ended: for what is read meanwhile may be durable already,
 * or not yet. While nobody is to be trusted, nothing is kept or given: a write that failed may be durable all the same, and then shows later.
 */
export type RecentWorkflows = {
  get(id: WorkflowId): WorkflowWithLastEvent | undefined;
  /** As it was read just now; with so many characters of metadata. */
  keep(found: WorkflowWithLastEvent, metadataLength: number): void;
  /** Of a write that is about to be made. To be told how it has ended: moves that are durable are known. */
  write(batch: Pick<WorkflowBatch, "puts" | "events">): (isDurable: boolean) => void;
  /** Of any other write that may change them. To be told that it has ended. */
  forgetWhile(ids: readonly WorkflowId[]): () => void;
};

/** The writes of one workflow that are on their way. Of several, nobody knows here which one was the last. */
type UnderWay = { count: number; wereSeveral: boolean };

export function createRecentWorkflows(isTrusted: () => boolean): RecentWorkflows {
  /** Half of all that there is room for; when it is full, it becomes the older half, and what was that goes. */
  let newer = new Map<WorkflowId, Place>();
  let older = new Map<WorkflowId, Place>();
  let newerBytes = 0;
  const written = new Map<WorkflowId, UnderWay>();

  const known = (id: WorkflowId): Recent | undefined => newer.get(id)?.recent ?? older.get(id)?.recent;

  function forget(id: WorkflowId): void {
    for (const half of [newer, older]) {
      const place = half.get(id);
      if (place !== undefined) place.recent = undefined;
    }
  }

  function keep(one: Recent): void {
    const { id } = one.found.workflow;
    if (!isTrusted() || written.has(id)) return;
    forget(id);
    put(id, one);
    if (newerBytes <= recentBytesMax / 2) return;
    older = newer;
    newer = new Map();
    newerBytes = 0;
  }

  function put(id: WorkflowId, recent: Recent): void {
    const { bytes } = recent;
    const place = newer.get(id);
    newerBytes += bytes - (place?.bytes ?? 0);
    if (place === undefined) newer.set(id, { recent, bytes });
    else [place.recent, place.bytes] = [recent, bytes];
  }

  function begin(ids: readonly WorkflowId[]): void {
    for (const id of ids) {
      forget(id);
      const others = written.get(id);
      written.set(id, { count: (others?.count ?? 0) + 1, wereSeveral: others !== undefined });
    }
  }

  function end(ids: readonly WorkflowId[]): void {
    for (const id of ids) {
      const underWay = written.get(id);
      assert(underWay !== undefined, "what ends has begun");
      underWay.count -= 1;
      if (underWay.count === 0) written.delete(id);
    }
  }

  return {
    get: (id) => (isTrusted() ? known(id)?.found : undefined),
    keep: (found, metadataLength) => keep({ found, bytes: workflowBytes + metadataLength * metadataBytesEach }),
    write({ puts, events }) {
      const moved = puts.flatMap((put, index) => afterMove(known(put.workflow.id), put, events[index]) ?? []);
      const ids = puts.map(({ workflow }) => workflow.id);
      begin(ids);
      return (isDurable) => {
        const alone = moved.filter(({ found }) => written.get(found.workflow.id)?.wereSeveral === false);
        end(ids);
        if (isDurable) for (const one of alone) keep(one);
      };
    },
    forgetWhile(ids) {
      begin(ids);
      return () => end(ids);
    },
  };
}

/** Of what is simple enough to be sure that it is read as it was written; nothing of all else. */
function afterMove(
  before: Recent | undefined,
  { workflow, keeps }: WorkflowPut,
  event: NewWorkflowEvent | undefined,
): Recent | undefined {
  const isLast = event?.workflowId === workflow.id && event.version === workflow.version;
  const isSimple = keeps === "metadata" && workflow.hold === undefined && workflow.deadline === undefined;
  if (before === undefined || !isSimple || !isLast || Object.keys(event.metadata).length > 0) return undefined;
  const { type, fromState, toState, occurredAtMs, requestedBy, reason, metadata } = event;
  const lastEvent: LastEvent = { type, fromState, toState, occurredAtMs, requestedBy, ...provedOf(event), reason, metadata };
  // Moves of a batch have no metadata with them.
  return { found: { workflow: { ...workflow, metadata: before.found.workflow.metadata }, lastEvent }, bytes: before.bytes };
}
