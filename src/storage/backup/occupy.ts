import { rmSync } from "node:fs";
import { join } from "node:path";
import { err, ok, type Result } from "../../kernel/result.ts";
import { acquireLock, lockPath } from "../sqlite/lock.ts";
import { makeFolder } from "../sqlite/store-file.ts";
import { type BackupFailure, unwritable } from "./failure.ts";

/** Makes the folder, and keeps others of the same kind out of it until `leave`, which leaves nothing of that behind. */
export function occupy(folder: string, kind: "backup" | "restore"): Result<{ readonly leave: () => void }, BackupFailure> {
  const lockName = join(folder, `concord-${kind}`);
  try {
    makeFolder(folder);
  } catch (error) {
    return err(unwritable(folder, error));
  }
  const lock = acquireLock(lockName);
  if (!lock.ok) {
    const isLocked = lock.error.type === "locked";
    return err(isLocked ? { type: "locked", message: `another ${kind} into ${folder} is under way` } : lock.error);
  }
  return ok({
    leave: () => {
      // While it is still held: another process that has it by then would be left with a lock that nobody sees.
      rmSync(lockPath(lockName), { force: true });
      lock.value.release();
    },
  });
}
