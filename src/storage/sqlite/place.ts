import { err, ok, type Result } from "../../kernel/result.ts";
import { type Connections, openConnections } from "./connections.ts";
import { displacedPath, type FileIdentity, identify } from "./file-identity.ts";
import { acquireLock, awaitLock, lockPath, type StoreMark } from "./lock.ts";
import type { OpenFailure, OpenOptions } from "./statement.ts";
import { storeBytes } from "./store-bytes.ts";
import { checkAccess, checkStoreFile, freeBytes, resolveStorePath } from "./store-file.ts";
import { startWriter, type Writer } from "./writer-thread.ts";

/** Where a store lies, and who may use it. All that an engine knows of files goes through here. */
export interface Place {
  /** For messages. */
  readonly path: string;
  /** Also once more, when there was no space for a writer, with the reader closed. */
  connect(): Promise<Result<Connections, OpenFailure>>;
  /** One that follows another one that has died, on the same files. */
  replace(died: Writer): Promise<Result<Writer, OpenFailure>>;
  /** What was removed or replaced while it was in use. */
  displaced(writer: Writer | undefined): string | undefined;
  freeBytes(): number;
  walBytes(): number;
  remember(mark: StoreMark): void;
  release(): void;
}

/** Locks the files of a store, or waits for the lock, and finds them fit. */
export function openPlace({ path: given, takeOver, ...rest }: Omit<OpenOptions, "set">): Result<Place, OpenFailure> {
  const resolved = resolveStorePath(given);
  if (!resolved.ok) return resolved;
  const path = resolved.value;
  const barred = checkAccess(path);
  if (barred) return err(barred);
  const locked = takeOver ? ok(awaitLock(path)) : acquireLock(path);
  if (!locked.ok) return locked;
  const lock = locked.value;
  const unfit = checkStoreFile(path, lock.found);
  if (unfit) {
    lock.release();
    return err(unfit);
  }
  const options = { path, pageCountMax: undefined, ...rest };
  let names: readonly FileIdentity[] | undefined;
  return ok({
    path,
    connect: async () => {
      // Opening that fails may move the log into the file.
      if (lock.found === "in-use") lock.remember("made");
      const opened = await openConnections(options);
      if (!opened.ok) return opened;
      lock.remember(opened.value.writer ? "in-use" : "made");
      // Also the name that was given: it may be a link, and lead elsewhere by now.
      names ??= [identify(given), identify(lockPath(path))];
      return opened;
    },
    replace: ({ files }) => startWriter({ ...options, files }),
    displaced: (writer) => displacedPath([...(names ?? []), ...(writer?.files ?? [])]),
    freeBytes: () => freeBytes(path),
    walBytes: () => storeBytes(path).wal,
    remember: lock.remember,
    release: lock.release,
  });
}
