import { closeSync, globSync, openSync, readSync, realpathSync } from "node:fs";
import { basename, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type Clock, nextTurn } from "../../kernel/clock.ts";
import { err, ok, type Result } from "../../kernel/result.ts";
import type { DurationMs } from "../../kernel/time.ts";
import { lockRetryMs, lookAtLock } from "../sqlite/lock.ts";
import { pragma } from "../sqlite/pragmas.ts";
import { messageOf } from "../sqlite/sqlite-error.ts";
import type { MarkedStore } from "../sqlite/statement.ts";
import { checkStoreFile } from "../sqlite/store-file.ts";
import { kindOf, type StoreKind } from "../sqlite/store-kind.ts";
import { marksIn } from "../sqlite/store-marks.ts";
import { type BackupFailure, unreadable } from "./failure.ts";

/** A reader waits for nobody in WAL mode, except while a crashed file is recovered. */
const busyTimeoutMs = 5_000;

/** Opening a cut takes well below a millisecond, and a write the time of an fsync. */
const cutMsMax: DurationMs = 30_000;

/** A store as it was at the moment of the cut, for as long as its transaction is open. */
export type Snapshot = MarkedStore & {
  readonly name: string;
  readonly db: DatabaseSync;
  /** A process had it in use. */
  readonly isServed: boolean;
  readonly schemaVersion: number;
};

export type Cut = { readonly snapshots: readonly Snapshot[]; close(): void };

type Source = Omit<Snapshot, "marks" | "isServed"> & {
  readonly lock: ReturnType<typeof lookAtLock>;
  /** Notices what others write. */
  readonly look: DatabaseSync;
};

/** Those of `concord serve`, whatever is in them, and what else is Concord's by its head. */
export const storesIn = (folder: string): readonly string[] =>
  globSync("*.sqlite", { cwd: folder })
    .sort()
    .filter((name) => servedNames.has(name) || kindByHead(join(folder, name)) !== undefined)
    .map((name) => join(folder, name));

const servedNames: ReadonlySet<string> = new Set(
  ["workflow", "predicate", "commit", "verdicts", "events"].map((name) => `${name}.sqlite`),
);

/** sqlite.org/fileformat2.html, section 1.3: the application id, four bytes, the most significant first. */
const applicationIdAt = 68;

/** Without SQLite, which would make other files beside this one. */
function kindByHead(path: string): StoreKind | undefined {
  const file = openSync(path, "r");
  const bytes = Buffer.alloc(4);
  readSync(file, bytes, 0, 4, applicationIdAt);
  closeSync(file);
  return kindOf(bytes.readUInt32BE());
}

/**
 * All of them as they were at one moment, while they are written. A write is noticed by who looks before and after: if there was none to any
 * of them while all were opened, they were so at the same time. It is what a kill of everything would have left (Afek et al., Atomic
 * snapshots of shared memory, 1993: the double collect).
 */
export async function openCut(paths: readonly string[], clock: Clock): Promise<Result<Cut, BackupFailure>> {
  const sources: Source[] = [];
  const close = (): void => {
    for (const { db, look } of sources) for (const each of [db, look]) each.close();
  };
  try {
    for (const path of paths) {
      const source = openSource(path);
      if (!source.ok) {
        close();
        return source;
      }
      sources.push(source.value);
    }
    const untilMs = clock.monotonicMs() + cutMsMax;
    while (!opensAtOnce(sources)) {
      if (clock.monotonicMs() > untilMs) {
        close();
        return err({
          type: "busy",
          message: `the stores are written so often that no moment was found between two writes in ${cutMsMax / 1000}s`,
        });
      }
      await nextTurn(clock);
    }
    const snapshots = await Promise.all(
      sources.map(async (source) => ({ ...source, marks: marksIn(source.db), isServed: await isServed(source, clock) })),
    );
    return ok({ snapshots, close });
  } catch (error) {
    close();
    return err(unreadable(sources.at(-1)?.path ?? "", error));
  }
}

/** False: one of them was written meanwhile, and none is open. */
export function opensAtOnce(sources: readonly Pick<Source, "db" | "look">[]): boolean {
  const before = sources.map(versionOf);
  for (const { db } of sources) {
    db.exec("BEGIN");
    // The transaction begins with what it reads first.
    db.prepare("SELECT count(*) FROM sqlite_schema").get();
  }
  if (sources.every((source, index) => versionOf(source) === before[index])) return true;
  for (const { db } of sources) db.exec("ROLLBACK");
  return false;
}

/** Another number after each commit of another connection. */
const versionOf = ({ look }: Pick<Source, "look">): number => pragma(look, "data_version");

function openSource(given: string): Result<Source, BackupFailure> {
  let path: string;
  try {
    // Its log and its lock are beside the file, whatever links lead to it.
    path = realpathSync(given);
  } catch (error) {
    return err({ type: "lost", message: `${given} cannot be read (${messageOf(error)})` });
  }
  const lock = lookAtLock(path);
  // Opening what a kill has left without its log would make a new log, and hide the loss from the next start.
  const unfit = checkStoreFile(path, lock.mark);
  if (unfit) return err(unfit);
  const connections: DatabaseSync[] = [];
  const connect = (): DatabaseSync => {
    const db = new DatabaseSync(path, { readOnly: true, timeout: busyTimeoutMs });
    connections.push(db);
    return db;
  };
  const fail = (failure: BackupFailure): Result<Source, BackupFailure> => {
    for (const each of connections) each.close();
    return err(failure);
  };
  try {
    const db = connect();
    const kind = kindOf(pragma(db, "application_id"));
    if (kind === undefined) return fail({ type: "foreign", message: `${path} is a database that Concord did not make` });
    return ok({ path, name: basename(given), kind, db, look: connect(), lock, schemaVersion: pragma(db, "user_version") });
  } catch (error) {
    return fail(unreadable(path, error));
  }
}

/** Who takes a decision log over holds its lock a little later than that one has died who held it. */
async function isServed({ path, lock }: Source, clock: Clock): Promise<boolean> {
  if (lock.isHeld || lookAtLock(path).isHeld) return true;
  if (lock.mark !== "in-use") return false;
  await new Promise<void>((resolve) => clock.setTimer(2 * lockRetryMs, resolve));
  return lookAtLock(path).isHeld;
}
