import { assert } from "../kernel/assert.ts";
import type { TransactionId } from "../kernel/ids.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import type { WriteResult } from "../kernel/write.ts";
import type { Transaction } from "./core/types.ts";
import { type CoordinatorEnd, type EndSignal, repeatedly } from "./ends.ts";
import type { Environment } from "./environment.ts";
import { ownershipCheckIntervalMs } from "./limits.ts";
import type { Claimed, Coordinator, Fenced } from "./ports.ts";

/** Whether the decision log is this coordinator's, and how long it does anything with it. */
export interface Ownership {
  /** Once claimed. */
  readonly coordinator: Coordinator;
  /** Aborts when this coordinator begins nothing more: when it is about to leave, and at the latest when it has ended. */
  readonly leaving: EndSignal<CoordinatorEnd>;
  /** Aborts when it does nothing more. */
  readonly ended: EndSignal<CoordinatorEnd>;
  claim(): WriteResult<Claimed, Fenced>;
  /** From now on asks the log, as long as there is nothing to write. */
  keepChecking(): void;
  /** Another coordinator owns the log. specs/TwoPhaseCommit.tla: what is replaced decides nothing more. */
  fence(conflict: Fenced): void;
  /** Asks the log, without a write. */
  replacedBy(): Promise<Fenced | undefined>;
  /** In the log. What is missing there, the coordinator that has replaced this one may have begun since. */
  lookUp(id: TransactionId): Promise<Result<Transaction, { readonly type: "not-found" } | Fenced>>;
  leave(): void;
  end(): void;
}

export function createOwnership({ log, clock, logger, trace, newCoordinatorId }: Environment): Ownership {
  const leaving = new AbortController();
  const ended = new AbortController();
  let owner: Coordinator | undefined;

  function coordinator(): Coordinator {
    assert(owner !== undefined, "the driver is started");
    return owner;
  }

  function endFor(why: CoordinatorEnd): void {
    leaving.abort(why);
    ended.abort(why);
  }

  function fence(conflict: Fenced): void {
    if (ended.signal.aborted) return;
    logger.error({ ...coordinator(), newEpoch: conflict.coordinatorEpoch }, "replaced by another coordinator; this one stops");
    trace?.({ action: "Stop", epoch: coordinator().coordinatorEpoch });
    endFor(conflict);
  }

  async function replacedBy(): Promise<Fenced | undefined> {
    const coordinatorEpoch = await log.newestEpoch();
    if (coordinatorEpoch === coordinator().coordinatorEpoch) return undefined;
    const conflict: Fenced = { type: "fenced", coordinatorEpoch };
    fence(conflict);
    return conflict;
  }

  async function check(): Promise<void> {
    try {
      await replacedBy();
    } catch (error) {
      logger.error({ err: error }, "the decision log cannot be read");
    }
  }

  return {
    get coordinator() {
      return coordinator();
    },
    leaving: leaving.signal,
    ended: ended.signal,
    async claim() {
      const claimed = await log.claim(newCoordinatorId());
      if (claimed.ok) {
        const { coordinatorId, coordinatorEpoch } = claimed.value;
        owner = { coordinatorId, coordinatorEpoch };
      }
      return claimed;
    },
    keepChecking: () => void repeatedly({ clock, signal: ended.signal }, () => ownershipCheckIntervalMs, check),
    fence,
    replacedBy,
    async lookUp(id) {
      const stored = await log.get(id);
      if (stored) return ok(stored);
      return err((await replacedBy()) ?? { type: "not-found" });
    },
    leave: () => leaving.abort({ type: "shutting-down" } satisfies CoordinatorEnd),
    end: () => endFor({ type: "shutting-down" }),
  };
}
