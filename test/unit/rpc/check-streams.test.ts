import { setTimeout as sleep } from "node:timers/promises";
import { ClientError, ServerError, Status } from "nice-grpc";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Judgement, TransitionCheck } from "../../../src/gen/concord/predicate/v1/verdict.ts";
import { type CheckStreams, createCheckStreams } from "../../../src/rpc/clients/check-streams.ts";
import { encoded } from "../../../src/rpc/encoded-answer.ts";
import { echo, startFakePredicateLogic } from "../../support/fake-predicate-logic.ts";
import { until } from "../../support/until.ts";

let fake: Awaited<ReturnType<typeof startFakePredicateLogic>>;
let streams: CheckStreams;
const logger = pino({ level: "silent" });
/** Timers run when the test lets them. */
let clock: ReturnType<typeof handClock>;

function handClock() {
  const timers = new Map<() => void, number>();
  let nowMs = 0;
  return {
    monotonicMs: () => nowMs,
    setTimer(delayMs: number, run: () => void) {
      const timer = (): void => run();
      timers.set(timer, nowMs + delayMs);
      return () => void timers.delete(timer);
    },
    pass(ms: number) {
      nowMs += ms;
      for (const [timer, dueMs] of timers) {
        if (dueMs > nowMs) continue;
        timers.delete(timer);
        timer();
      }
    },
    get timerCount() {
      return timers.size;
    },
  };
}

beforeEach(async () => {
  fake = await startFakePredicateLogic();
  fake.hasStreams = true;
  clock = handClock();
  streams = createCheckStreams({ address: fake.address, clock, logger });
});

afterEach(() => {
  streams.close();
  fake.stop();
});

const never = new AbortController().signal;

function ask(version: number, signal = never) {
  const workflow = { workflowId: `wf-${version}`, version: BigInt(version) };
  const question = { checks: [encoded(TransitionCheck, { workflow })], callIds: [`call-${version}`] };
  return streams.ask(question, { signal, deadline: 1_000 });
}

const judged = (version: number) => [expect.objectContaining({ judgement: Judgement.ALLOWED, ruleSetRevision: BigInt(version) })];

describe("a question", () => {
  test("is answered on the stream of the one before it", async () => {
    for (const version of [1, 2, 3]) expect(await ask(version)).toEqual(judged(version));
    expect(fake.questions).toEqual([1, 2, 3].map((version) => ({ checks: [`wf-${version}`], callIds: [`call-${version}`] })));
    expect(fake.streams.size).toBe(1);
  });

  test("does not wait for one that is under way, and each hears its own answer", async () => {
    const gates = new Map([1, 2].map((version) => [`wf-${version}`, Promise.withResolvers<void>()]));
    fake.answerQuestion = async ({ checks, question }) => {
      await gates.get(checks[0]?.workflow?.workflowId ?? "")?.promise;
      return [{ verdicts: await echo(checks), question }];
    };
    const [first, second] = [ask(1), ask(2)];
    await until(() => fake.questions.length === 2, "both are asked");
    gates.get("wf-2")?.resolve();
    expect(await second).toEqual(judged(2));
    gates.get("wf-1")?.resolve();
    expect(await first).toEqual(judged(1));
    expect(fake.streams.size).toBe(2);
  });

  test("nobody waits for its answer when its signal aborts: the stream is left, and the next question has another", async () => {
    fake.answerQuestion = () => new Promise(() => {});
    const leaving = new AbortController();
    const asked = ask(1, leaving.signal);
    await until(() => fake.questions.length === 1, "it is asked");
    leaving.abort(new Error("too long"));
    await expect(asked).rejects.toThrow("too long");
    await until(() => fake.streams.size === 0, "the stream is left");
    fake.answerQuestion = async ({ checks, question }) => [{ verdicts: await echo(checks), question }];
    clock.pass(30_000);
    expect(await ask(2)).toEqual(judged(2));
  });

  test("has a deadline, and that it passed says nothing but that", async () => {
    await ask(1);
    fake.answerQuestion = () => new Promise(() => {});
    const asked = ask(2).catch((error: unknown) => error);
    await until(() => fake.questions.length === 2, "it is asked");
    clock.pass(1_000);
    const error = await asked;
    expect(error).toBeInstanceOf(ClientError);
    expect(error).toMatchObject({ code: Status.DEADLINE_EXCEEDED });
    await until(() => fake.streams.size === 0, "the stream is left");
  });

  test("leaves no timer behind but that of the idle stream", async () => {
    for (const version of [1, 2, 3]) await ask(version);
    expect(clock.timerCount).toBe(1);
  });
});

