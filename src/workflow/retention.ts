import type { Clock } from "../kernel/clock.ts";
import { answerRetentionMs } from "../kernel/limits.ts";
import type { DurationMs, TimeMs } from "../kernel/time.ts";
import type { RetentionPolicy } from "./core/policy.ts";
import { slicesOf } from "./core/purge.ts";
import { endedTypesMax, endedWorkflowsMax, retentionIntervalMs } from "./limits.ts";
import type { Archive, EndedPlace, WorkflowStore } from "./ports.ts";
import type { Purges, PurgeTerms } from "./purge.ts";

/** Between two writes, if the clock was set during the first. */
const pauseMsMax = 1_000;

type Surroundings = Pick<Clock, "nowMs" | "setTimer"> & {
  readonly logger: Record<"info" | "warn" | "error", (fields: object, message: string) => void>;
  readonly onPurged: (workflows: number, events: number) => void;
};

/** What a policy has purged of a type. */
type Tally = { workflows: number; events: number };

/**
 * Purges what has ended as long ago as the policy of its type says. Looks at an index of what has ended, type by type, the longest ended first, so
 * it never walks what stays. Between two writes it waits as long as one took: half of the disk's time is everybody else's.
 */
export function createRetention(
  dependencies: Surroundings & {
    readonly store: WorkflowStore;
    readonly purges: Purges;
    /** Undefined: kept for ever. */
    readonly retentionOf: (workflowType: string) => RetentionPolicy | undefined;
    /** Undefined: there is none, so what is to be archived is not purged. */
    readonly archive: Archive | undefined;
  },
) {
  const { store, purges, retentionOf, archive, nowMs, setTimer, logger, onPurged } = dependencies;
  const stopped = new AbortController();
  const { signal } = stopped;
  let cancel = (): void => {};
  let running: Promise<void> = Promise.resolve();

  const pause = (ms: DurationMs): Promise<void> =>
    new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const cancelTimer = setTimer(ms, resolve);
      cancel = () => {
        cancelTimer();
        resolve();
      };
    });

  /**
   * What came into its state before this. By the clock, and by how long the store was open since, a day at least: a clock that is set wrong
   * deletes nothing on that day.
   */
  function beforeMs({ afterMs }: RetentionPolicy): TimeMs {
    return Math.min(nowMs() - afterMs, store.keptBeforeMs(Math.min(afterMs, answerRetentionMs)));
  }

  /** True, if the store can still be written. */
  async function purgeType(type: string, policy: RetentionPolicy, tally: Tally): Promise<boolean> {
    const endedByMs = beforeMs(policy);
    const terms: PurgeTerms = { endedByMs, freeIds: policy.freeIds, withUndelivered: false };
    let after: EndedPlace | undefined;
    do {
      const page = { type, beforeMs: endedByMs + 1, limit: endedWorkflowsMax };
      const { rows, upTo }: Awaited<ReturnType<WorkflowStore["ended"]>> = await store.ended({ ...page, ...(after && { after }) });
      const { purgeable } = await purges.look(rows, terms, signal);
      // Whoever still needs these needs what came after them too. They are not walked each time.
      if (purgeable.length === 0) return true;
      for (const slice of slicesOf(purgeable)) {
        const beganMs = nowMs();
        // Durable before anything of it is gone. A crash in between archives it twice.
        if (policy.archive) await archive?.append(slice.map(({ id }) => id));
        const purged = await purges.purge(slice, terms, signal);
        if (!purged.ok) return false;
        tally.workflows += purged.value.purged.length;
        tally.events += purged.value.events;
        onPurged(purged.value.purged.length, purged.value.events);
        await pause(Math.min(pauseMsMax, Math.max(1, nowMs() - beganMs)));
        if (signal.aborted) return false;
      }
      after = upTo;
    } while (after !== undefined);
    return true;
  }

  async function purgeAll(): Promise<void> {
    let afterType: string | undefined;
    for (;;) {
      const types = await store.endedTypes({ after: afterType, limit: endedTypesMax });
      for (const type of types) {
        const policy = retentionOf(type);
        if (policy === undefined) continue;
        if (policy.archive && archive === undefined) {
          logger.warn({ type }, "nothing is purged of a type whose policy wants an archive: there is no --archive");
          continue;
        }
        const tally = { workflows: 0, events: 0 };
        const goesOn = await purgeType(type, policy, tally);
        if (tally.events > 0)
          logger.info({ type, ...tally, archived: policy.archive }, "workflows purged by the policy of their type");
        if (!goesOn) return;
      }
      afterType = types.at(-1);
      if (types.length < endedTypesMax) return;
      await pause(1);
    }
  }

  async function runForEver(): Promise<void> {
    // What came due while nobody was here need not wait a minute longer.
    for (let waitMs = 1_000; ; waitMs = retentionIntervalMs) {
      await pause(waitMs);
      if (signal.aborted) return;
      try {
        await purgeAll();
      } catch (error) {
        if (signal.aborted) return;
        logger.error({ err: error }, "workflows are not purged as the policies of their types say");
      }
    }
  }

  return {
    start: (): void => {
      running = runForEver();
    },
    /** Resolves when nothing is being purged any more. */
    async stop(): Promise<void> {
      stopped.abort(new Error("retention is stopped"));
      cancel();
      await running;
    },
  };
}
