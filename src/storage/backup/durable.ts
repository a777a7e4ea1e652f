import { renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { sync } from "../sqlite/sync.ts";

/** There whole, or not at all. */
export function writeWhole(path: string, text: string): void {
  const draft = `${path}.new`;
  try {
    writeFileSync(draft, text);
    sync(draft);
    renameSync(draft, path);
  } finally {
    rmSync(draft, { force: true });
  }
  sync(dirname(path));
}

/** Gone for good, if it was there. */
export function removeDurably(path: string): void {
  rmSync(path, { force: true });
  sync(dirname(path));
}
