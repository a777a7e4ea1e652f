import { expect, test } from "vitest";
import { stepCoordinator } from "../../../src/commit/core/coordinator.ts";
import type { Transaction } from "../../../src/commit/core/types.ts";
import { watchWaiting } from "../../../src/commit/waiting.ts";
import { fakeClock } from "../../support/fake-clock.ts";
import { ack, at, begun, id, vote } from "./support.ts";

test("a transaction in doubt is told at growing intervals, with those it waits for, until it is so no more", async () => {
  const clock = fakeClock(0);
  const lines: { readonly fields: object; readonly atMs: number; readonly message: string }[] = [];
  const asked = begun(["here", "away", "done"]).transaction;
  const voted = stepCoordinator(asked, { ...vote("done", "commit"), ...at(1) }).transaction as Transaction;
  let inDoubt: readonly Transaction[] = [voted];
  const stop = watchWaiting({
    inDoubt: (limit) => inDoubt.slice(0, limit),
    about: () => ({ request: "call-1" }),
    connected: new Set([id("here"), id("done")]),
    clock: { monotonicMs: clock.nowMs, setTimer: clock.setTimer },
    logger: { warn: (fields, message) => lines.push({ fields, message, atMs: clock.nowMs() }) },
  });
  await clock.pass(600_000);
  expect(lines[0]).toEqual({
    atMs: 15_000,
    message: "a transaction is in doubt and waits for participants",
    fields: {
      transaction: voted.id,
      request: "call-1",
      phase: "PREPARING",
      waitedMs: 10_000,
      waitsFor: [
        { participant: "here", for: "vote", connected: true },
        { participant: "away", for: "vote", connected: false },
      ],
    },
  });
  expect(lines.map(({ atMs }) => atMs)).toEqual([15_000, 45_000, 135_000, 405_000]);

  // Then once an hour.
  await clock.pass(10_000_000);
  expect(lines.map(({ atMs }) => atMs).slice(4)).toEqual([1_215_000, 3_645_000, 7_245_000]);
  inDoubt = [];
  await clock.pass(10_000_000);
  expect(lines).toHaveLength(7);
  inDoubt = [voted];
  await clock.pass(20_000);
  expect(lines, "what is in doubt anew has waited anew").toHaveLength(8);
  stop();
  expect(clock.waiting()).toEqual([]);
});

test("once it is decided, it waits for those only who have still to acknowledge it", async () => {
  const clock = fakeClock(0);
  const told: object[] = [];
  const votes = ["slow", "quick"].map((name) => ({ ...vote(name, "commit"), ...at(1) }));
  const decided = [...votes, { ...ack("quick", "committed"), ...at(2) }].reduce(
    (each, input) => stepCoordinator(each, input).transaction as Transaction,
    begun(["slow", "quick"]).transaction,
  );
  const stop = watchWaiting({
    inDoubt: () => [decided],
    about: () => undefined,
    connected: new Set(),
    clock: { monotonicMs: clock.nowMs, setTimer: clock.setTimer },
    logger: { warn: (fields) => told.push(fields) },
  });
  await clock.pass(15_000);
  expect(told).toMatchObject([
    { decision: "committed", waitsFor: [{ participant: "slow", for: "acknowledgement", connected: false }] },
  ]);
  stop();
});

test("a lone participant is waited for to say how it decided; and of many transactions, the oldest are told", async () => {
  const clock = fakeClock(0);
  const told: object[] = [];
  const lone = begun(["lone"]).transaction;
  const stop = watchWaiting({
    inDoubt: (limit) => Array.from({ length: limit }, (_, n) => ({ ...lone, id: `${lone.id}-${n}` as typeof lone.id })),
    about: () => undefined,
    connected: new Set(),
    clock: { monotonicMs: clock.nowMs, setTimer: clock.setTimer },
    logger: { warn: (fields) => told.push(fields) },
  });
  await clock.pass(15_000);
  expect(told).toHaveLength(100);
  expect(told[0]).toMatchObject({ waitsFor: [{ participant: "lone", for: "its decision", connected: false }] });
  stop();
});
