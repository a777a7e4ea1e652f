import {
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  realpathSync,
  renameSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Clock } from "../../kernel/clock.ts";
import { err, ok, type Result } from "../../kernel/result.ts";
import { databaseSuffixes, removeDatabase } from "../sqlite/database-files.ts";
import { acquireLock } from "../sqlite/lock.ts";
import { damageIn, pragma } from "../sqlite/pragmas.ts";
import { kindOf, storeKinds } from "../sqlite/store-kind.ts";
import { sync } from "../sqlite/sync.ts";
import { adjust } from "./adjust.ts";
import { type BackupFailure, unwritable } from "./failure.ts";
import { type Manifest, readManifest, type StoredCopy, sha256Of } from "./manifest.ts";
import { occupy } from "./occupy.ts";
import { begin, finish, readUnfinished, unfinishedRestore } from "./unfinished.ts";

export type Restored = {
  readonly manifest: Manifest;
  readonly stores: readonly StoredCopy[];
  /** Where that lies which was in the way. */
  readonly aside: string | undefined;
};

/** The stores of a backup, or some of them, each as it was made; else what is wrong. */
export async function verifyBackup(
  from: string,
  only: readonly string[] | undefined,
): Promise<Result<Omit<Restored, "aside">, BackupFailure>> {
  const read = readManifest(from);
  if (!read.ok) return read;
  const manifest = read.value;
  const missing = only?.find((name) => !manifest.stores.some(({ file }) => file === name));
  if (missing !== undefined) {
    return err({
      type: "no-store",
      message: `${from} has no ${missing}; it has ${manifest.stores.map(({ file }) => file).join(", ")}`,
    });
  }
  const stores = manifest.stores.filter(({ file }) => only?.includes(file) ?? true);
  for (const store of stores) {
    const wrong = await wrongWith(join(from, store.file), store);
    if (wrong !== undefined) {
      return err({ type: "mangled", message: `${join(from, store.file)} ${wrong}. Nothing was restored: use another backup.` });
    }
  }
  return ok({ manifest, stores });
}

async function wrongWith(path: string, { bytes, sha256, kind }: StoredCopy): Promise<string | undefined> {
  const size = statSync(path, { throwIfNoEntry: false })?.size;
  if (size === undefined) return "is missing";
  if (size !== bytes) return `has ${size} bytes, not ${bytes}`;
  if ((await sha256Of(path)) !== sha256) return "is not as it was made: its SHA-256 is another one";
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    if (kindOf(pragma(db, "application_id")) !== kind) return `is no ${storeKinds[kind].title}`;
    const damage = damageIn(db, "integrity_check");
    return damage && `is damaged: ${damage}`;
  } finally {
    db.close();
  }
}

/**
 * Puts the stores of a backup into a folder. Until all of them are there, what was there stays, and after a kill the folder is not served: the
 * restore is run again.
 */
export async function restoreBackup(options: {
  readonly from: string;
  readonly dataDir: string;
  readonly only?: readonly string[] | undefined;
  /** What is in the way is kept in a new folder in `dataDir`. */
  readonly moveAside: boolean;
  readonly clock: Clock;
}): Promise<Result<Restored, BackupFailure>> {
  const { from, dataDir, only, moveAside, clock } = options;
  const verified = await verifyBackup(from, only);
  if (!verified.ok) return verified;
  const { manifest, stores } = verified.value;
  const names = stores.map(({ file }) => file);
  const drafts = names.map((name) => join(dataDir, `${name}.restoring`));
  const place = occupy(dataDir, "restore");
  if (!place.ok) return place;
  try {
    const left = readUnfinished(dataDir, unfinishedRestore);
    const unfinished = left?.names.filter((name) => !names.includes(name)) ?? [];
    if (unfinished.length > 0) {
      const message = `a restore into ${dataDir} was not finished: restore ${unfinished.join(", ")} too, from the same backup`;
      return err({ type: "in-the-way", message });
    }
    const there = names.filter((name) => filesOf(dataDir, name).length > 0);
    const used = firstInUse(dataDir, there);
    if (used !== undefined) return err(used);
    const foreign = there.filter((name) => !left?.names.includes(name));
    if (!moveAside && foreign.length > 0) {
      const files = foreign.map((name) => filesOf(dataDir, name)[0]).join(", ");
      return err({
        type: "in-the-way",
        message: `${dataDir} holds stores: ${files}. To keep them in a new folder in it, and restore: --move-aside.`,
      });
    }
    begin(dataDir, unfinishedRestore, names);
    try {
      for (const [index, store] of stores.entries()) makeDraft(join(from, store.file), drafts[index] ?? "", store, manifest);
    } catch (error) {
      for (const draft of drafts) removeDatabase(draft);
      // What an earlier try has left half done stays so.
      if (left === undefined) finish(dataDir, unfinishedRestore);
      return err(unwritable(dataDir, error));
    }
    const aside =
      there.length === 0 ? undefined : join(dataDir, `aside-${new Date(clock.nowMs()).toISOString().replaceAll(":", "")}`);
    if (aside !== undefined) moveInto(aside, dataDir, there);
    for (const [index, name] of names.entries()) renameSync(drafts[index] ?? "", join(dataDir, name));
    sync(dataDir);
    finish(dataDir, unfinishedRestore);
    return ok({ manifest, stores, aside });
  } catch (error) {
    return err(unwritable(dataDir, error));
  } finally {
    place.value.leave();
  }
}

/** Of a store that is there, or was: its log and its lock say what belongs to it. */
const filesOf = (dataDir: string, name: string): readonly string[] =>
  [...databaseSuffixes, ".lock"]
    .map((suffix) => `${name}${suffix}`)
    .filter((each) => lstatSync(join(dataDir, each), { throwIfNoEntry: false }) !== undefined);

function firstInUse(dataDir: string, names: readonly string[]): BackupFailure | undefined {
  for (const name of names) {
    const path = join(dataDir, name);
    const lock = acquireLock(existsSync(path) ? realpathSync(path) : path);
    if (!lock.ok) return lock.error;
    lock.value.release();
  }
  return undefined;
}

function makeDraft(source: string, draft: string, store: StoredCopy, manifest: Manifest): void {
  removeDatabase(draft);
  copyFileSync(source, draft, constants.COPYFILE_FICLONE);
  // A backup may be kept read-only.
  chmodSync(draft, statSync(draft).mode | 0o600);
  adjust(draft, store, manifest);
  sync(draft);
}

function moveInto(aside: string, dataDir: string, names: readonly string[]): void {
  mkdirSync(aside);
  for (const file of names.flatMap((name) => filesOf(dataDir, name))) renameSync(join(dataDir, file), join(aside, file));
  sync(aside);
}
