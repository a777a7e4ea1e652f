import { lstatSync, realpathSync, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { lookAtLock } from "./lock.ts";
import { pragma } from "./pragmas.ts";
import type { MarkedStore } from "./statement.ts";
import { checkStoreFile } from "./store-file.ts";
import { kindOf, type StoreKind } from "./store-kind.ts";
import { marksIn } from "./store-marks.ts";

const busyTimeoutMs = 1_000;

/** What stands in a store before anybody opens it. "unknown": it is in use, or not fit; opening it says so. */
export type AtRest = { readonly type: "store"; readonly store: MarkedStore } | { readonly type: "missing" | "unknown" };

/** Changes nothing: no file is made, none is brought to a newer schema. `isTakenOver`: it may be in use, by one process that uses no other. */
export function marksAtRest(given: string, kind: StoreKind, isTakenOver = false): AtRest {
  try {
    const isThere = lstatSync(given, { throwIfNoEntry: false }) !== undefined;
    // Its log and its lock are beside the file, whatever links lead to it.
    const path = isThere ? realpathSync(given) : given;
    const { isHeld, mark } = lookAtLock(path);
    if (checkStoreFile(path, mark) !== undefined || (isHeld && !isTakenOver)) return { type: "unknown" };
    if (!isThere) return { type: "missing" };
    const db = openAsItIs(path, isHeld);
    try {
      const isOfKind = kindOf(pragma(db, "application_id")) === kind;
      return isOfKind ? { type: "store", store: { path, kind, marks: marksIn(db) } } : { type: "unknown" };
    } finally {
      db.close();
    }
  } catch {
    return { type: "unknown" };
  }
}

/** A reader makes a log and its index beside a file that has none, unless it is told that nobody writes. */
function openAsItIs(path: string, isHeld: boolean): DatabaseSync {
  const url = pathToFileURL(path);
  const hasLog = (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0;
  if (!isHeld && !hasLog) url.searchParams.set("immutable", "1");
  return new DatabaseSync(url, { readOnly: true, timeout: busyTimeoutMs });
}
