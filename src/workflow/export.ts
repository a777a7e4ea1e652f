import { stretchRowsMax } from "../kernel/limits.ts";
import type { Breathe } from "../kernel/turns.ts";
import type { Workflow, WorkflowEvent } from "./core/types.ts";
import type { WorkflowStore } from "./ports.ts";

/** Some events of a workflow, in order. */
export type HistoryPart = { readonly events: readonly WorkflowEvent[]; readonly isLast: boolean };

/**
 * The events that a workflow adds up to as it was read: a later one is left out, so that both are of one moment. There is always a last part,
 * which may be empty. Of one that is purged meanwhile, events are missing.
 */
export async function* historyOf(store: WorkflowStore, { id, version }: Workflow, breathe: Breathe): AsyncGenerator<HistoryPart> {
  const ranges = { workflowId: { oneOf: [id] } };
  for (let afterSequence = 0; ; ) {
    const pause = breathe();
    if (pause !== undefined) await pause;
    const { rows, upTo } = await store.listEvents({ afterSequence, limit: stretchRowsMax, ranges });
    const events = rows.filter((event) => event.version <= version);
    const isLast = upTo === undefined || events.at(-1)?.version === version;
    yield { events, isLast };
    if (isLast) return;
    afterSequence = upTo;
  }
}
