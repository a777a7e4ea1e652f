import type { WorkflowId } from "../kernel/ids.ts";
import { stretchRowsMax } from "../kernel/limits.ts";
import type { Breathe } from "../kernel/turns.ts";
import { snapshotEntriesMax, snapshotEventsMax } from "./limits.ts";
import { comparePlaces } from "./place.ts";
import type { ChangeSince, WorkflowPlace, WorkflowStore } from "./ports.ts";

/** The orders whose keys change. */
export type ChangingKey = "updated" | "version";

/** What has changed after an event, and where it was right after it. */
export type Snapshot = {
  /** True of what was changed or created after it. */
  has(id: WorkflowId): boolean;
  /** Where those were that were there then, ascending. */
  readonly places: readonly WorkflowPlace[];
};

/** "expired": too much has changed since, or what was then is not known any more. */
export type Snapshots = (
  wanted: { readonly sequence: number; readonly by: ChangingKey },
  breathe: Breathe,
) => Promise<Snapshot | "expired">;

type Kept = {
  readonly sequence: number;
  /** What happened up to here is in it. */
  upTo: number;
  readonly changed: Set<WorkflowId>;
  places: readonly WorkflowPlace[];
};

/** Of a snapshot in which nothing has changed, as a number of workflows. */
const emptyWeight = 10;

/**
 * Reads on to the newest event with each call. Who lists a page reads its rows first: what was changed after that read, or in its midst,
 * is in the snapshot then, and what is not has not changed.
 */
export function createSnapshots({
  store,
  bounds = { eventsMax: snapshotEventsMax, entriesMax: snapshotEntriesMax },
}: {
  readonly store: WorkflowStore;
  readonly bounds?: { readonly eventsMax: number; readonly entriesMax: number };
}): Snapshots {
  /** The one that was used last is the last. */
  const all = new Map<string, Kept>();

  function forget(): void {
    const weightOf = ({ changed }: Kept): number => emptyWeight + changed.size;
    let weight = [...all.values()].reduce((sum, kept) => sum + weightOf(kept), 0);
    for (const [name, kept] of all) {
      if (weight <= bounds.entriesMax) return;
      all.delete(name);
      weight -= weightOf(kept);
    }
  }

  /** False: expired. Others may read the same beside it: what is taken twice changes nothing. */
  async function readOn(kept: Kept, by: ChangingKey, breathe: Breathe): Promise<boolean> {
    const { newest } = await store.sequences();
    if (kept.sequence > newest) return false;
    while (kept.upTo < newest) {
      const pause = breathe();
      if (pause !== undefined) await pause;
      const { sequence: snapshot, upTo: afterSequence } = kept;
      const changes = await store.changesSince({ snapshot, afterSequence, limit: stretchRowsMax });
      if (!take(kept, changes, by)) return false;
      // The newest of then may have been purged since.
      if (changes.length < stretchRowsMax) kept.upTo = Math.max(kept.upTo, newest);
      if (kept.upTo - snapshot > bounds.eventsMax) return false;
    }
    return true;
  }

  return async ({ sequence, by }, breathe) => {
    const name = `${sequence}/${by}`;
    const kept: Kept = all.get(name) ?? { sequence, upTo: sequence, changed: new Set(), places: [] };
    all.delete(name);
    all.set(name, kept);
    const isKnown = await readOn(kept, by, breathe);
    if (!isKnown) all.delete(name);
    forget();
    return isKnown ? { has: (id) => kept.changed.has(id), places: kept.places } : "expired";
  };
}

/** False, if it is not known where one was. What is known to have changed is where its first change found it. */
function take(kept: Kept, changes: readonly ChangeSince[], by: ChangingKey): boolean {
  const found: WorkflowPlace[] = [];
  for (const { workflowId: id, before, sequence } of changes) {
    kept.upTo = Math.max(kept.upTo, sequence);
    if (kept.changed.has(id)) continue;
    if (before === "unknown") return false;
    kept.changed.add(id);
    if (typeof before === "object") found.push({ key: by === "version" ? before.version : before.updatedAtMs, id });
  }
  if (found.length > 0) kept.places = merged(kept.places, found.sort(comparePlaces));
  return true;
}

/** A walk over both, not a sort: the first may be long. */
function merged(long: readonly WorkflowPlace[], short: readonly WorkflowPlace[]): WorkflowPlace[] {
  const all: WorkflowPlace[] = [];
  let next = 0;
  for (const place of long) {
    for (let other = short[next]; other !== undefined && comparePlaces(other, place) < 0; other = short[next]) {
      all.push(other);
      next += 1;
    }
    all.push(place);
  }
  return [...all, ...short.slice(next)];
}
