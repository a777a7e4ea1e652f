import { readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { beforeEach, expect, test, vi } from "vitest";
import { systemClock } from "../../src/runtime/clock.ts";
import { storesIn } from "../../src/storage/backup/cut.ts";
import { removeDurably } from "../../src/storage/backup/durable.ts";
import { restoreBackup } from "../../src/storage/backup/restore.ts";
import { takeBackup } from "../../src/storage/backup/take.ts";
import { openSqliteDecisionLog } from "../../src/storage/sqlite/decision-log.ts";
import { openSqliteParticipantLog } from "../../src/storage/sqlite/participant-log.ts";
import { storageDir } from "../support/storage-dir.ts";

// What is not synced may be gone with the power, though its name is there. So each sync is recorded, with the names that were there then.

const synced = vi.hoisted((): { readonly path: string; readonly beside: readonly string[] }[] => []);

vi.mock("../../src/storage/sqlite/sync.ts", async (original) => {
  const real = await original<typeof import("../../src/storage/sqlite/sync.ts")>();
  return {
    sync(path: string): void {
      real.sync(path);
      const folder =
        path.endsWith("data") || path.endsWith("backup") || basename(path).startsWith("aside-") ? path : join(path, "..");
      synced.push({ path, beside: readdirSync(folder) });
    },
  };
});

beforeEach(() => void synced.splice(0));

const names = ["commit.sqlite", "participant.sqlite"];

async function folderOfStores(): Promise<string> {
  const folder = join(storageDir(), "data");
  for (const [open, name] of [
    [openSqliteDecisionLog, names[0]],
    [openSqliteParticipantLog, names[1]],
  ] as const) {
    const opened = await open({ path: join(folder, name ?? "") });
    if (!opened.ok) throw new Error(opened.error.message);
    await opened.value.close();
  }
  synced.length = 0;
  return folder;
}

/** The names of what was synced, in that order, each with whether a name was beside it. */
const order = (name: string) => synced.map(({ path, beside }) => `${basename(path)}${beside.includes(name) ? " *" : ""}`);

test("the stores of a backup are durable before its manifest is there, and that before the backup is no draft any more", async () => {
  const folder = await folderOfStores();
  const to = join(storageDir(), "backup");
  const options = { paths: storesIn(folder), to, version: "0", id: "ab".repeat(16), clock: systemClock };
  expect(await takeBackup(options)).toMatchObject({ ok: true });
  expect(order("concord-backup.unfinished.json")).toEqual([
    "concord-backup.unfinished.json.new",
    "backup *",
    "commit.sqlite *",
    "participant.sqlite *",
    "concord-backup.json.new *",
    "backup *",
    "backup",
  ]);
});

test("what is not there is removed", () => {
  const folder = storageDir();
  removeDurably(join(folder, "nothing"));
  expect(synced.map(({ path }) => path)).toEqual([folder]);
});

test("what a restore has made, and what it has moved aside, is durable before the restore is over", async () => {
  const folder = await folderOfStores();
  const to = join(storageDir(), "backup");
  await takeBackup({ paths: storesIn(folder), to, version: "0", id: "ab".repeat(16), clock: systemClock });
  synced.length = 0;
  const clock = { ...systemClock, nowMs: () => 0 };
  expect(await restoreBackup({ from: to, dataDir: folder, moveAside: true, clock })).toMatchObject({ ok: true });
  expect(order("concord-restore.unfinished.json")).toEqual([
    "concord-restore.unfinished.json.new",
    "data *",
    "commit.sqlite.restoring *",
    "participant.sqlite.restoring *",
    "aside-1970-01-01T000000.000Z",
    "data *",
    "data",
  ]);
});
