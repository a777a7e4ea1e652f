import { spawnSync } from "node:child_process";
import { mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A small file system of its own, so that a disk can really be full. Only root may mount one: else `undefined`. */
export function mountTmpfs(sizeKiB: number): { readonly dir: string; unmount(): void } | undefined {
  const dir = mkdtempSync(join(tmpdir(), "concord-tmpfs-"));
  const mounted =
    process.platform === "linux" && spawnSync("mount", ["-t", "tmpfs", "-o", `size=${sizeKiB}k`, "tmpfs", dir]).status === 0;
  if (!mounted) {
    rmdirSync(dir);
    return undefined;
  }
  return {
    dir,
    unmount: () => {
      spawnSync("umount", ["-l", dir]);
      rmdirSync(dir);
    },
  };
}
