import { expect, onTestFinished, test } from "vitest";
import { loopHoldWarnMs } from "../../../src/kernel/limits.ts";
import { beatMs, createLoopWatch, suspicionMs } from "../../../src/runtime/loop-watch.ts";
import { flush, virtualClock } from "../commit/support.ts";

const get = { rpc: "/concord.workflow.v1.WorkflowService/GetWorkflow", peer: "127.0.0.1:4242" };
const list = { rpc: "/concord.workflow.v1.WorkflowService/ListWorkflows", peer: "127.0.0.1:4243" };

/** Work holds the loop as the test says: time passes, and no timer fires. */
function world() {
  const clock = virtualClock();
  const lines: { readonly message: string; readonly fields: object }[] = [];
  const held: string[] = [];
  const delays: number[] = [];
  const log = (fields: object, message: string) => void lines.push({ fields, message });
  const watch = createLoopWatch({
    clock,
    logger: { warn: log, info: log },
    metrics: { loopDelay: (ms) => void delays.push(ms), loopHeld: (by) => void held.push(by) },
  });
  onTestFinished(watch.stop);
  return { clock, watch, held, delays, hold: clock.stall, fields: () => lines.map(({ fields }) => fields), lines };
}

/** The handler of a unary call, as nice-grpc makes it. */
// biome-ignore lint/correctness/useYield: it has one answer
async function* unary<Answer>(handler: () => Promise<Answer>): AsyncGenerator<never, Answer, undefined> {
  return handler();
}

test("a call that holds the loop is named, with its peer and the time", async () => {
  const w = world();
  const call = w.watch.enter(get);
  const { value } = await call
    .drive(
      unary(async () => {
        w.hold(80);
        return "answer";
      }),
    )
    .next();
  call.leave();
  expect(value).toBe("answer");
  expect(w.lines).toEqual([{ message: "the event loop was held", fields: { ...get, ms: 80 } }]);
  await w.clock.advance(beatMs);
  expect(w.held).toEqual([get.rpc]);
  expect(w.delays).toEqual([80 - beatMs, 0]);
  expect(w.watch.recentDelayMs()).toBeCloseTo(80 - beatMs, 0);
});

test("nobody is named for less", async () => {
  const w = world();
  w.watch.run(get, () => w.hold(loopHoldWarnMs));
  await w.clock.advance(beatMs);
  expect([w.lines, w.held]).toEqual([[], []]);
});

test("each step of a stream counts by itself", async () => {
  const w = world();
  async function* events() {
    yield 1;
    w.hold(60);
    yield 2;
  }
  const call = w.watch.enter(list);
  expect(await Array.fromAsync(call.drive(events()))).toEqual([1, 2]);
  expect(w.fields()).toEqual([{ ...list, ms: 60 }]);
});

test("a decoder and a job are named", () => {
  const w = world();
  const decode = w.watch.timed({ rpc: get.rpc }, (bytes: number) => w.hold(bytes));
  decode(70);
  w.hold(1000);
  w.watch.run({ job: "purge" }, () => w.hold(90));
  expect(w.fields()).toEqual([
    { rpc: get.rpc, ms: 70 },
    { job: "purge", ms: 90 },
  ]);
});

test("one that does it again and again has a line a second, and is counted each time", () => {
  const w = world();
  for (let i = 0; i < 30; i += 1) w.watch.run(get, () => w.hold(100));
  expect(w.lines.length).toBe(3);
  expect(w.held.length).toBe(30);
});

test("what holds the loop after it has waited is one of the calls under way, and is named when it does it again", async () => {
  const w = world();
  const listing = () =>
    unary(async () => {
      await Promise.resolve();
      w.hold(80);
    });
  const other = w.watch.enter(get);
  const first = w.watch.enter(list);
  await first.drive(listing()).next();
  first.leave();
  await w.clock.advance(beatMs);
  expect(w.fields()).toEqual([{ calls: { [get.rpc]: 1, [list.rpc]: 1 }, ms: 70 }]);
  expect(w.held).toEqual(["unknown"]);

  await w.watch.enter(list).drive(listing()).next();
  expect(w.fields().slice(1)).toEqual([{ ...list, ms: 80 }]);
  await w.clock.advance(beatMs);
  expect(w.held).toEqual(["unknown", list.rpc]);
  other.leave();
});

test("the suspicion ends, and what the machine does is told once while it lasts", async () => {
  const w = world();
  for (let i = 0; i < 3; i += 1) {
    w.hold(80);
    await w.clock.advance(beatMs);
  }
  expect(w.lines.length).toBe(1);
  expect(w.held.length).toBe(3);
  await w.clock.advance(suspicionMs);
  await flush();
  w.hold(80);
  await w.clock.advance(beatMs);
  expect(w.lines.length).toBe(2);
});
