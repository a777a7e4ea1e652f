import { DatabaseSync } from "node:sqlite";

/** Past all of Concord's code: what a participant's own log says. prepared, committed or aborted, by transaction. */
export function readParticipantRecords(path: string): ReadonlyMap<string, string> {
  const file = new DatabaseSync(path, { readOnly: true, timeout: 1_000 });
  try {
    const rows = file.prepare("SELECT id, state FROM transactions").all();
    return new Map(rows.map(({ id, state }) => [String(id), String(state)]));
  } finally {
    file.close();
  }
}
