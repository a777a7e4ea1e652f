import { describe, expect, test } from "vitest";
import { resendBackoff } from "../../../src/commit/core/coordinator.ts";
import { inDoubtCountMax, outgoingCountMax } from "../../../src/commit/limits.ts";
import { createSpread } from "../../../src/commit/spread.ts";
import { committing } from "../../support/decision-log-rows.ts";
import { collect, flush, handTurned, id, join, request, world } from "./support.ts";

/** A coordinator that has taken over so many decisions, owed to "a" and "b", and whose slices end when the test says so. */
async function owing(count: number) {
  const hand = handTurned();
  let byHand = false;
  const w = world({ turns: () => () => (byHand ? hand.turns()() : undefined) });
  await w.log.claim("c");
  for (let i = 0; i < count; i += 1) await w.log.force(committing(`u${String(i).padStart(5, "0")}`));
  await w.start();
  await w.coordinator().driver.recovered;
  byHand = true;
  return { ...w, turn: hand.turn, ...w.coordinator() };
}

const decisions = (heard: readonly { readonly type: string }[]): number => heard.filter(({ type }) => type === "decision").length;

test("a participant that comes back is told what it is owed, a few in a slice, and nobody waits for it", async () => {
  const w = await owing(20);
  const a = await join(w, "a");
  const c = await join(w, "c");
  const counts: number[] = [];
  for (let i = 0; i < 3; i += 1) {
    counts.push(decisions(a.heard));
    await w.turn();
  }
  expect(counts).toEqual([0, 1, 2]);
  const answer = w.driver.execute(request(["c"]));
  await flush();
  const prepare = c.heard.find(({ type }) => type === "prepare");
  if (prepare?.type !== "prepare") throw new Error("no Prepare has come");
  await c.say({ type: "decision-ack", transactionId: prepare.transactionId, outcome: "committed", reason: "" });
  expect(await answer).toMatchObject({ ok: true, value: { outcome: "committed" } });
  expect(decisions(a.heard)).toBe(3);
  for (let i = 0; i < 20; i += 1) await w.turn();
  expect(decisions(a.heard)).toBe(20);
});

test("one that leaves meanwhile is told no more; when it comes again, it is told all", async () => {
  const w = await owing(10);
  const first = await join(w, "a");
  for (let i = 0; i < 3; i += 1) await w.turn();
  first.leave();
  const again = await join(w, "a");
  for (let i = 0; i < 12; i += 1) await w.turn();
  expect(decisions(first.heard)).toBe(3);
  expect(new Set(again.heard.map((message) => "transactionId" in message && message.transactionId)).size).toBe(10);
});

describe("a word about a participant", () => {
  /** Each of its steps waits for its turn; the steps that were taken are told. */
  function spreading() {
    const hand = handTurned();
    const ended = new AbortController();
    const told: string[] = [];
    const shell = { turns: hand.turns, ownership: { ended: ended.signal } } as unknown as Parameters<typeof createSpread>[0];
    const spread = createSpread(shell);
    const word = (name: string) => [1, 2, 3].map((step) => () => void told.push(`${name} ${step}`));
    return { ...hand, ended, told, tell: (name: string, of = "a") => spread(id(of), word(name)) };
  }

  test("replaces the older one about it, and none about another", async () => {
    const { tell, turn, told } = spreading();
    const words = [tell("is there"), tell("is there too", "b")];
    await turn();
    words.push(tell("is gone"));
    for (let turns = 0; turns < 4; turns += 1) await turn();
    await Promise.all(words);
    expect(told.filter((each) => each.startsWith("is there "))).not.toContain("is there 2");
    expect(told.filter((each) => each.startsWith("is gone"))).toHaveLength(3);
    expect(told.filter((each) => each.startsWith("is there too"))).toHaveLength(3);
  });

  test("waits for each step before the next", async () => {
    const steps: string[] = [];
    const first = Promise.withResolvers<void>();
    const shell = { turns: () => () => undefined, ownership: { ended: new AbortController().signal } };
    const told = createSpread(shell as unknown as Parameters<typeof createSpread>[0])(id("a"), [
      () => {
        steps.push("first");
        return first.promise;
      },
      () => void steps.push("second"),
    ]);
    await flush();
    expect(steps).toEqual(["first"]);
    first.resolve();
    await told;
    expect(steps).toEqual(["first", "second"]);
  });

  test("is not told on by a coordinator that was replaced", async () => {
    const { tell, turn, told, ended } = spreading();
    const word = tell("is there");
    await turn();
    ended.abort(new Error("fenced"));
    await turn();
    await word;
    expect(told).toEqual(["is there 1"]);
  });
});

test(`one that is in doubt about ${inDoubtCountMax} transactions is answered about one after the other, and is heard meanwhile`, async () => {
  const w = await owing(1);
  const inDoubt = Array.from({ length: inDoubtCountMax }, (_, index) => `x${index}`);
  const a = await join(w, "a", ...inDoubt);
  await w.turn();
  await w.turn();
  const before = decisions(a.heard);
  expect(before).toBeLessThan(5);
  await a.say({ type: "inquiry", transactionId: committing("x9").id, coordinatorId: "c" });
  expect(decisions(a.heard)).toBe(before + 1);
});

test("decisions that are due again at the same time are sent again in slices", async () => {
  const w = await owing(50);
  const a = await join(w, "a");
  for (let i = 0; i < 51; i += 1) await w.turn();
  expect(decisions(a.heard)).toBe(50);
  await w.clock.advance(2 * resendBackoff.firstMs);
  expect(decisions(a.heard)).toBe(50);
  await w.turn();
  expect(decisions(a.heard)).toBe(51);
  for (let i = 0; i < 50; i += 1) await w.turn();
  expect(decisions(a.heard)).toBe(100);
});

test("20,000 decisions for one that does not read wait in no longer a queue than its bound; all are due again", async () => {
  const w = world();
  await w.log.claim("c");
  const count = 20_000;
  for (let i = 0; i < count; i += 1) await w.log.force(committing(`u${String(i).padStart(5, "0")}`));
  await w.start();
  const timerCount = w.clock.timerCount;
  const session = w.coordinator().sessions.open("a");
  const hello = { participantId: id("a"), instanceId: "i", versionMin: 1, versionMax: 1, prepareCredit: 8 };
  await session.receive({ sequence: 1, message: { type: "hello", inDoubt: [], ...hello } });
  await flush();
  expect(w.clock.timerCount - timerCount).toBeGreaterThanOrEqual(count);
  session.disconnect();
  expect((await collect(session.outgoing)).length).toBe(outgoingCountMax);
});
