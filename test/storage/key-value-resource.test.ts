import { copyFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import type { TransactionId } from "../../src/kernel/ids.ts";
import {
  encodeOperations,
  type KeyValueOperation,
  type KeyValueResource,
  openKeyValueResource,
} from "../../src/storage/sqlite/key-value-resource.ts";
import { storageDir } from "../support/storage-dir.ts";

const logId = "log";

const tx = (name: string) => name as TransactionId;

const work = (name: string, ...operations: KeyValueOperation[]) => ({
  transactionId: tx(name),
  payload: encodeOperations(operations),
  logId,
  voteWithinMs: 1_000,
  coordinatorId: "c",
  coordinatorEpoch: 1,
});

const put = (key: string, value: number | string | null): KeyValueOperation => ({ type: "put", key, value });
const add = (key: string, amount: number, notBelow?: number): KeyValueOperation => ({
  ...{ type: "add", key, amount },
  ...(notBelow === undefined ? {} : { notBelow }),
});

const committed = { value: "commit", reason: "" };

let path: string;
let store: KeyValueResource;

async function open(): Promise<void> {
  const opened = await openKeyValueResource({ path });
  if (!opened.ok) throw new Error(opened.error.message);
  store = opened.value;
}

async function commit(name: string, ...operations: KeyValueOperation[]): Promise<void> {
  expect(await store.prepare(work(name, ...operations))).toEqual(committed);
  expect(await store.commit(work(name, ...operations))).toBeUndefined();
}

beforeEach(async () => {
  path = join(storageDir(), "store.sqlite");
  await open();
  return () => store.close();
});

describe("a key-value store as a resource", () => {
  test("what is prepared is seen after its commit, and done once however often that comes", async () => {
    const deposit = work("t1", add("ada", 5), put("note", "x"));
    expect(await store.prepare(deposit)).toEqual(committed);
    expect(store.get("ada")).toBeUndefined();
    await store.commit(deposit);
    await store.commit(deposit);
    expect(store.get("ada")).toBe(5);
    await commit("t2", { type: "delete", key: "note" });
    expect(store.list({ limit: 10 })).toEqual([{ key: "ada", value: 5 }]);
  });

  test("what is prepared is found by the next process, which can do either", async () => {
    await store.prepare(work("t1", put("a", 1)));
    await store.prepare(work("t2", put("b", 2)));
    await store.close();
    await open();
    expect(await store.prepared(logId)).toEqual(["t1", "t2"]);
    await store.commit(work("t1", put("a", 1)));
    // At the start, an abort comes without the payload.
    await store.abort({ transactionId: tx("t2"), payload: new Uint8Array(), logId });
    expect(await store.prepared(logId)).toEqual([]);
    expect(store.list({ limit: 10 })).toEqual([{ key: "a", value: 1 }]);
  });

  test("a promise that a backup did not have is lost when that is restored; one that it had is kept", async () => {
    await store.prepare(work("t1", put("a", 1)));
    await store.close();
    copyFileSync(path, `${path}.backup`);
    await open();
    await store.prepare(work("t2", put("b", 2)));
    await store.close();
    for (const end of ["-wal", "-shm"]) rmSync(`${path}${end}`, { force: true });
    renameSync(`${path}.backup`, path);
    await open();
    expect(await store.prepared(logId)).toEqual(["t1"]);
    // A log that has t1 as committed has its payload no more.
    expect(await store.commit({ ...work("t1"), payload: new Uint8Array() })).toBeUndefined();
    expect(await store.commit({ ...work("t1"), payload: new Uint8Array() })).toBeUndefined();
    expect(await store.commit(work("t2", put("b", 2)))).toEqual({ lost: expect.stringContaining("restored from a backup") });
    expect(store.list({ limit: 10 })).toEqual([{ key: "a", value: 1 }]);
  });

  test("what was promised for one log is none of another's", async () => {
    const first = work("t1", put("a", 1));
    const second = { ...first, logId: "second" };
    await store.prepare(first);
    expect(await store.prepared("second")).toEqual([]);
    expect(await store.foreign("second")).toEqual([{ promise: "t1", log: logId, remedy: expect.stringContaining("held_keys") }]);
    expect(await store.foreign(logId)).toEqual([]);
    expect(await store.prepare(second)).toMatchObject({ value: "abort" });
    await store.abort(second);
    expect(await store.commit(second)).toEqual({ lost: expect.any(String) });
    expect(await store.prepare(work("t2", put("a", 2)))).toMatchObject({ value: "abort" });
    await store.commit(first);
    expect(await store.commit(second)).toEqual({ lost: expect.any(String) });
    expect(store.get("a")).toBe(1);
  });

  test("what is committed is neither aborted nor prepared again", async () => {
    await commit("t1", add("ada", 5));
    await expect(store.abort(work("t1"))).rejects.toThrow("t1 is to be aborted, but has a receipt");
    expect(await store.prepare(work("t1", add("ada", 5)))).toEqual({ value: "abort", reason: "it is committed already" });
    expect(store.get("ada")).toBe(5);
  });

  test("receipts go when they are old, except those whose end the log does not know", async () => {
    for (const name of ["t1", "t2", "t3"]) await commit(name, put(name, 1));
    const old = { logId, recordedBeforeMs: Date.now() + 60_000, keep: [tx("t2")], limit: 10 };
    expect(await store.forget({ ...old, recordedBeforeMs: Date.now() - 60_000 })).toBe(0);
    expect(await store.forget({ ...old, logId: "second" })).toBe(0);
    expect(await store.forget({ ...old, limit: 1 })).toBe(1);
    expect(await store.forget(old)).toBe(1);
    expect(await store.commit(work("t2"))).toBeUndefined();
    expect(await store.commit(work("t1"))).toEqual({ lost: expect.any(String) });
  });

  test("a key is held from the vote to the decision", async () => {
    await store.prepare(work("t1", put("a", 1), put("b", 1)));
    const refused = { value: "abort", reason: '"b" is held by another transaction' };
    expect(await store.prepare(work("t2", put("c", 1), put("b", 2)))).toEqual(refused);
    await commit("t3", put("c", 3));
    await store.abort(work("t1"));
    await store.abort(work("t1"));
    await commit("t4", put("b", 4));
    expect(store.list({ limit: 10 })).toEqual([
      { key: "b", value: 4 },
      { key: "c", value: 3 },
    ]);
  });

  test.each<[KeyValueOperation, string]>([
    [add("ada", -11, 0), '"ada" would be -1, below 0'],
    [add("nobody", -1, 0), '"nobody" would be -1, below 0'],
    [add("ada", Number.MAX_SAFE_INTEGER), '"ada" is no whole number, or becomes too large'],
    [add("text", 1), '"text" is no whole number, or becomes too large'],
    [add("null", 1), '"null" is no whole number, or becomes too large'],
    [{ type: "put", key: "ada", value: 1, ifAbsent: true }, '"ada" is there already'],
  ])("%j is refused, and nothing is held after it", async (operation, reason) => {
    await commit("t0", put("ada", 10), put("text", "x"), put("null", null));
    expect(await store.prepare(work("t1", put("other", 1), operation))).toEqual({ value: "abort", reason });
    expect(await store.prepared(logId)).toEqual([]);
    await commit("t2", put("other", 2), put(operation.key, 1));
  });

  test("what reaches its bound, and what is put where nothing is, is done", async () => {
    await commit("t0", put("ada", 10));
    const fresh: KeyValueOperation = { type: "put", key: "new", value: 1, ifAbsent: true };
    await commit("t1", add("ada", -10, 0), add("bob", 3, 3), fresh, { type: "delete", key: "nobody" });
    expect(["ada", "bob", "new", "nobody"].map((key) => store.get(key))).toEqual([0, 3, 1, undefined]);
    await commit("t2", add("ada", Number.MAX_SAFE_INTEGER), { type: "put", key: "new", value: 2, ifAbsent: false });
    expect([store.get("ada"), store.get("new")]).toEqual([Number.MAX_SAFE_INTEGER, 2]);
  });

  test.each([
    ["not json", "the payload is not JSON"],
    ['{"type":"put"}', "the payload is no list of operations"],
    ['[{"type":"add","key":"a","amount":0.5}]', "the payload is no list of operations"],
    ['[{"type":"delete","key":""}]', "the payload is no list of operations"],
    [`[{"type":"delete","key":"${"k".repeat(513)}"}]`, "the payload is no list of operations"],
    ['[{"type":"delete","key":"a"},{"type":"put","key":"a","value":1}]', "names a key twice"],
  ])("the payload %s is refused", async (text, reason) => {
    const vote = await store.prepare({ ...work("t1"), payload: Buffer.from(text) });
    expect(vote).toEqual({ value: "abort", reason: expect.stringContaining(reason) });
  });

  test("no operation is read-only", async () => {
    expect(await store.prepare(work("t1"))).toEqual({ value: "read-only", reason: "" });
  });

  test("a page is bounded, ordered, and of one prefix", async () => {
    await commit("t1", put("a/1", 1), put("a/2", 2), put("a/3", 3), put("b", 4));
    const first = store.list({ prefix: "a/", limit: 2 });
    expect(first.map(({ key }) => key)).toEqual(["a/1", "a/2"]);
    expect(store.list({ prefix: "a/", afterKey: "a/2", limit: 2 })).toEqual([{ key: "a/3", value: 3 }]);
  });

  test("a second process is refused", async () => {
    expect(await openKeyValueResource({ path })).toMatchObject({ ok: false, error: { type: "locked" } });
  });
});
