import { ClientError, Status } from "nice-grpc";
import { expect, test } from "vitest";
import { followChanges } from "../../../../src/cli/rule/watch.ts";
import { WatchRuleSetResponse } from "../../../../src/gen/concord/predicate/v1/predicate_logic.ts";

type Step = bigint | { readonly change: bigint } | Error;

/** Each call is one attempt: what it sends, and how it ends. */
function watching(...attempts: readonly (readonly Step[])[]) {
  const asked: (bigint | undefined)[] = [];
  const left = [...attempts];
  const predicates = {
    async *watchRuleSet({ afterSequence }: { readonly afterSequence?: bigint | undefined }) {
      asked.push(afterSequence);
      for (const step of left.shift() ?? []) {
        if (step instanceof Error) throw step;
        const body =
          typeof step === "bigint"
            ? ({ $case: "progressSequence", value: step } as const)
            : ({ $case: "change", value: { sequence: step.change } } as const);
        yield WatchRuleSetResponse.fromPartial({ body });
      }
    },
  };
  return { predicates: predicates as unknown as Parameters<typeof followChanges>[0], asked };
}

const gone = new ClientError("/path", Status.UNAVAILABLE, "Connection dropped");
const refused = new ClientError("/path", Status.INVALID_ARGUMENT, "no such sequence");

test("a lost connection is taken up again where it ended, after changes and after progress", async () => {
  const { predicates, asked } = watching([4n, { change: 5n }, gone], [5n, 7n, gone], [], [{ change: 8n }]);
  const stop = new AbortController();
  const seen: bigint[] = [];
  for await (const { sequence } of followChanges(predicates, {
    after: undefined,
    signal: stop.signal,
    pauseMs: 0,
    timeoutMs: 60_000,
  })) {
    seen.push(sequence);
    if (sequence === 8n) stop.abort();
  }
  expect(seen).toEqual([5n, 8n]);
  expect(asked).toEqual([undefined, 5n, 7n, 7n]);
});

test.each([
  { name: "that never answered", attempts: [[gone]], error: gone },
  { name: "that refuses when it is back", attempts: [[1n, gone], [refused]], error: refused },
  { name: "that makes a mistake", attempts: [[1n, new Error("a mistake")]], error: new Error("a mistake") },
])("a server $name is not asked again", async ({ attempts, error }) => {
  const { predicates, asked } = watching(...attempts);
  const signal = new AbortController().signal;
  const changes = followChanges(predicates, { after: 0n, signal, pauseMs: 0, timeoutMs: 60_000 });
  await expect(changes.next()).rejects.toThrow(error.message);
  expect(asked).toHaveLength(attempts.length);
});

test("an interruption is no failure, also between two attempts", async () => {
  const stop = new AbortController();
  const { predicates } = watching([1n, gone]);
  const ended = followChanges(predicates, { after: 0n, signal: stop.signal, pauseMs: 600_000, timeoutMs: 60_000 }).next();
  setImmediate(() => stop.abort());
  expect(await ended).toEqual({ done: true, value: undefined });
});
