import type { WorkflowId } from "../../kernel/ids.ts";
import { isTerminal, type WorkflowState } from "../../kernel/lifecycle.ts";
import type { TimeMs } from "../../kernel/time.ts";

/** A workflow whose purge is wanted, as it was seen. A version is also how many events it has had. */
export type Seen = { readonly id: WorkflowId; readonly version: number };

/** What decides whether a workflow may be purged, at one moment. */
export type PurgeFacts = Seen & {
  readonly state: WorkflowState;
  readonly stateEnteredAtMs: TimeMs;
  /** A retry of one of its changes is still answered. */
  readonly isAnswered: boolean;
  /** Of its events. 0: none is kept. */
  readonly newestSequence: number;
};

export type PurgeBounds = {
  /** It must have ended by then. */
  readonly endedByMs: TimeMs;
  /** All of its events come before this one, which somebody has still to be told of. */
  readonly beforeSequence: number;
};

/** Why a workflow stays. The order is the order of the checks. */
export type KeptBecause = "not-found" | "not-terminal" | "changed" | "too-young" | "answered" | "undelivered";

/** Why a workflow may not be purged; nothing, if it may. specs/WorkflowManager.tla: Purge. */
export function keptBecause(
  { version }: Seen,
  facts: PurgeFacts | undefined,
  { endedByMs, beforeSequence }: PurgeBounds,
): KeptBecause | undefined {
  if (facts === undefined) return "not-found";
  if (!isTerminal(facts.state)) return "not-terminal";
  if (facts.version !== version) return "changed";
  if (facts.stateEnteredAtMs > endedByMs) return "too-young";
  if (facts.isAnswered) return "answered";
  return facts.newestSequence < beforeSequence ? undefined : "undelivered";
}

/** Workflows and events that one write purges: some 5 ms of the writer, which others wait for. */
export const purgeBounds = { workflowCountMax: 100, eventCountMax: 500 };

/** In as few writes as the bounds allow. One with more events than a write may purge is alone in its slice. */
export function slicesOf<Each extends Seen>(workflows: readonly Each[]): readonly (readonly Each[])[] {
  const { workflowCountMax, eventCountMax } = purgeBounds;
  const slices: Each[][] = [];
  let slice: Each[] = [];
  let events = 0;
  for (const workflow of workflows) {
    const isFull = slice.length === workflowCountMax || events + workflow.version > eventCountMax;
    if (slice.length === 0 || isFull) {
      slice = [];
      slices.push(slice);
      events = 0;
    }
    slice.push(workflow);
    events += workflow.version;
  }
  return slices;
}
