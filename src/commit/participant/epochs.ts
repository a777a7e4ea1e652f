import { err, ok, type Result } from "../../kernel/result.ts";
import { type Claim, goesOnFrom } from "../core/claim.ts";
import { storageBackoff } from "../limits.ts";
import type { ParticipantLog } from "../ports.ts";
import type { Context } from "./context.ts";
import { untilDone } from "./until-done.ts";

/** The newest claim of each coordinator's log that was seen, over all processes of this participant. */
export interface Epochs {
  load(): Promise<void>;
  /** 0: it has never said Welcome. */
  largest(coordinatorId: string): number;
  /**
   * Whether a Welcome with these claims, newest first, is believed. The newest is durable when it resolves, before anything of that session is
   * acted on. Otherwise: the claim that was seen, and that the log behind this Welcome does not go on from.
   */
  admit(coordinatorId: string, claims: readonly Claim[]): Promise<Result<void, Claim>>;
}

export function createEpochs(context: Context, log: ParticipantLog): Epochs {
  const newest = new Map<string, Claim & { readonly durable: Promise<unknown> }>();

  function persist(coordinatorId: string, claim: Claim): Promise<unknown> {
    const known = { coordinatorId, coordinatorEpoch: claim.epoch, claimId: claim.id };
    const failure = "the participant log cannot write";
    return untilDone(context, undefined, failure, storageBackoff, () => log.persistCoordinator(known));
  }

  function judge(coordinatorId: string, claims: readonly Claim[]): Result<void, Claim> {
    const seen = newest.get(coordinatorId);
    return seen === undefined || goesOnFrom(seen, claims) ? ok(undefined) : err({ epoch: seen.epoch, id: seen.id });
  }

  return {
    async load() {
      for (const { coordinatorId, coordinatorEpoch, claimId } of await log.coordinators()) {
        newest.set(coordinatorId, { epoch: coordinatorEpoch, id: claimId, durable: Promise.resolve() });
      }
    },
    largest: (coordinatorId) => newest.get(coordinatorId)?.epoch ?? 0,
    async admit(coordinatorId, claims) {
      const judged = judge(coordinatorId, claims);
      if (!judged.ok) return judged;
      const [claim] = claims;
      if (claim !== undefined && claim.epoch !== newest.get(coordinatorId)?.epoch) {
        newest.set(coordinatorId, { ...claim, durable: persist(coordinatorId, claim) });
      }
      await newest.get(coordinatorId)?.durable;
      // Another link may have seen a newer one meanwhile.
      return judge(coordinatorId, claims);
    },
  };
}
