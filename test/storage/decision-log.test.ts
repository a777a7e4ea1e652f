import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, describe, expect, test } from "vitest";
import { type Claim, claimCountMax } from "../../src/commit/core/claim.ts";
import { stepCoordinator } from "../../src/commit/core/coordinator.ts";
import type { Transaction } from "../../src/commit/core/types.ts";
import type { DecisionLog } from "../../src/commit/ports.ts";
import { afterId, isInScope, type TransactionScope } from "../../src/commit/transaction-scope.ts";
import type { RequestId, TransactionId } from "../../src/kernel/ids.ts";
import { stretchBytesMax } from "../../src/kernel/limits.ts";
import { createMemoryDecisionLog } from "../../src/storage/memory/decision-log.ts";
import { decisionLogSchema, openSqliteDecisionLog, sqliteDecisionLog } from "../../src/storage/sqlite/decision-log.ts";
import { temporaryFolder } from "../support/concord.ts";
import { createStoreWorld, openOnSimulatedDisk } from "../support/simulated-store.ts";
import { ack, at, begun, id, tx, vote } from "../unit/commit/support.ts";

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function openSqlite(): Promise<DecisionLog> {
  const folder = temporaryFolder();
  cleanups.push(folder.remove);
  return reopenSqlite(join(folder.path, "commit.db"));
}

async function reopenSqlite(path: string): Promise<DecisionLog> {
  const opened = await openSqliteDecisionLog({ path });
  if (!opened.ok) throw new Error(opened.error.message);
  cleanups.push(() => opened.value.close());
  return opened.value;
}

const delegated = (transactionId: string): Transaction => ({ ...begun(["a"]).transaction, id: tx(transactionId) });

const committing = (transactionId: string): Transaction => ({
  ...[vote("a", "commit"), vote("b", "commit")].reduce(stepped, begun(["a", "b"]).transaction),
  id: tx(transactionId),
});

const completed = (transactionId: string): Transaction =>
  [ack("a", "committed"), ack("b", "committed")].reduce(stepped, committing(transactionId));

function stepped(transaction: Transaction, input: ReturnType<typeof vote>): Transaction {
  return stepCoordinator(transaction, input).transaction;
}

