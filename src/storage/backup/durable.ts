import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** Of a file, its content; of a folder, its names. Without it they may be lost with the power. */
export function sync(path: string): void {
  const opened = openSync(path, "r");
  try {
    fsyncSync(opened);
  } finally {
    closeSync(opened);
  }
}

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
