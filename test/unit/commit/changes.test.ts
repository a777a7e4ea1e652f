import { describe, expect, test } from "vitest";
import { createChanges, type Listener, type Wanted } from "../../../src/commit/changes.ts";
import type { Transaction } from "../../../src/commit/core/types.ts";
import { begun, flush, handTurned, tx, virtualClock } from "./support.ts";

const named = (name: string, reason = ""): Transaction => ({ ...begun(["a"]).transaction, id: tx(name), reason });

const reasonIs = (text: string): Wanted => ({ text, matches: ({ reason }) => reason === text });

/** Slices end when the test says so, if it wants them to. */
function world(isByHand = false) {
  const hand = handTurned();
  const changes = createChanges({ turns: isByHand ? hand.turns : () => () => undefined, clock: virtualClock() });
  const woken: string[] = [];
  const listen = (who: string, wanted?: Wanted, countMax = 10) =>
    changes.listen({ wanted, countMax, wake: () => void woken.push(who) });
  return { ...changes, listen, woken, turn: hand.turn };
}

function heardBy(listener: Listener): readonly string[] {
  const heard: string[] = [];
  for (let next = listener.take(); next !== undefined; next = listener.take()) heard.push(next.id);
  return heard;
}

describe("a listener", () => {
  test("hears of each transaction once, as it is now, the one that has changed last at the end", async () => {
    const { listen, tell, woken } = world();
    const all = listen("all");
    expect(all.isCurrent()).toBe(true);
    for (const name of ["t1", "t2", "t1"]) tell(named(name));
    expect([all.isCurrent(), all.awaits(tx("t1")), all.awaits(tx("t3")), all.take()]).toEqual([false, true, false, undefined]);
    await flush();
    expect([all.isCurrent(), all.awaits(tx("t2")), woken]).toEqual([false, true, ["all", "all"]]);
    expect(heardBy(all)).toEqual(["t2", "t1"]);
    expect([all.isCurrent(), all.awaits(tx("t2"))]).toEqual([true, false]);
    tell(named("t2"));
    await flush();
    expect(heardBy(all)).toEqual(["t2"]);
  });

  test("hears of what it wants only, and not of what has become something else meanwhile", async () => {
    const { listen, tell } = world();
    const [red, alsoRed] = [listen("red", reasonIs("red")), listen("also red", reasonIs("red"))];
    tell(named("t1", "red"));
    tell(named("t2", "blue"));
    await flush();
    tell(named("t3", "red"));
    await flush();
    expect(heardBy(alsoRed)).toEqual(["t1", "t3"]);
    tell(named("t1", "blue"));
    await flush();
    expect([heardBy(red), heardBy(alsoRed)]).toEqual([["t3"], []]);
  });

  test("that is too slow ends, and no other with it", async () => {
    const { listen, tell } = world();
    const [slow, patient] = [listen("slow", undefined, 2), listen("patient", undefined, 3)];
    for (const name of ["t1", "t2", "t3"]) {
      tell(named(name));
      await flush();
      expect(slow.end).toEqual(name === "t3" ? { type: "too-slow" } : undefined);
    }
    expect([slow.isCurrent(), heardBy(slow), patient.end, heardBy(patient)]).toEqual([true, [], undefined, ["t1", "t2", "t3"]]);
    tell(named("t4"));
    await flush();
    expect([heardBy(slow), heardBy(patient)]).toEqual([[], ["t4"]]);
  });

  test("ends when more changes at once than any of them would take", async () => {
    const { listen, tell, woken } = world();
    const [one, other] = [listen("one", undefined, 2), listen("other", undefined, 1)];
    for (const name of ["t1", "t2", "t3"]) tell(named(name));
    expect([one.end, other.end, woken]).toEqual([{ type: "too-slow" }, { type: "too-slow" }, ["one", "other"]]);
    await flush();
    expect([heardBy(one), heardBy(other)]).toEqual([[], []]);
  });

  test("ends by a defect of what it wants, as all do who want the same", async () => {
    const { listen, tell } = world();
    const error = new Error("no such field");
    const wanted: Wanted = {
      text: "wrong",
      matches: () => {
        throw error;
      },
    };
    const [one, other, all] = [listen("one", wanted), listen("other", wanted), listen("all")];
    tell(named("t1"));
    await flush();
    expect([one.end, other.end, all.end]).toEqual([{ type: "defect", error }, { type: "defect", error }, undefined]);
    expect(heardBy(all)).toEqual(["t1"]);
  });

  test("that has left hears nothing; who comes later is another one, whoever leaves twice", async () => {
    const { listen, tell } = world();
    const first = listen("first");
    tell(named("t1"));
    first.leave();
    await flush();
    expect(heardBy(first)).toEqual([]);
    const second = listen("second");
    first.leave();
    const third = listen("third");
    second.leave();
    tell(named("t2"));
    await flush();
    expect([heardBy(first), heardBy(second), heardBy(third)]).toEqual([[], [], ["t2"]]);
  });
});

test("changes are judged in slices, one after the other, and by one walk at a time", async () => {
  const { listen, tell, turn } = world(true);
  const all = listen("all");
  tell(named("t1"));
  await flush();
  tell(named("t2"));
  await flush();
  expect(heardBy(all)).toEqual([]);
  await turn();
  expect(heardBy(all)).toEqual(["t1"]);
  await turn();
  expect(heardBy(all)).toEqual(["t2"]);
});
