import { assert } from "../kernel/assert.ts";
import type { WorkflowId } from "../kernel/ids.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import type { TimeMs } from "../kernel/time.ts";
import type { Turns } from "../kernel/turns.ts";
import { type KeptBecause, keptBecause, purgeBounds, type Seen, slicesOf } from "./core/purge.ts";
import type { ManagerError } from "./errors.ts";
import type { WorkflowStore } from "./ports.ts";

/** Whoever must still be told of events: what it has not been told of is not purged. */
export type Undelivered = {
  /** The first sequence that somebody waits for. Undefined: nobody waits. */
  oldestNeeded(): Promise<number | undefined>;
  /** Who has still to be told of something up to this sequence, by name. */
  behind(sequence: number): readonly string[];
};

export type PurgeTerms = {
  readonly endedByMs: TimeMs;
  /** Also what somebody has still to be told of. */
  readonly withUndelivered: boolean;
  readonly freeIds: boolean;
};

export type Kept<Each extends Seen = Seen> = { readonly workflow: Each; readonly because: KeptBecause };

/** What would be purged now. */
export type Purgeable<Each extends Seen> = {
  readonly purgeable: readonly Each[];
  readonly kept: readonly Kept<Each>[];
  /** Who has not been told of all of it, and then never will be. */
  readonly behind: readonly string[];
};

export type PurgeAnswer = {
  readonly purged: readonly WorkflowId[];
  readonly events: number;
  readonly kept: readonly Kept[];
  readonly behind: readonly string[];
};

export type Purges = ReturnType<typeof createPurges>;

/** Purges workflows that have ended, with their events, in slices between which others write. */
export function createPurges({
  store,
  undelivered,
  turns,
  nowMs,
}: {
  readonly store: WorkflowStore;
  readonly undelivered: Undelivered;
  readonly turns: Turns;
  readonly nowMs: () => TimeMs;
}) {
  const beforeSequence = async ({ withUndelivered }: PurgeTerms): Promise<number> =>
    (withUndelivered ? undefined : await undelivered.oldestNeeded()) ?? Number.MAX_SAFE_INTEGER;

  async function look<Each extends Seen>(
    workflows: readonly Each[],
    terms: PurgeTerms,
    signal?: AbortSignal,
  ): Promise<Purgeable<Each>> {
    const bounds = { endedByMs: terms.endedByMs, beforeSequence: await beforeSequence(terms) };
    const breathe = turns(signal);
    const purgeable: Each[] = [];
    const kept: Kept<Each>[] = [];
    let newestSequence = 0;
    for (const workflow of workflows) {
      const pause = breathe();
      if (pause !== undefined) await pause;
      const facts = await store.purgeFacts(workflow.id);
      const because = keptBecause(workflow, facts, bounds);
      if (because !== undefined) kept.push({ workflow, because });
      else {
        purgeable.push(workflow);
        newestSequence = Math.max(newestSequence, facts?.newestSequence ?? 0);
      }
    }
    return { purgeable, kept, behind: undelivered.behind(newestSequence) };
  }

  /** Of a workflow with very many events some go in each write, until it goes itself. */
  async function purgeSlice(slice: readonly Seen[], terms: PurgeTerms, signal: AbortSignal | undefined) {
    const { eventCountMax } = purgeBounds;
    const wanted = { workflows: slice, eventCountMax, freeIds: terms.freeIds };
    let events = 0;
    for (;;) {
      // A sink may have been reset since the look, or since the write before.
      const written = await store.purgeWorkflows({ ...wanted, beforeSequence: await beforeSequence(terms), atMs: nowMs() });
      if (!written.ok) return written;
      events += written.value.events;
      const isPart = written.value.workflows.length === 0 && written.value.events > 0;
      if (!isPart || signal?.aborted) return ok({ workflows: written.value.workflows, events });
    }
  }

  return {
    look,

    /**
     * What the look allows and is still as it was when it is written. Ends between two slices when the signal aborts: then what is neither
     * among the purged nor among the kept is as it was.
     */
    async purge(workflows: readonly Seen[], terms: PurgeTerms, signal?: AbortSignal): Promise<Result<PurgeAnswer, ManagerError>> {
      const { purgeable, kept, behind } = await look(workflows, terms, signal);
      const purged: WorkflowId[] = [];
      const overtaken: Kept[] = [];
      let events = 0;
      for (const slice of slicesOf(purgeable)) {
        if (signal?.aborted) break;
        const written = await purgeSlice(slice, terms, signal);
        if (!written.ok) {
          assert(written.error.type === "storage-unavailable", "a purge expects nothing: it passes over what is not as it was");
          return err(written.error);
        }
        events += written.value.events;
        purged.push(...written.value.workflows);
        const gone = new Set(written.value.workflows);
        for (const workflow of slice) if (!gone.has(workflow.id)) overtaken.push({ workflow, because: "changed" });
      }
      return ok({ purged, events, kept: [...kept, ...overtaken], behind: events > 0 ? behind : [] });
    },
  };
}