function decisionLogSuite(name: string, open: () => Promise<DecisionLog>): void {
  describe(name, () => {
    test("each claim takes the next epoch and keeps the id", async () => {
      const log = await open();
      expect(log.writable).toBe(true);
      expect(await log.claim("first")).toMatchObject({ ok: true, value: { coordinatorId: "first", coordinatorEpoch: 1 } });
      expect(await log.claim("second")).toMatchObject({ ok: true, value: { coordinatorId: "first", coordinatorEpoch: 2 } });
      expect(await log.newestEpoch()).toBe(2);
    });

    test("claims have ids of their own; the newest 64 are kept", async () => {
      const log = await open();
      const kept: Claim[] = [];
      for (let epoch = 1; epoch <= claimCountMax + 2; epoch += 1) {
        const claimed = await log.claim("c");
        if (!claimed.ok) throw new Error("not claimed");
        const { claims } = claimed.value;
        expect(claims.slice(1)).toEqual(kept.slice(0, claimCountMax - 1));
        kept.unshift(claims[0] as Claim);
        expect(claims[0]).toEqual({ epoch, id: expect.stringMatching(/^[0-9a-f-]{32,36}$/) });
      }
      expect(new Set(kept.map(({ id }) => id)).size).toBe(claimCountMax + 2);
    });

    test("tells the largest id that is stored", async () => {
      const log = await open();
      await log.claim("c");
      expect(await log.newestId()).toBeUndefined();
      for (const id of ["tx-2", "tx-3", "tx-1"]) await log.force(committing(id));
      expect(await log.newestId()).toBe(tx("tx-3"));
    });

    // specs/TwoPhaseCommit.tla: LogAppendByOwnerOnly
    test("a coordinator that was replaced writes nothing", async () => {
      const log = await open();
      await log.claim("c");
      await log.claim("c");
      const fenced = { ok: false, error: { type: "conflict", conflict: { type: "fenced", coordinatorEpoch: 2 } } };
      const session = { participantId: id("a"), instanceId: "i", connectedAtMs: 1 };
      expect(await log.force(committing("t1"))).toEqual(fenced);
      expect(await log.record(committing("t1"))).toEqual(fenced);
      expect(await log.openSession(session, 1)).toEqual(fenced);
      expect(await log.purge({ completedBeforeMs: 1, limit: 1 }, 1)).toEqual(fenced);
      expect(await log.get(tx("t1"))).toBeUndefined();
      expect(await log.participants({ afterId: undefined, limit: 10 })).toEqual([]);
    });

    test("a transaction is read as it was written, without payloads", async () => {
      const log = await open();
      await log.claim("c");
      const written = committing("t1");
      expect(await log.force(written)).toEqual({ ok: true, value: undefined });
      const parts = written.parts.map((part) => ({ ...part, connected: false, payload: undefined }));
      expect(await log.get(tx("t1"))).toEqual({ ...written, parts });
      expect(await log.get(tx("t3"))).toBeUndefined();
    });

    test("the payload of what is delegated is kept until it is decided, also if it is written again without", async () => {
      const log = await open();
      await log.claim("c");
      const work = new TextEncoder().encode("work of a");
      const nothing = new Uint8Array();
      await log.force(delegated("t1"));
      expect(await log.payload(tx("t1"))).toEqual(work);
      const stored = (await log.get(tx("t1"))) as Transaction;
      expect(stored.parts[0]?.payload).toBeUndefined();
      await log.force(stepped(stored, ack("a", "lost")));
      expect(await log.payload(tx("t1"))).toEqual(work);
      await log.record(stepped(stored, ack("a", "committed")));
      expect(await log.payload(tx("t1"))).toEqual(nothing);
      await log.force(committing("t2"));
      expect([await log.payload(tx("t2")), await log.payload(tx("t3"))]).toEqual([nothing, nothing]);
    });

    test("unfinished transactions are found, completed ones are history", async () => {
      const log = await open();
      await log.claim("c");
      for (const transaction of [committing("t1"), delegated("t2"), completed("t3")]) await log.force(transaction);
      expect(await log.unfinished({ afterId: undefined, limit: 10 })).toEqual(["t1", "t2"]);
      await log.record(completed("t1"));
      expect(await log.unfinished({ afterId: undefined, limit: 10 })).toEqual(["t2"]);
    });

    test("a list is newest first and continues before an id", async () => {
      const log = await open();
      await log.claim("c");
      for (const name of ["t1", "t2", "t3"]) await log.record(completed(name));
      const ids = async (beforeId: string | undefined, limit: number) =>
        (await log.list({ beforeId: beforeId === undefined ? undefined : tx(beforeId), limit })).transactions.map(
          (each) => each.id,
        );
      expect(await ids(undefined, 2)).toEqual(["t3", "t2"]);
      expect(await ids("t2", 2)).toEqual(["t1"]);
    });

    test("a scope leaves out what it does not want, whatever the pages", async () => {
      const log = await open();
      await log.claim("c");
      const aborted = stepped(begun(["a", "b"]).transaction, vote("a", "abort"));
      const cast = [committing, delegated, completed, (name: string) => ({ ...aborted, id: tx(name) })];
      const all: Transaction[] = [];
      for (let i = 0; i < 24; i += 1) {
        const transaction = cast[i % cast.length]?.(`t${10 + i}`) as Transaction;
        await log.record(transaction);
        all.unshift(transaction);
      }
      const scopes: readonly TransactionScope[] = [
        {},
        { fromId: tx("t15"), beforeId: tx("t29") },
        { fromId: tx("t20"), beforeId: afterId(tx("t20")) },
        { phases: ["COMPLETED"] },
        { phases: ["PREPARING", "COMMITTING"], beforeId: tx("t30") },
        { outcomes: ["aborted", undefined] },
        { outcomes: [undefined], phases: ["PREPARING"] },
        { outcomes: [] },
      ];
      for (const scope of scopes) {
        const wanted = all.filter((each) => isInScope(scope, each)).map(({ id }) => id);
        for (const limit of [1, 5, 24, 100]) {
          const found: string[] = [];
          let beforeId: TransactionId | undefined;
          do {
            const page = await log.list({ beforeId, limit, scope });
            expect(page.transactions.length).toBeLessThanOrEqual(limit);
            found.push(...page.transactions.map(({ id }) => id));
            beforeId = page.nextBeforeId;
          } while (beforeId !== undefined);
          expect(found).toEqual(wanted);
        }
      }
    });

    test("a request id leads to its transaction, unless that was aborted", async () => {
      const log = await open();
      await log.claim("c");
      const request = { id: "r1" as RequestId, digest: "d" };
      const aborted = stepped(begun(["a", "b"]).transaction, vote("a", "abort"));
      await log.record({ ...aborted, id: tx("t1"), request });
      expect(await log.byRequest(request.id)).toBeUndefined();
      await log.force({ ...committing("t2"), request });
      expect(await log.byRequest(request.id)).toMatchObject({ id: "t2", request });
      expect(await log.byRequest("r2" as RequestId)).toBeUndefined();
    });

    // Its row was written before it was decided.
    test("what is aborted later leaves its request id free, and is listed by its outcome", async () => {
      const log = await open();
      await log.claim("c");
      const request = { id: "r1" as RequestId, digest: "d" };
      await log.force({ ...begun(["a", "b"]).transaction, id: tx("t1"), request });
      expect(await log.byRequest(request.id)).toMatchObject({ id: "t1" });
      await log.record({ ...stepped(begun(["a", "b"]).transaction, vote("a", "abort")), id: tx("t1"), request });
      expect(await log.byRequest(request.id)).toBeUndefined();
      const listed = async (outcome: "aborted" | undefined) =>
        (await log.list({ beforeId: undefined, limit: 10, scope: { outcomes: [outcome] } })).transactions.map((each) => each.id);
      expect([await listed("aborted"), await listed(undefined)]).toEqual([["t1"], []]);
    });

    test("session epochs grow with each Hello", async () => {
      const log = await open();
      await log.claim("c");
      const opened = await log.openSession({ participantId: id("b"), instanceId: "i1", connectedAtMs: 1 }, 1);
      expect(opened).toMatchObject({ value: { sessionEpoch: 1 } });
      await log.openSession({ participantId: id("b"), instanceId: "i2", connectedAtMs: 2 }, 1);
      await log.openSession({ participantId: id("a"), instanceId: "i3", connectedAtMs: 3 }, 1);
      const b = { participantId: "b", instanceId: "i2", sessionEpoch: 2, connectedAtMs: 2 };
      expect(await log.participants({ afterId: id("a"), limit: 10 })).toEqual([b]);
      expect(await log.participant(id("b"))).toEqual(b);
      expect(await log.participant(id("c"))).toBeUndefined();
      expect((await log.participants({ afterId: undefined, limit: 1 })).map(({ participantId }) => participantId)).toEqual(["a"]);
    });

    test("participants are forgotten, except who has said Hello since; a coordinator that was replaced forgets none", async () => {
      const log = await open();
      await log.claim("c");
      for (const [index, name] of ["a", "b", "c"].entries())
        await log.openSession({ participantId: id(name), instanceId: "i", connectedAtMs: index }, 1);
      const left = async () => (await log.participants({ afterId: undefined, limit: 10 })).map((each) => each.participantId);
      const which = { participantIds: [id("a"), id("c"), id("unknown")], connectedBeforeMs: 2 };
      expect(await log.forgetParticipants(which, 0)).toMatchObject({
        error: { conflict: { type: "fenced", coordinatorEpoch: 1 } },
      });
      expect(await left()).toEqual(["a", "b", "c"]);
      expect(await log.forgetParticipants(which, 1)).toEqual({ ok: true, value: undefined });
      expect(await left()).toEqual(["b", "c"]);
      const again = await log.openSession({ participantId: id("a"), instanceId: "i", connectedAtMs: 3 }, 1);
      expect(again).toMatchObject({ value: { sessionEpoch: 1 } });
    });

    test("a purge drops what was completed before, and never what is unfinished", async () => {
      const log = await open();
      await log.claim("c");
      for (const transaction of [committing("t1"), delegated("t2"), completed("t3"), completed("t4")])
        await log.force(transaction);
      expect(await log.purge({ completedBeforeMs: 1, limit: 10 }, 1)).toEqual({ ok: true, value: 0 });
      expect(await log.purge({ completedBeforeMs: 9e15, limit: 1 }, 1)).toEqual({ ok: true, value: 1 });
      expect(await log.purge({ completedBeforeMs: 9e15, limit: 10 }, 1)).toEqual({ ok: true, value: 1 });
      expect((await log.list({ beforeId: undefined, limit: 10 })).transactions.map((each) => each.id)).toEqual(["t2", "t1"]);
    });

    test("what an operator resolved is unfinished, and is not purged, until its participants have spoken", async () => {
      const log = await open();
      await log.claim("c");
      const resolved = stepped(committing("t1"), {
        type: "resolve",
        outcome: "committed",
        reason: "lost",
        requestedBy: "ada",
        ...at(),
      });
      await log.force(resolved);
      expect(await log.get(tx("t1"))).toMatchObject({ phase: "COMPLETED", resolution: { reason: "lost", requestedBy: "ada" } });
      expect(await log.unfinished({ afterId: undefined, limit: 10 })).toEqual(["t1"]);
      expect(await log.purge({ completedBeforeMs: 9e15, limit: 10 }, 1)).toEqual({ ok: true, value: 0 });
      await log.record([ack("a", "committed"), ack("b", "aborted")].reduce(stepped, resolved));
      expect((await log.get(tx("t1")))?.parts[1]?.acknowledgedOutcome).toBe("aborted");
      expect(await log.unfinished({ afterId: undefined, limit: 10 })).toEqual([]);
      expect(await log.purge({ completedBeforeMs: 9e15, limit: 10 }, 1)).toEqual({ ok: true, value: 1 });
    });

    test("unfinished transactions are read page by page", async () => {
      const log = await open();
      await log.claim("c");
      for (const name of ["t3", "t1", "t2"]) await log.force(committing(name));
      const ids = (afterId: string | undefined) =>
        log.unfinished({ afterId: afterId === undefined ? undefined : tx(afterId), limit: 2 });
      expect([await ids(undefined), await ids("t2"), await ids("t3")]).toEqual([["t1", "t2"], ["t3"], []]);
    });

    test("a timeline is kept with its transaction, and one that is not given stays", async () => {
      const log = await open();
      await log.claim("c");
      const timeline = { entries: [{ atMs: 1, type: "begun" }] as const, omitted: 2 };
      await log.force(committing("t1"), timeline);
      expect(await log.timeline(tx("t1"))).toEqual(timeline);
      await log.record(completed("t1"));
      expect(await log.timeline(tx("t1"))).toEqual(timeline);
      const longer = { ...timeline, omitted: 3 };
      await log.record(completed("t1"), longer);
      expect(await log.timeline(tx("t1"))).toEqual(longer);
      await log.force(committing("t2"));
      expect([await log.timeline(tx("t2")), await log.timeline(tx("t3"))]).toEqual([undefined, undefined]);
    });

    test("what is forgotten is gone; a coordinator that was replaced forgets nothing", async () => {
      const log = await open();
      await log.claim("c");
      await log.force(completed("t1"));
      expect(await log.forget(tx("t1"), 0)).toMatchObject({ ok: false, error: { type: "conflict" } });
      expect(await log.forget(tx("t1"), 1)).toEqual({ ok: true, value: undefined });
      expect(await log.get(tx("t1"))).toBeUndefined();
      expect(await log.forget(tx("t1"), 1)).toEqual({ ok: true, value: undefined });
    });

    test("writes after close are refused", async () => {
      const log = await open();
      await log.claim("c");
      await log.close();
      expect(await log.force(committing("t1"))).toMatchObject({ ok: false, error: { type: "storage-unavailable" } });
    });
  });
}

