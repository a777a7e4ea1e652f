import { storageBackoff } from "../limits.ts";
import type { Coordinator, ParticipantLog } from "../ports.ts";
import type { Context } from "./context.ts";
import { untilDone } from "./until-done.ts";

/** The largest epoch of each coordinator that has said Welcome, over all processes of this participant. */
export interface Epochs {
  load(): Promise<void>;
  /** 0: it never has. */
  largest(coordinatorId: string): number;
  /** Durable when it resolves, before anything of that session is acted on. False: the coordinator was replaced by a newer one. */
  admit(coordinator: Coordinator): Promise<boolean>;
}

export function createEpochs(context: Context, log: ParticipantLog): Epochs {
  const seen = new Map<string, number>();
  const largest = (coordinatorId: string): number => seen.get(coordinatorId) ?? 0;
  return {
    async load() {
      for (const { coordinatorId, coordinatorEpoch } of await log.coordinators()) seen.set(coordinatorId, coordinatorEpoch);
    },
    largest,
    async admit(coordinator) {
      const { coordinatorId, coordinatorEpoch } = coordinator;
      if (coordinatorEpoch > largest(coordinatorId)) {
        seen.set(coordinatorId, coordinatorEpoch);
        const failure = "the participant log cannot write";
        await untilDone(context, undefined, failure, storageBackoff, () => log.persistCoordinator(coordinator));
      }
      return coordinatorEpoch >= largest(coordinatorId);
    },
  };
}
