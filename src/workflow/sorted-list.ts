import { stretchRowsMax } from "../kernel/limits.ts";
import type { Stretch } from "../kernel/stretch.ts";
import type { Breathe } from "../kernel/turns.ts";
import type { Workflow } from "./core/types.ts";
import { inOrder, placeOf } from "./place.ts";
import type { SortedStretch, WorkflowOrder, WorkflowPlace, WorkflowRanges, WorkflowStore } from "./ports.ts";
import type { Snapshot, Snapshots } from "./snapshots.ts";

/** A workflow as it is, and where it is in the list: by its keys of when the list began. */
export type Listed = { readonly workflow: Workflow; readonly place: WorkflowPlace };

export type ListedStretch = Stretch<Listed, WorkflowPlace> & Pick<SortedStretch, "led">;

/**
 * Reads a list in an order, stretch by stretch. Of ids and times of creation nothing changes. Where keys change, the list is in the order that
 * they had right after event `snapshot`: what has not changed since is where it was, and what has is put where it was. What came into being
 * later is left out. So each workflow that was there then, and is still, comes once.
 */
export function createReadSorted({ store, snapshots }: { readonly store: WorkflowStore; readonly snapshots: Snapshots }) {
  return async (
    page: {
      readonly order: WorkflowOrder;
      readonly snapshot: number;
      readonly after: WorkflowPlace | undefined;
      readonly ranges: WorkflowRanges;
      readonly limit: number;
    },
    breathe: Breathe,
  ): Promise<ListedStretch | "expired"> => {
    const { order, snapshot: sequence, after } = page;
    const { by } = order;
    const limit = Math.min(page.limit, stretchRowsMax);
    const read = await store.listSorted({ order, after, limit, ranges: page.ranges });
    const unchanged = read.rows.map((workflow): Listed => ({ workflow, place: placeOf(order, workflow) }));
    if (by === "id" || by === "created") return { ...read, rows: unchanged };
    const snapshot = await snapshots({ sequence, by }, breathe);
    if (snapshot === "expired") return "expired";
    const { places, upTo } = movedPlaces(snapshot, { order, after, upTo: read.upTo, limit });
    const rows = unchanged.filter(({ workflow, place }) => !snapshot.has(workflow.id) && isUpTo(order, place, upTo));
    for (const place of places) {
      const pause = breathe();
      if (pause !== undefined) await pause;
      // It may have been purged.
      const workflow = await store.get(place.id);
      if (workflow !== undefined) rows.push({ workflow, place });
    }
    const compare = inOrder(order);
    rows.sort((a, b) => compare(a.place, b.place));
    return { rows, upTo, looked: read.looked + places.length, led: read.led };
  };
}

type Span = {
  readonly order: WorkflowOrder;
  readonly after: WorkflowPlace | undefined;
  readonly upTo: WorkflowPlace | undefined;
};

/** Of what has changed, what was in this part of the list, at most `limit` of it; and how far that goes. */
function movedPlaces(
  { places }: Snapshot,
  { order, after, upTo, limit }: Span & { readonly limit: number },
): { readonly places: readonly WorkflowPlace[]; readonly upTo: WorkflowPlace | undefined } {
  const found: WorkflowPlace[] = [];
  const compare = inOrder(order);
  const step = order.descending ? -1 : 1;
  for (let index = firstAfter(places, order, after); ; index += step) {
    const place = places[index];
    if (place === undefined || (upTo !== undefined && compare(place, upTo) > 0)) return { places: found, upTo };
    found.push(place);
    if (found.length === limit) return { places: found, upTo: place };
  }
}

/** Where to begin in ascending places, in the direction of the order. */
function firstAfter(ascending: readonly WorkflowPlace[], order: WorkflowOrder, after: WorkflowPlace | undefined): number {
  if (after === undefined) return order.descending ? ascending.length - 1 : 0;
  const compare = inOrder(order);
  let [low, high] = [0, ascending.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const place = ascending[middle];
    const isBehind = place !== undefined && compare(place, after) > 0;
    if (isBehind === order.descending) low = middle + 1;
    else high = middle;
  }
  return order.descending ? low - 1 : low;
}

const isUpTo = (order: WorkflowOrder, place: WorkflowPlace, upTo: WorkflowPlace | undefined): boolean =>
  upTo === undefined || inOrder(order)(place, upTo) <= 0;
