import type { Transaction } from "../../src/commit/core/types.ts";
import { toTransaction } from "../../src/storage/sqlite/decision-log.ts";
import type { SqliteDisk } from "./sqlite-disk.ts";
import { watchRows } from "./sqlite-rows.ts";

/** What became durable in the decision log, when it did, whether or not anybody was told; and by which process. */
export type LogEvent = { readonly by: string } & (
  | { readonly action: "claimed"; readonly epoch: number; readonly claim: string }
  | { readonly action: "numbered"; readonly participant: string; readonly session: number }
  | { readonly action: "recorded"; readonly transaction: Transaction }
  | { readonly action: "dropped"; readonly transaction: string }
);

export function recordLog(disk: SqliteDisk, record: (event: LogEvent) => void): void {
  const ignore = (): void => {};
  /** The newest session of each participant. */
  const numbers = new Map<string, number>();
  watchRows(
    disk,
    { table: "claims", key: "epoch" },
    {
      row: ({ epoch, id }, { name: by }) => record({ action: "claimed", by, epoch: Number(epoch), claim: String(id) }),
      gone: ignore,
    },
  );
  watchRows(
    disk,
    { table: "sessions", key: "participant_id" },
    {
      // One commit may have several writes.
      row({ participant_id: id, session_epoch: number }, { name: by }) {
        const participant = String(id);
        const newest = Number(number);
        const before = numbers.get(participant) ?? newest - 1;
        for (let session = Math.min(before + 1, newest); session <= newest; session += 1)
          record({ action: "numbered", by, participant, session });
        numbers.set(participant, newest);
      },
      gone: ignore,
    },
  );
  watchRows(
    disk,
    { table: "transactions", key: "id" },
    {
      row: (row, { name: by }) => record({ action: "recorded", by, transaction: toTransaction(row) }),
      gone: ({ id }, { name: by }) => record({ action: "dropped", by, transaction: String(id) }),
    },
  );
}
