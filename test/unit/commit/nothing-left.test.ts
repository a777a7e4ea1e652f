import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { awayCountMax, volatileVoteCountMax } from "../../../src/commit/limits.ts";
import type { Resource } from "../../../src/commit/ports.ts";
import type { RequestId } from "../../../src/kernel/ids.ts";
import { spellCountMax } from "../../../src/kernel/seldom.ts";
import { trackCollections } from "../../support/grown.ts";
import { flush, join, request, tx, world } from "./support.ts";

// A server that runs for a year ends more transactions than fit in memory. What is over leaves nothing behind, whatever its end was.

const count = 1_500;
/** Whoever speaks most is counted in these. */
const boundedMax = Math.max(volatileVoteCountMax, spellCountMax + 10);

let tracked: ReturnType<typeof trackCollections>;
beforeEach(() => {
  tracked = trackCollections();
});
afterEach(() => tracked.stop());

async function times(run: (index: number) => Promise<unknown>): Promise<void> {
  for (let index = 0; index < count; index += 100) {
    await Promise.all(Array.from({ length: 100 }, (_, each) => run(index + each)));
    await flush();
  }
}

const keyed = (index: number) => ({ request: { id: `r${index}` as RequestId, digest: "d" } });

describe(`nothing is left of ${count} transactions that`, () => {
  test("were committed, and asked for again", async () => {
    const w = await started();
    await times(async (index) => {
      expect(await w.execute(keyed(index))).toMatchObject({ ok: true, value: { outcome: "committed" } });
      await w.execute(keyed(index));
    });
    expect(tracked.largerThan(boundedMax)).toEqual([]);
  });

  test("a participant has refused", async () => {
    const w = await started(async () => ({ value: "abort", reason: "no" }));
    await times(async (index) => expect(await w.execute(keyed(index))).toMatchObject({ value: { outcome: "aborted" } }));
    expect(tracked.largerThan(boundedMax)).toEqual([]);
  });

  test("nobody could begin, for who is enlisted is not there", async () => {
    const w = await started();
    await times(async (index) => w.driver().execute(request(["a", `nobody-${index}`], keyed(index))));
    expect(tracked.largerThan(boundedMax)).toEqual([]);
  });

  test("their callers have left", async () => {
    const asked: (() => void)[] = [];
    const w = await started(() => new Promise((resolve) => void asked.push(() => resolve({ value: "commit", reason: "" }))));
    await times(async (index) => {
      const left = new AbortController();
      const answer = w.execute({ ...keyed(index), signal: left.signal });
      await flush();
      left.abort({ type: "cancelled" });
      expect(await answer).toMatchObject({ ok: false, error: { type: "pending" } });
      // When all that were begun with it have lost their callers too.
      await flush();
      for (const vote of asked.splice(0)) vote();
    });
    expect(tracked.largerThan(boundedMax)).toEqual([]);
  });

  test("nobody knows, and were asked about, voted on and acknowledged", async () => {
    const w = await started();
    const b = await join(w.coordinator(), "b");
    await times(async (index) => {
      const transactionId = tx(`unknown-${index}`);
      await b.say({ type: "inquiry", transactionId, coordinatorId: "c" });
      await b.say({ type: "vote", transactionId, attempt: 1, value: "commit", reason: "" });
      await b.say({ type: "decision-ack", transactionId, outcome: "committed", reason: "" });
      await w.driver().get(transactionId);
    });
    expect(tracked.largerThan(boundedMax)).toEqual([]);
  });
});

test(`of ${count} participants that came once, no more is kept than when they were seen`, async () => {
  const w = await started();
  await times(async (index) => {
    const other = await join(w.coordinator(), `p${index}`);
    other.leave();
  });
  expect(tracked.largerThan(boundedMax)).toEqual([expect.stringMatching(new RegExp(`^${count} in commit/sessions`))]);
  expect(count).toBeLessThan(awayCountMax);
});

async function started(votes: Resource["prepare"] = async () => ({ value: "commit", reason: "" })) {
  const w = world();
  await w.start();
  await w.participant("a", votes);
  const driver = () => w.coordinator().driver;
  const execute = (options: Parameters<typeof request>[1] & { readonly signal?: AbortSignal }) => {
    const { signal, ...rest } = options;
    return driver().execute(request(["a"], rest), signal as never);
  };
  return { ...w, driver, execute };
}
