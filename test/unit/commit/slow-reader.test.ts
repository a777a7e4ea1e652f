import { expect, test } from "vitest";
import type { CoordinatorMessage } from "../../../src/commit/core/messages.ts";
import {
  awayCountMax,
  outgoingBytesMax,
  outgoingCountMax,
  outgoingPrepareBytesMax,
  readingCountMax,
} from "../../../src/commit/limits.ts";
import { createSessions } from "../../../src/commit/sessions.ts";
import { createMemoryDecisionLog } from "../../../src/storage/memory/decision-log.ts";
import { flush, id, silent, tx, virtualClock } from "./support.ts";

// What a coordinator keeps in memory for a participant that does not read, or is away.

const kib = 1_024;

const prepare = (transactionId: string, payload?: Uint8Array) => ({
  type: "prepare" as const,
  transactionId: tx(transactionId),
  attempt: 1,
  payload,
  deadlineMs: 9e15,
  onePhase: false,
  coordinatorEpoch: 1,
});

const decision = (transactionId: string) => ({
  type: "decision" as const,
  transactionId: tx(transactionId),
  outcome: "aborted" as const,
  coordinatorEpoch: 1,
  inReply: false,
});

async function world() {
  const clock = virtualClock();
  const log = createMemoryDecisionLog();
  const sessions = createSessions({ log, clock, logger: silent });
  const claimed = await log.claim("c");
  if (!claimed.ok) throw new Error("not claimed");
  sessions.start(claimed.value, {
    connected: async () => {},
    disconnected: () => {},
    nacked: () => {},
    message: (_participant, _message, refuse) => {
      refuse("x".repeat(1_000));
      return undefined;
    },
  });
  /** Reads when the test says so. */
  async function join(name: string, prepareCredit = 65_536) {
    const session = sessions.open(name);
    let sequence = 0;
    const say = (message: Parameters<typeof session.receive>[0]["message"]) => session.receive({ sequence: ++sequence, message });
    await say({
      type: "hello",
      participantId: id(name),
      instanceId: "i",
      versionMin: 1,
      versionMax: 1,
      inDoubt: [],
      prepareCredit,
    });
    const reader = session.outgoing[Symbol.asyncIterator]();
    const read = async (): Promise<CoordinatorMessage | undefined> => (await reader.next()).value?.message;
    /** All that waits. What comes after it is of no interest. */
    const rest = async (): Promise<CoordinatorMessage[]> => {
      session.disconnect();
      const all: CoordinatorMessage[] = [];
      for (let message = await read(); message; message = await read()) all.push(message);
      return all;
    };
    return { session, say, read, rest };
  }
  return { log, sessions, join };
}

test("large Prepares wait outside of its queue, and follow as it reads; one that is decided meanwhile never goes out", async () => {
  const w = await world();
  const a = await w.join("a");
  const payload = new Uint8Array(256 * kib);
  const names = Array.from({ length: 40 }, (_, index) => `t${index}`);
  for (const name of names) w.sessions.send(id("a"), prepare(name, payload));
  w.sessions.send(id("a"), decision("t39"));
  const heard: string[] = [];
  let atOnce = 0;
  // Welcome, nine Prepares over the bound, and the decision that came later.
  for (let count = 0; count < 1 + 39 + 1; count += 1) {
    const message = await a.read();
    if (message?.type === "decision") atOnce = heard.length;
    if (message?.type === "prepare") heard.push(message.transactionId);
  }
  expect(heard).toEqual(names.slice(0, 39));
  expect(atOnce).toBe(outgoingPrepareBytesMax / payload.byteLength);
});

test("small Prepares are bounded by its credit alone", async () => {
  const w = await world();
  const a = await w.join("a", 300);
  for (let count = 0; count < 400; count += 1) w.sessions.send(id("a"), prepare(`t${count}`, new Uint8Array(10)));
  expect((await a.rest()).filter(({ type }) => type === "prepare")).toHaveLength(300);
});

test("of payloads that are in the log, a few are read at once, and no more than it has room for", async () => {
  const w = await world();
  const a = await w.join("a");
  let under = 0;
  const reads: number[] = [];
  w.log.payload = async () => {
    under += 1;
    reads.push(under);
    await flush();
    under -= 1;
    return new Uint8Array(256 * kib);
  };
  for (let count = 0; count < 40; count += 1) w.sessions.send(id("a"), prepare(`t${count}`));
  for (let count = 0; count < 20; count += 1) await flush();
  expect(Math.max(...reads)).toBe(readingCountMax);
  const most = outgoingPrepareBytesMax / (256 * kib) + readingCountMax;
  expect(reads.length).toBeLessThanOrEqual(most);
  for (let count = 0; count < 41; count += 1) await a.read();
  expect(reads).toHaveLength(40);
});

test("what it is told besides is bounded in count, and in bytes: the rest is dropped", async () => {
  const w = await world();
  const [a, b] = [await w.join("a"), await w.join("b")];
  for (let count = 0; count < outgoingCountMax + 100; count += 1) w.sessions.send(id("a"), decision(`t${count}`));
  expect(await a.rest()).toHaveLength(outgoingCountMax);
  for (let count = 0; count < outgoingCountMax; count += 1) {
    await b.say({ type: "inquiry", transactionId: tx(`t${count}`), coordinatorId: "c" });
  }
  const nacks = (await b.rest()).filter(({ type }) => type === "nack");
  expect(nacks.length).toBeLessThan(outgoingBytesMax / 1_000);
  expect(nacks.length).toBeGreaterThan(outgoingBytesMax / 3_000);
});

test("when it was seen is remembered of the 10,000 that have left last; of others the log has their Hello", async () => {
  const w = await world();
  for (let count = 0; count <= awayCountMax; count += 1) {
    const { session } = await w.join(`p${count}`, 1);
    session.disconnect();
  }
  const seen = ["p0", "p1", `p${awayCountMax}`].map((name) => w.sessions.lastSeenAtMs(id(name)) !== undefined);
  expect(seen).toEqual([false, true, true]);
  expect(await w.sessions.find(id("p0"))).toMatchObject({ connected: false, lastSeenAtMs: expect.any(Number) });
});
