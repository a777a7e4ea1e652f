import { expect, test } from "vitest";
import type { QuotaSetting } from "../../../src/access/core/quota.ts";
import { type Counted, createQuotas } from "../../../src/access/quotas.ts";
import type { Principal } from "../../../src/kernel/principal.ts";

const none = {
  calls: undefined,
  streams: undefined,
  rate: undefined,
  burst: 1,
  bytesPerSecond: undefined,
  rules: undefined,
  workflows: undefined,
};
const quotaOf = (setting: Partial<QuotaSetting>): QuotaSetting => ({ principals: ["*"], ...none, ...setting });
const named = (name: string): Principal => ({ name, by: "token" });

function quotasWith(...settings: readonly QuotaSetting[]) {
  const state = { nowMs: 0 };
  const quotas = createQuotas(settings, () => state.nowMs);
  const enter = (name = "ada", kind: "calls" | "streams" = "calls") => quotas.enter(named(name), kind);
  const counted = (name?: string, kind?: "calls" | "streams") => enter(name, kind) as Counted;
  return { state, quotas, enter, counted };
}

test("calls and streams under way are counted apart, each principal for itself, until they leave", () => {
  const { enter, counted } = quotasWith(quotaOf({ calls: 2, streams: 1 }));
  const [first] = [counted(), counted(), counted("ada", "streams")];
  expect(enter()).toEqual({ what: "calls", limit: 2, retryAfterMs: 500 });
  expect(enter("ada", "streams")).toEqual({ what: "streams", limit: 1, retryAfterMs: 500 });
  expect(enter("bob")).toHaveProperty("leave");
  first?.leave();
  expect(enter()).toHaveProperty("leave");
  expect(enter()).toMatchObject({ what: "calls" });
});

test("calls begin at a rate, after a burst; what is refused takes nothing, and says when it may come", () => {
  const { enter, state } = quotasWith(quotaOf({ rate: 10, burst: 3 }));
  for (let index = 0; index < 3; index += 1) expect(enter()).toHaveProperty("leave");
  expect(enter()).toEqual({ what: "rate", limit: 10, retryAfterMs: 100 });
  state.nowMs += 60;
  expect(enter()).toMatchObject({ what: "rate", retryAfterMs: 40 });
  state.nowMs += 40;
  expect(enter()).toHaveProperty("leave");
  expect(enter()).toMatchObject({ what: "rate" });
  state.nowMs += 60_000;
  for (let index = 0; index < 3; index += 1) expect(enter()).toHaveProperty("leave");
  expect(enter()).toMatchObject({ what: "rate" });
});

test("a question on a stream counts as a call that begins, and takes no place of those under way", () => {
  const { quotas, counted, state } = quotasWith(quotaOf({ calls: 1, streams: 1, rate: 10, burst: 3, bytesPerSecond: 1_000 }));
  const ask = () => quotas.ask(named("ada"));
  const stream = counted("ada", "streams");
  expect([ask(), ask()]).toEqual([undefined, undefined]);
  expect(ask()).toEqual({ what: "rate", limit: 10, retryAfterMs: 100 });
  state.nowMs += 1_000;
  stream.received?.(3_000);
  expect(ask()).toEqual({ what: "bytes", limit: 1_000, retryAfterMs: 1_001 });
  expect(quotas.ask({ name: "ada", by: "process" })).toBeUndefined();
});

test("a request that is larger than what is left is taken, and keeps the next ones waiting for as long as it takes", () => {
  const { enter, counted, state } = quotasWith(quotaOf({ bytesPerSecond: 1_000 }));
  counted().received?.(3_000);
  expect(enter()).toEqual({ what: "bytes", limit: 1_000, retryAfterMs: 2_001 });
  expect(enter("bob")).toHaveProperty("leave");
  state.nowMs += 2_001;
  expect(enter()).toHaveProperty("leave");
});

test("the first quota that matches counts; whom none matches, and the process itself, nothing is counted of", () => {
  const { enter, quotas } = quotasWith(
    quotaOf({ principals: ["ci-*"], calls: 1 }),
    quotaOf({ principals: ["ci-*", "ada"], calls: 2 }),
  );
  expect([enter("ci-1"), enter("ci-1")]).toMatchObject([{ received: undefined }, { limit: 1 }]);
  expect([enter(), enter(), enter()]).toMatchObject([{}, {}, { limit: 2 }]);
  expect(enter("bob")).toBeUndefined();
  expect(quotas.enter({ name: "ada", by: "process" }, "calls")).toBeUndefined();
});

test("how many there may be of what a principal creates is asked by its name, and is nobody's who is no principal", () => {
  const { enter, quotas } = quotasWith(quotaOf({ principals: ["ci-*"], rules: 3 }), quotaOf({ workflows: 7 }));
  expect([quotas.most("ci-1", "rules"), quotas.most("ci-1", "workflows")]).toEqual([3, undefined]);
  expect([quotas.most("ada", "rules"), quotas.most("ada", "workflows")]).toEqual([undefined, 7]);
  expect(quotas.most("system:workflow-manager", "workflows")).toBeUndefined();
  expect(enter("ci-1")).toHaveProperty("leave");
  quotas.replace([quotaOf({ principals: ["ci-*"], rules: 4 })]);
  expect([quotas.most("ci-1", "rules"), quotas.most("ada", "workflows")]).toEqual([4, undefined]);
});

test("a quota that changes counts what is under way", () => {
  const { enter, counted, quotas } = quotasWith(quotaOf({ calls: 5 }));
  const first = counted();
  quotas.replace([quotaOf({ calls: 1 })]);
  expect(enter()).toMatchObject({ limit: 1 });
  first.leave();
  expect(enter()).toHaveProperty("leave");
  quotas.replace([]);
  expect(enter()).toBeUndefined();
});

test("what is kept of principals is bounded, as far as they have nothing under way", () => {
  const { enter, counted, state } = quotasWith(quotaOf({ calls: 1, rate: 1_000 }));
  counted("busy");
  for (let index = 0; index < 10_000; index += 1) counted(`idle-${index}`).leave();
  state.nowMs += 1_000;
  counted("one more");
  expect(enter("busy")).toMatchObject({ what: "calls" });
  expect(enter("idle-1")).toHaveProperty("leave");
});
