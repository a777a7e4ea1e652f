import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { participate, runConcord } from "../support/process.ts";
import { startRecordingServer } from "../support/recording-server.ts";
import { type Answer, typed } from "../support/typed.ts";
import { until } from "../support/until.ts";

// `concord tx` as an operator types it: what it prints, and what a script can branch on.

const data = temporaryFolder();
let server: TestServer;

beforeAll(async () => {
  server = await startServer({ dataDir: join(data.path, "server"), services: "commit" });
  await participate("stock", { address: server.address, dataDir: data.path });
});

afterAll(async () => {
  await server.stop();
  data.remove();
});

const concord = (...args: readonly string[]): Promise<Answer> => typed(args, { address: server.address });

/** Of a command that succeeds, its one line of JSON. */
async function json(...args: readonly string[]): Promise<{ readonly [field: string]: unknown }> {
  const { code, out, err } = await concord(...args, "-o", "json");
  expect({ code, err }, args.join(" ")).toEqual({ code: 0, err: "" });
  return JSON.parse(out) as Record<string, unknown>;
}

test("begin, enlist, commit; then get shows the timeline, and forget lets go of it", async () => {
  const begun = await json("tx", "begin", "--wait", "2s");
  expect(begun).toMatchObject({ waitForParticipants: "2s" });
  const id = String(begun["transactionId"]);
  expect(await json("tx", "enlist", id, "stock=3 bolts")).toMatchObject({ phase: "TRANSACTION_PHASE_INIT" });
  const committed = await concord("tx", "commit", id);
  expect(committed).toMatchObject({ code: 0, err: "" });
  expect(committed.out).toMatch(/^outcome: +COMMITTED$/m);
  expect(committed.out).toMatch(/^stock +COMMIT /m);

  const { out } = await concord("tx", "get", id, "--timeline");
  const events = ["BEGUN", "ENLISTED", "COMMIT_REQUESTED", "PREPARE_SENT", "ACK_RECEIVED", "DECIDED"];
  const shown = events.map((event) => out.search(new RegExp(`^\\S+ +${event}\\b`, "m")));
  expect(
    shown.every((at, index) => at > (shown[index - 1] ?? 0)),
    out,
  ).toBe(true);

  expect((await concord("tx", "list", "--filter", 'transaction.outcome == "COMMITTED"')).out).toContain(id);
  expect(await concord("tx", "forget", id)).toMatchObject({ code: 0 });
  const gone = await concord("tx", "get", id);
  expect(gone.code).toBe(1);
  expect(gone.err).toContain("TRANSACTION_NOT_FOUND");
});

test("a commit waits as long as its transaction may, unless another time is said", async () => {
  const forMs = (ms: number) => ({ seconds: BigInt(ms / 1000), nanos: 0 });
  const transaction = { transactionId: "tx-1", waitForParticipants: forMs(600_000), prepareTimeout: forMs(300_000) };
  const { calls, address, server } = await startRecordingServer({ getTransaction: () => ({ transaction }) });
  const leftMs = async (...flags: readonly string[]) => {
    await typed(["tx", "commit", "tx-1", ...flags], { address });
    const { method, context } = calls.at(-1) ?? expect.unreachable();
    expect(method).toBe("commitTransaction");
    return (context.deadlineMs ?? Number.NaN) - Date.now();
  };
  expect(await leftMs()).toBeGreaterThan(600_000);
  expect(await leftMs("--timeout", "2m")).toBeLessThanOrEqual(120_000);
  await server.shutdown(0);
});

test("a list says what its limit cut off", async () => {
  for (let count = 0; count < 3; count += 1) await concord("tx", "run", "stock=one bolt");
  const { out } = await concord("tx", "list", "--limit", "2");
  expect(out.match(/COMPLETED/g)).toHaveLength(2);
  expect(out).toContain("(more follow; --limit shows more than 2)");
});

test("an abort is an answer; a commit after it exits with 1", async () => {
  const id = String((await json("tx", "begin"))["transactionId"]);
  expect(await json("tx", "abort", id, "--reason", "changed my mind")).toMatchObject({ outcome: "OUTCOME_ABORTED" });
  const refused = await concord("tx", "commit", id);
  expect(refused.code).toBe(1);
  expect(refused.out).toMatch(/^aborted because: +aborted by ".+": changed my mind$/m);
});

test("what a dead participant keeps open is found, retried, and resolved by an operator's word", async () => {
  const address = server.address;
  const dying = await participate("till", { address, dataDir: data.path, flags: ["--fail-on", "prepare"] });
  const watch = runConcord(["tx", "watch", "--address", address, "--filter", '"till" in transaction.participants']);
  void concord("tx", "run", "till=7 euros", "--prepare-timeout", "1s");
  await dying.exited;
  const open = async (): Promise<string | undefined> => {
    const { out } = await concord("tx", "list", "--filter", 'transaction.phase == "PREPARING"', "-o", "json");
    return out === "" ? undefined : (JSON.parse(out) as { transactionId: string }).transactionId;
  };
  const id = await until(open, "the transaction is listed as open");

  expect(await json("tx", "retry", id)).toMatchObject({ phase: "TRANSACTION_PHASE_PREPARING" });
  const kept = await concord("tx", "forget", id);
  expect(kept).toMatchObject({ code: 1 });
  expect(kept.err).toContain("it is not completed");
  expect(await concord("tx", "resolve", id, "aborted")).toMatchObject({ code: 2, err: expect.stringContaining("--reason") });
  expect(await concord("tx", "resolve", id, "maybe", "--reason", "x")).toMatchObject({ code: 2 });
  const resolved = await concord("tx", "resolve", id, "aborted", "--reason", "the till burnt down", "--by", "olga");
  expect(resolved.out).toMatch(/^resolved by: +olga: the till burnt down$/m);
  expect(resolved.out).toMatch(/^heuristic: +UNCONFIRMED$/m);
  expect((await concord("participants")).out).toMatch(/^till +no +\d+ +\S+ +1 +1 +\S+$/m);

  // It is back after all, and was asked to prepare too late.
  await participate("till", { address, dataDir: data.path });
  await until(async () => (await concord("tx", "get", id)).out.match(/^heuristic: +CONFIRMED$/m), "the word is confirmed");
  await until(() => watch.text().includes(`${id} COMPLETED ABORTED`), "the watch has shown it");
  expect(await watch.terminate()).toBe(0);
});

test("a participant that is away and owes nothing is forgotten; one that is in session is not", async () => {
  const address = server.address;
  const leaving = await participate("shelf", { address, dataDir: data.path });
  const refused = await concord("participants", "forget", "shelf");
  expect(refused.code).toBe(1);
  expect(refused.err).toContain(
    'participant "shelf" is not forgotten: it is in session\n  FAILED_PRECONDITION / PARTICIPANT_STATE',
  );
  expect(await leaving.terminate()).toBe(0);
  await until(async () => (await concord("participants")).out.match(/^shelf +no /m), "it has left");
  const forgotten = await concord("participants", "forget", "shelf", "--reason", "sold", "--by", "olga");
  expect(forgotten).toMatchObject({ code: 0, out: expect.stringMatching(/^forgotten: shelf, last seen \S+, session 1\n$/) });
  expect((await concord("participants", "list")).out).not.toContain("shelf");
  expect(await json("participants", "forget", "shelf")).toEqual({});
  expect(await concord("participants", "forget", "shelf")).toMatchObject({ code: 0, out: "shelf is not known\n" });
  expect(await concord("participants", "forget", "no id")).toMatchObject({ code: 2 });
});
