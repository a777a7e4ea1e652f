import { randomUUID } from "node:crypto";
import type { ParticipantRecord } from "../../commit/core/participant-step.ts";
import type { KnownCoordinator, ParticipantLog } from "../../commit/ports.ts";
import type { TransactionId } from "../../kernel/ids.ts";

/** It may have to be asked of the resource. */
const isOpen = ({ state }: ParticipantRecord): boolean => state === "prepared" || state === "lost";

/** For tests. Outlives the participants that are put on it, as a file would. */
export function createMemoryParticipantLog(id: string = randomUUID()): ParticipantLog {
  const records = new Map<TransactionId, ParticipantRecord>();
  const known = new Map<string, KnownCoordinator>();
  return {
    id,
    load: async () => [...records.values()].filter(({ state }) => state === "prepared"),
    get: async (transactionId) => records.get(transactionId),
    coordinators: async () => [...known.values()],
    persistCoordinator: async (coordinator) => {
      const { coordinatorId, coordinatorEpoch } = coordinator;
      if (coordinatorEpoch > (known.get(coordinatorId)?.coordinatorEpoch ?? 0)) known.set(coordinatorId, coordinator);
    },
    persist: async (record) => {
      records.set(record.transactionId, isOpen(record) ? record : { ...record, payload: new Uint8Array() });
    },
    purge: async ({ coordinatorId, updatedBeforeMs, limit }) => {
      const old = [...records.values()].filter(
        (each) => !isOpen(each) && each.coordinatorId === coordinatorId && each.updatedAtMs < updatedBeforeMs,
      );
      for (const { transactionId } of old.slice(0, limit)) records.delete(transactionId);
      return Math.min(old.length, limit);
    },
  };
}
