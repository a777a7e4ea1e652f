import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { removeDurably, writeWhole } from "./durable.ts";

/** Lies in a folder while files are put there. After a kill it says what of them was being made by whom, and so may be undone. */
export type Unfinished = { readonly names: readonly string[] };

export const unfinishedBackup = "concord-backup.unfinished.json";
export const unfinishedRestore = "concord-restore.unfinished.json";

type MarkerName = typeof unfinishedBackup | typeof unfinishedRestore;

export const begin = (folder: string, marker: MarkerName, names: readonly string[]): void =>
  writeWhole(join(folder, marker), JSON.stringify({ names } satisfies Unfinished));

export const finish = (folder: string, marker: MarkerName): void => removeDurably(join(folder, marker));

/** It is written whole, so what cannot be read is not ours: then it names nothing. */
export function readUnfinished(folder: string, marker: MarkerName): Unfinished | undefined {
  const path = join(folder, marker);
  if (!existsSync(path)) return undefined;
  try {
    const { names } = JSON.parse(readFileSync(path, "utf8")) as Unfinished;
    return { names: names.map(String) };
  } catch {
    return { names: [] };
  }
}
