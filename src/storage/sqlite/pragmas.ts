import type { DatabaseSync } from "node:sqlite";

/** One whose value is a number. */
export const pragma = (db: DatabaseSync, name: string): number => Number(db.prepare(`PRAGMA ${name}`).get()?.[name]);

/** The first damage that such a check finds in the whole file. */
export function damageIn(db: DatabaseSync, check: "quick_check" | "integrity_check"): string | undefined {
  const found = String(db.prepare(`PRAGMA ${check}(1)`).get()?.[check]);
  // A heading comes before what it found.
  return found === "ok" ? undefined : found.split("\n").at(-1);
}
