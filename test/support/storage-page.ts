import { spawnSync } from "node:child_process";
import { DatabaseSync } from "node:sqlite";

export type Page = { readonly path: string; readonly number: number; readonly bytes: number };

/** The root page of a table or an index. Only of a file that this process has not open: closing a file drops the locks on it. */
export function rootPage(path: string, name: string): Page {
  const db = new DatabaseSync(path, { readOnly: true });
  const number = Number(db.prepare("SELECT rootpage FROM sqlite_schema WHERE name = ?").get(name)?.["rootpage"]);
  const bytes = Number(db.prepare("PRAGMA page_size").get()?.["page_size"]);
  db.close();
  return { path, number, bytes };
}

/** Overwrites a page, as a failing disk does. By another process, so that this one may have the file open. */
export function damage({ path, number, bytes }: Page): void {
  const noise = spawnSync("dd", [
    "if=/dev/urandom",
    `of=${path}`,
    `bs=${bytes}`,
    "count=1",
    `seek=${number - 1}`,
    "conv=notrunc",
  ]);
  if (noise.status !== 0) throw new Error(String(noise.stderr));
}
