import { randomUUID } from "node:crypto";
import type { ParticipantRecord } from "../../commit/core/participant-step.ts";
import type { ParticipantLog } from "../../commit/ports.ts";
import type { TransactionId } from "../../kernel/ids.ts";

/** It may have to be asked of the resource. */
const isOpen = ({ state }: ParticipantRecord): boolean => state === "prepared" || state === "lost";

/** For tests. Outlives the participants that are put on it, as a file would. */
export function createMemoryParticipantLog(): ParticipantLog {
  const records = new Map<TransactionId, ParticipantRecord>();
  const epochs = new Map<string, number>();
  return {
    id: randomUUID(),
    load: async () => [...records.values()].filter(({ state }) => state === "prepared"),
    get: async (id) => records.get(id),
    coordinators: async () => [...epochs].map(([coordinatorId, coordinatorEpoch]) => ({ coordinatorId, coordinatorEpoch })),
    persistCoordinator: async ({ coordinatorId, coordinatorEpoch }) => {
      epochs.set(coordinatorId, Math.max(coordinatorEpoch, epochs.get(coordinatorId) ?? 0));
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
