import type { Stats } from "node:fs";
import { stat } from "node:fs/promises";
import type { DurationMs } from "../kernel/time.ts";

const lookMs: DurationMs = 1_000;

/**
 * Calls `changed` when one of these files is another than before: written, replaced, gone, or back; and once soon after the beginning, for they may have
 * changed since they were read. They are looked at, not listened to: Kubernetes replaces a folder of links beneath them, and networks tell
 * nothing. Returns how it ends.
 */
export function watchFiles(paths: readonly string[], changed: () => void): () => void {
  let seen: string | undefined;
  let timer: NodeJS.Timeout;
  let over = false;

  async function look(): Promise<void> {
    const now = (await Promise.all(paths.map(fingerprint))).join();
    if (over) return;
    if (now !== seen) changed();
    seen = now;
    timer = setTimeout(look, lookMs).unref();
  }

  void look();
  return () => {
    over = true;
    clearTimeout(timer);
  };
}

/** Another one, if what the file holds is another than before. */
export const fingerprintOf = ({ ino, size, mtimeMs }: Stats): string => `${ino} ${size} ${mtimeMs}`;

async function fingerprint(path: string): Promise<string> {
  try {
    return fingerprintOf(await stat(path));
  } catch {
    return "";
  }
}
