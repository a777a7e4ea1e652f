import type { Json } from "../kernel/json.ts";
import type { WorkflowState } from "../kernel/lifecycle.ts";
import { stretchRowsMax } from "../kernel/limits.ts";
import type { Breathe } from "../kernel/turns.ts";
import type { Workflow } from "./core/types.ts";
import { groupCountMax, groupKeptMax, groupTextMax } from "./limits.ts";
import type { SortedStretch, TypeCount, WorkflowPlace, WorkflowRanges, WorkflowStore } from "./ports.ts";

/** By what workflows are counted apart. */
export type Grouping =
  | { readonly type: "state" }
  | { readonly type: "type" }
  | { readonly type: "metadata"; readonly key: string };

/** Undefined: it has none that groups. */
export type GroupValue = string | number | boolean | undefined;

/** `values`: one for each grouping. */
export type Group = { readonly values: readonly GroupValue[]; readonly count: number };

export type Counted = {
  readonly total: number;
  /** The largest first. */
  readonly groups: readonly Group[];
  readonly notGrouped: number;
};

/** What is wanted of each, in the order of types and states: only their `type` and `state` are asked about. */
export async function countByCounters(
  store: WorkflowStore,
  wanted: {
    readonly groupings: readonly Grouping[];
    readonly matches: ((of: Pick<Workflow, "type" | "state">) => boolean) | undefined;
  },
  breathe: Breathe,
): Promise<Counted> {
  const groups = createGroups(wanted.groupings);
  for (let after: TypeCount | undefined; ; ) {
    const pause = breathe();
    if (pause !== undefined) await pause;
    const rows = await store.typeCounts({ after, limit: stretchRowsMax });
    for (const each of rows) {
      if (each.count > 0 && (wanted.matches?.(each) ?? true)) groups.add({ ...each, metadata: {} }, each.count);
    }
    after = rows.at(-1);
    if (rows.length < stretchRowsMax) return groups.counted();
  }
}

/** Looks at each workflow in the order of ids, for as long as it takes: `breathe` ends it. */
export async function countByLooking(
  store: WorkflowStore,
  wanted: {
    readonly groupings: readonly Grouping[];
    readonly ranges: WorkflowRanges;
    readonly matches: ((workflow: Workflow) => boolean) | undefined;
    readonly onLed: (led: SortedStretch["led"]) => void;
  },
  breathe: Breathe,
): Promise<Counted> {
  const groups = createGroups(wanted.groupings);
  const order = { by: "id", descending: false } as const;
  for (let after: WorkflowPlace | undefined; ; ) {
    const pause = breathe();
    if (pause !== undefined) await pause;
    const { rows, upTo, led } = await store.listSorted({ order, after, limit: stretchRowsMax, ranges: wanted.ranges });
    wanted.onLed(led);
    for (const workflow of rows) {
      const pause = breathe();
      if (pause !== undefined) await pause;
      if (wanted.matches?.(workflow) ?? true) groups.add(workflow, 1);
    }
    if (upTo === undefined) return groups.counted();
    after = upTo;
  }
}

type Grouped = { readonly state: WorkflowState; readonly type: string; readonly metadata: Workflow["metadata"] };

function createGroups(groupings: readonly Grouping[]) {
  const kept = new Map<string, { readonly values: readonly GroupValue[]; count: number }>();
  let total = 0;
  return {
    add(of: Grouped, count: number): void {
      total += count;
      if (groupings.length === 0) return;
      const values = groupings.map((grouping) => groupValueOf(grouping, of));
      const key = JSON.stringify(values.map((value) => value ?? null));
      const group = kept.get(key);
      if (group !== undefined) group.count += count;
      else if (kept.size < groupKeptMax) kept.set(key, { values, count });
    },
    counted(): Counted {
      const inOrder = [...kept].sort(([aKey, a], [bKey, b]) => b.count - a.count || (aKey < bKey ? -1 : 1));
      const groups = inOrder.slice(0, groupCountMax).map(([, group]) => group);
      const grouped = groups.reduce((sum, { count }) => sum + count, 0);
      return { total, groups, notGrouped: groupings.length === 0 ? 0 : total - grouped };
    },
  };
}

function groupValueOf(grouping: Grouping, { state, type, metadata }: Grouped): GroupValue {
  if (grouping.type !== "metadata") return grouping.type === "state" ? state : type;
  const value: Json | undefined = Object.hasOwn(metadata, grouping.key) ? metadata[grouping.key] : undefined;
  if (typeof value === "string") return [...value.slice(0, 2 * groupTextMax)].slice(0, groupTextMax).join("");
  return typeof value === "number" || typeof value === "boolean" ? value : undefined;
}