describe("there is no answer to be had on a stream, so it is asked otherwise:", () => {
  test("an engine that does not know the method is not asked again before thirty seconds have passed", async () => {
    fake.hasStreams = false;
    expect(await ask(1)).toBeUndefined();
    fake.hasStreams = true;
    clock.pass(29_999);
    expect(await ask(2)).toBeUndefined();
    expect(fake.questions).toEqual([]);
    clock.pass(1);
    expect(await ask(3)).toEqual(judged(3));
  });

  test("the first question of a stream has no answer in a quarter of its time", async () => {
    fake.answerQuestion = () => new Promise(() => {});
    const asked = ask(1);
    await until(() => fake.questions.length === 1, "it is asked");
    clock.pass(250);
    expect(await asked).toBeUndefined();
    await until(() => fake.streams.size === 0, "the stream is left");
    expect(await ask(2)).toBeUndefined();
    expect(fake.questions).toHaveLength(1);
  });

  test("nobody listens there", async () => {
    streams.close();
    streams = createCheckStreams({ address: "127.0.0.1:1", clock, logger });
    expect(await ask(1)).toBeUndefined();
  });

  test("a question ends the stream; the next one has another at once", async () => {
    expect(await ask(1)).toEqual(judged(1));
    const { answerQuestion } = fake;
    fake.answerQuestion = async () => {
      throw new ServerError(Status.INVALID_ARGUMENT, "spoilt");
    };
    expect(await ask(2)).toBeUndefined();
    fake.answerQuestion = answerQuestion;
    expect(await ask(3)).toEqual(judged(3));
    expect(fake.questions).toHaveLength(3);
  });

  test("the answer is that of another question", async () => {
    fake.answerQuestion = async ({ checks, question }) => [{ verdicts: await echo(checks), question: question + 1n }];
    expect(await ask(1)).toBeUndefined();
    await until(() => fake.streams.size === 0, "the stream is left");
  });

  test.each([
    { what: "a verdict too few", change: () => [] },
    { what: "a verdict too many", change: (verdicts: readonly object[]) => [...verdicts, ...verdicts] },
    { what: "a verdict without a judgement", change: () => [{}] },
    { what: "a judgement that is not known", change: () => [{ judgement: Judgement.UNRECOGNIZED }] },
  ])("the answer has $what", async ({ change }) => {
    fake.answerQuestion = async ({ checks, question }) => [{ verdicts: change(await echo(checks)), question }];
    expect(await ask(1)).toBeUndefined();
    await until(() => fake.streams.size === 0, "the stream is left");
  });

  test("an answer comes twice: the second is not taken for that of the next question", async () => {
    fake.answerQuestion = async ({ checks, question }) => {
      const answer = { verdicts: await echo(checks), question };
      return [answer, answer];
    };
    expect(await ask(1)).toEqual(judged(1));
    await until(() => fake.streams.size === 0, "the stream is left");
    expect(await ask(2)).toEqual(judged(2));
  });

  test("after close, also of a stream that has not answered yet", async () => {
    expect(await ask(1)).toEqual(judged(1));
    fake.answerQuestion = () => new Promise(() => {});
    const unanswered = [ask(2), ask(3)];
    await until(() => fake.questions.length === 3, "both are asked");
    streams.close();
    expect(await Promise.all(unanswered)).toEqual([undefined, undefined]);
    await until(() => fake.streams.size === 0, "the streams are left");
    clock.pass(30_000);
    expect(await ask(4)).toBeUndefined();
  });
});

test("a stream that nobody needs is left after ten seconds", async () => {
  expect(await ask(1)).toEqual(judged(1));
  clock.pass(9_999);
  expect(await ask(2)).toEqual(judged(2));
  clock.pass(9_999);
  await sleep(20);
  expect(fake.streams.size).toBe(1);
  clock.pass(1);
  await until(() => fake.streams.size === 0, "it is left");
  expect(await ask(3)).toEqual(judged(3));
});

test("an engine that comes back has its streams again", async () => {
  expect(await ask(1)).toEqual(judged(1));
  fake.stop();
  await until(async () => (await ask(2)) === undefined, "it is gone");
  expect(await ask(3)).toBeUndefined();
  fake = await startFakePredicateLogic({ address: fake.address });
  fake.hasStreams = true;
  clock.pass(30_000);
  expect(await ask(4)).toEqual(judged(4));
});
