import { existsSync, readdirSync, rmdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { backup, DatabaseSync } from "node:sqlite";
import type { Clock } from "../../kernel/clock.ts";
import { err, ok, type Result } from "../../kernel/result.ts";
import { removeDatabase } from "../sqlite/database-files.ts";
import { damageIn } from "../sqlite/pragmas.ts";
import { damagedMessage } from "../sqlite/sqlite-error.ts";
import { mismatches } from "../sqlite/store-marks.ts";
import { sync } from "../sqlite/sync.ts";
import { openCut, type Snapshot } from "./cut.ts";
import { writeWhole } from "./durable.ts";
import { type BackupFailure, unwritable } from "./failure.ts";
import { type Manifest, manifestName, manifestText, type StoredCopy, sha256Of } from "./manifest.ts";
import { occupy } from "./occupy.ts";
import { begin, finish, readUnfinished, unfinishedBackup } from "./unfinished.ts";

/** Between two of these, the process hears signals. */
const copiedPagesAtOnce = 1_000;

export type TakenBackup = {
  readonly manifest: Manifest;
  /** What of the stores did not fit together when they were copied. */
  readonly mismatches: readonly string[];
};

/** One moment of all these stores, in a folder of its own, which is a backup once its manifest is there. Writers wait for nothing. */
export async function takeBackup(options: {
  readonly paths: readonly string[];
  readonly to: string;
  /** Of this program. */
  readonly version: string;
  /** 32 hexadecimal digits. */
  readonly id: string;
  readonly clock: Clock;
}): Promise<Result<TakenBackup, BackupFailure>> {
  const { paths, to, clock } = options;
  const twice = paths.map((path) => basename(path)).find((name, index, names) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    return err({
      type: "in-the-way",
      message: `two of the stores are called ${twice}, and would lie in one folder: back them up apart`,
    });
  }
  const place = openFolder(to);
  if (!place.ok) return place;
  try {
    const cut = await openCut(paths, clock);
    if (!cut.ok) return cut;
    const takenAt = new Date(clock.nowMs()).toISOString();
    const { snapshots } = cut.value;
    const names = snapshots.map(({ name }) => name);
    try {
      begin(to, unfinishedBackup, names);
      const stores: StoredCopy[] = [];
      for (const snapshot of snapshots) {
        const copied = await copy(snapshot, join(to, snapshot.name));
        if (!copied.ok) {
          removeUnfinished(to, names);
          return copied;
        }
        stores.push(copied.value);
      }
      const manifest: Manifest = { format: 1, id: options.id, concord: options.version, takenAt, stores };
      writeWhole(join(to, manifestName), manifestText(manifest));
      finish(to, unfinishedBackup);
      return ok({ manifest, mismatches: mismatches(snapshots).map(({ message }) => message) });
    } catch (error) {
      removeUnfinished(to, names);
      return err(unwritable(to, error));
    } finally {
      cut.value.close();
    }
  } finally {
    place.value.leave();
  }
}

/** Empty, or with what an earlier try has left there. One backup at a time. */
function openFolder(to: string): Result<{ readonly leave: () => void }, BackupFailure> {
  const isNew = !existsSync(to);
  const place = occupy(to, "backup");
  if (!place.ok) return place;
  const left = readUnfinished(to, unfinishedBackup);
  if (left !== undefined && !existsSync(join(to, manifestName))) removeUnfinished(to, left.names);
  const isOwn = (name: string): boolean => name.startsWith("concord-backup.") && name !== manifestName;
  const [other] = readdirSync(to).filter((name) => !isOwn(name));
  const leave = (): void => {
    place.value.leave();
    // Nothing has come to lie in it.
    if (isNew && readdirSync(to).length === 0) rmdirSync(to);
  };
  if (other === undefined) return ok({ leave });
  leave();
  const what = existsSync(join(to, manifestName)) ? "a backup" : `${other}, which is no part of a backup that was not finished`;
  return err({ type: "in-the-way", message: `${to} holds ${what}. Choose another folder: each backup has its own.` });
}

/** A copy has a write-ahead log, as its store has, until it is made one file. */
function removeUnfinished(to: string, names: readonly string[]): void {
  for (const name of names) removeDatabase(join(to, basename(name)));
  finish(to, unfinishedBackup);
}

async function copy(snapshot: Snapshot, target: string): Promise<Result<StoredCopy, BackupFailure>> {
  const { name, path, kind, db, marks, schemaVersion, isServed } = snapshot;
  try {
    await backup(db, target, { rate: copiedPagesAtOnce });
    const damage = makeWhole(target);
    if (damage !== undefined) return err({ type: "corrupt", message: damagedMessage(path, damage) });
    sync(target);
    const stored: StoredCopy = {
      file: name,
      kind,
      source: path,
      bytes: statSync(target).size,
      sha256: await sha256Of(target),
      schemaVersion,
      wasServed: isServed,
      marks: [...marks],
      ...newestOf(snapshot),
    };
    // From now on, the write-ahead log may be emptied.
    db.exec("ROLLBACK");
    return ok(stored);
  } catch (error) {
    // What is damaged in the store itself was read before, or is found by the check.
    return err(unwritable(target, error));
  }
}

/** One file, without a write-ahead log, and no page of it damaged; else what is wrong. */
function makeWhole(target: string): string | undefined {
  const db = new DatabaseSync(target);
  try {
    db.exec("PRAGMA journal_mode = DELETE");
    return damageIn(db, "quick_check");
  } finally {
    db.close();
  }
}

/** What a restore has to know of what came last. */
function newestOf({ kind, db }: Snapshot): Pick<StoredCopy, "newestSequence" | "claim"> {
  const row = (sql: string) => {
    try {
      return db.prepare(sql).get();
    } catch {
      // A file of an earlier schema, which was not served since, does not have it.
      return undefined;
    }
  };
  const newest = (sql: string) => {
    const found = row(sql)?.["newest"];
    return found === undefined ? {} : { newestSequence: Number(found) };
  };
  switch (kind) {
    case "workflows":
      return newest("SELECT newest_sequence AS newest FROM counters");
    case "rules":
      return newest("SELECT sequence AS newest FROM rule_set");
    case "decision-log": {
      const newest = row("SELECT coordinator_id, epoch, id FROM coordinator JOIN claims USING (epoch)");
      if (newest === undefined) return {};
      return {
        claim: { coordinatorId: String(newest["coordinator_id"]), epoch: Number(newest["epoch"]), id: String(newest["id"]) },
      };
    }
    default:
      return {};
  }
}