decisionLogSuite("the decision log in SQLite", openSqlite);
decisionLogSuite("the decision log in SQLite on a simulated disk", async () => {
  const log = openOnSimulatedDisk(decisionLogSchema, sqliteDecisionLog);
  cleanups.push(() => log.close());
  return log;
});
decisionLogSuite("the decision log in memory", async () => createMemoryDecisionLog());

test("the decision log in SQLite survives a restart", async () => {
  const folder = temporaryFolder();
  cleanups.push(folder.remove);
  const path = join(folder.path, "commit.db");
  const first = await reopenSqlite(path);
  await first.claim("c");
  await first.force(committing("t1"));
  await first.close();
  const second = await reopenSqlite(path);
  expect(await second.claim("d")).toMatchObject({
    ...{ ok: true, value: { coordinatorId: "c", coordinatorEpoch: 2, claims: [{ epoch: 2 }, { epoch: 1 }] } },
  });
  expect(await second.unfinished({ afterId: undefined, limit: 10 })).toEqual(["t1"]);
  expect(second.writable).toBe(true);
});

test("what an older coordinator has delegated keeps its payload", async () => {
  const folder = temporaryFolder();
  cleanups.push(folder.remove);
  const path = join(folder.path, "commit.db");
  const log = await reopenSqlite(path);
  await log.claim("c");
  await log.force(delegated("t1"));
  await log.force(committing("t2"));
  await log.close();
  // As it was before payloads had a column.
  const database = new DatabaseSync(path);
  database.exec(`
    UPDATE transactions SET body = json_set(body, '$.parts[0].payload', payload) WHERE payload IS NOT NULL;
    ALTER TABLE transactions DROP COLUMN payload;
    PRAGMA user_version = 3`);
  database.close();
  const migrated = await reopenSqlite(path);
  expect(await migrated.payload(tx("t1"))).toEqual(new TextEncoder().encode("work of a"));
  expect((await migrated.get(tx("t1")))?.parts[0]).toMatchObject({ participantId: "a", payload: undefined });
  expect(await migrated.get(tx("t2"))).toMatchObject({ phase: "COMMITTING" });
});

