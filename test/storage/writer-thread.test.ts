import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { identify } from "../../src/storage/sqlite/file-identity.ts";
import { startWriter } from "../../src/storage/sqlite/writer-thread.ts";
import { ScriptedWorker } from "../support/scripted-worker.ts";
import { storageDir } from "../support/storage-dir.ts";
import { flush } from "../unit/commit/support.ts";

vi.mock("node:worker_threads", async (original) => {
  const { ScriptedWorker } = await import("../support/scripted-worker.ts");
  return { ...(await original<typeof import("node:worker_threads")>()), Worker: ScriptedWorker };
});

const options = { path: "notes.db", kind: "rules", migrations: [], pageCountMax: undefined } as const;

function starting() {
  const opening = startWriter(options);
  const worker = ScriptedWorker.newest;
  if (worker === undefined) throw new Error("no thread was started");
  return { opening, worker };
}

async function opened(walBytes = 0, files = [identify("notes.db")]) {
  const { opening, worker } = starting();
  worker.say({ type: "opened", files, walBytes });
  const writer = await opening;
  if (!writer.ok) throw new Error(writer.error.message);
  return { writer: writer.value, worker };
}

const request = { type: "flush", sql: [], batches: [], marks: [] } as const;
const flushed = { type: "flushed", outcomes: [], marked: undefined, tookMs: 1, walBytes: 7 } as const;

test("one that cannot open says why, and its thread is ended", async () => {
  const { opening, worker } = starting();
  worker.say({ type: "open-failed", failure: { type: "corrupt", message: "damaged" } });
  expect(await opening).toEqual({ ok: false, error: { type: "corrupt", message: "damaged" } });
  expect(worker.isTerminated).toBe(true);
  const dying = starting();
  dying.worker.die(new Error("out of memory"));
  const message = "notes.db: the writer thread died: out of memory";
  expect(await dying.opening).toEqual({ ok: false, error: { type: "inaccessible", message } });
});

test("a flush is answered by its outcome; of one that was under way when the thread died nobody knows, of a later one surely nothing", async () => {
  const { writer, worker } = await opened();
  const first = writer.flush(request);
  worker.say(flushed);
  expect([await first, writer.alive]).toEqual([flushed, true]);
  const second = writer.flush(request);
  worker.die(new Error("out of memory"));
  const died = { type: "failed", cause: "the writer thread died: out of memory", final: false };
  expect([await second, writer.alive]).toEqual([{ ...died, outcomeUnknown: true }, false]);
  expect(await writer.flush(request)).toEqual({ ...died, outcomeUnknown: false });
  await writer.truncateWal();
  await writer.close();
  expect([worker.asked, writer.shortened()]).toEqual([["flush", "flush"], undefined]);
});

test("it closes when the thread has closed its file, and not before; and truncates as well", async () => {
  const { writer, worker } = await opened();
  const done: string[] = [];
  const truncating = writer.truncateWal().then(() => done.push("truncated"));
  await flush();
  expect([worker.asked, done]).toEqual([["truncate-wal"], []]);
  worker.say({ type: "wal-truncated", walBytes: 0 });
  await truncating;
  const closing = writer.close().then(() => done.push("closed"));
  await flush();
  expect([worker.asked, worker.isTerminated, done]).toEqual([["truncate-wal", "close"], false, ["truncated"]]);
  worker.say({ type: "closed" });
  await closing;
  expect([worker.isTerminated, done, writer.alive]).toEqual([true, ["truncated", "closed"], false]);
});

test("a log that is shorter than after what was done last is told, as long as the thread lives", async () => {
  const wal = join(storageDir(), "notes.db-wal");
  writeFileSync(wal, "0123456789");
  const { writer, worker } = await opened(10, [identify(wal)]);
  expect(writer.shortened()).toBeUndefined();
  truncateSync(wal, 7);
  expect(writer.shortened()).toBe(wal);
  const flushing = writer.flush(request);
  worker.say(flushed);
  await flushing;
  expect(writer.shortened()).toBeUndefined();
  truncateSync(wal, 6);
  expect(writer.shortened()).toBe(wal);
  worker.emit("exit");
  expect(writer.shortened()).toBeUndefined();
});
