import { closeSync, fsyncSync, openSync } from "node:fs";

/** Of a file, its content; of a folder, its names. Without it they may be lost with the power. */
export function sync(path: string): void {
  const opened = openSync(path, "r");
  try {
    fsyncSync(opened);
  } finally {
    closeSync(opened);
  }
}