test("a list in SQLite reads a bounded amount of text at a stretch, and goes on", async () => {
  const log = await openSqlite();
  await log.claim("c");
  const reason = "x".repeat(stretchBytesMax / 4);
  for (const name of ["t1", "t2", "t3", "t4", "t5", "t6"]) await log.record({ ...completed(name), reason });
  const first = await log.list({ beforeId: undefined, limit: 100 });
  expect([first.transactions.map((each) => each.id), first.nextBeforeId]).toEqual([["t6", "t5", "t4", "t3"], "t3"]);
  const rest = await log.list({ beforeId: first.nextBeforeId, limit: 100 });
  expect([rest.transactions.map((each) => each.id), rest.nextBeforeId]).toEqual([["t2", "t1"], undefined]);
});

test("of a write that the fence has refused, and of which it cannot be read for whom, it is known that nothing was written", async () => {
  const world = createStoreWorld(decisionLogSchema);
  const log = sqliteDecisionLog(world.open().engine);
  await world.until(log.claim("c"));
  await world.until(log.claim("c"));
  world.failReads();
  expect(await world.until(log.force(committing("t1")))).toMatchObject({
    error: { type: "storage-unavailable", outcomeUnknown: false },
  });
  world.calm();
  expect(await world.until(log.force(committing("t1")))).toMatchObject({ error: { conflict: { coordinatorEpoch: 2 } } });
});
