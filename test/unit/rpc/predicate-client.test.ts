import { setTimeout as sleep } from "node:timers/promises";
import { ServerError, Status } from "nice-grpc";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Judgement } from "../../../src/gen/concord/predicate/v1/verdict.ts";
import { WorkflowState } from "../../../src/gen/concord/workflow/v1/workflow.ts";
import type { JsonObject } from "../../../src/kernel/json.ts";
import { openChannel } from "../../../src/rpc/clients/channel.ts";
import { type CheckStreams, createCheckStreams } from "../../../src/rpc/clients/check-streams.ts";
import { createPredicateClient, predicateCalls } from "../../../src/rpc/clients/predicate-client.ts";
import { invalidField, rpcError } from "../../../src/rpc/errors.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import { noWarnings } from "../../../src/workflow/core/warnings.ts";
import type { Asker, PredicateClient } from "../../../src/workflow/ports.ts";
import { type Answerer, echo, failWith, startFakePredicateLogic } from "../../support/fake-predicate-logic.ts";
import { workflow as workflowOf } from "../../support/storage-values.ts";
import { until } from "../../support/until.ts";

let fake: Awaited<ReturnType<typeof startFakePredicateLogic>>;
let channel: ReturnType<typeof openChannel>;
let client: PredicateClient;

function connect(timeoutMs = 20_000, clock = systemClock): PredicateClient {
  return createPredicateClient({ engine: predicateCalls(channel), timeoutMs, logger: pino({ level: "silent" }), clock });
}

beforeEach(async () => {
  fake = await startFakePredicateLogic();
  channel = openChannel(fake.address);
  client = connect();
});

afterEach(() => {
  channel.close();
  fake.stop();
});

/** Timers fire at once, and it is then that much later than they were due. */
function clockWhoseTimersFire(lateMs: number): typeof systemClock {
  let aheadMs = 0;
  return {
    ...systemClock,
    monotonicMs: () => systemClock.monotonicMs() + aheadMs,
    setTimer: (delayMs, run) =>
      systemClock.setTimer(1, () => {
        aheadMs += delayMs + lateMs;
        run();
      }),
  };
}

const patient = { signal: new AbortController().signal };

function ask(id: string, version = 1, asker: Asker = patient, metadata: JsonObject = {}) {
  const check = {
    workflow: workflowOf(id, { state: "ACTIVE", previousState: "CREATED", version, metadata }),
    lastEvent: undefined,
    targetState: "PAUSED",
    reason: "r",
    requestedBy: "ada",
    context: {},
    transaction: undefined,
    atMs: 1,
  } as const;
  return client.check(check, asker);
}

const askMany = (count: number) => Promise.all(Array.from({ length: count }, (_, index) => ask(`wf-${index}`, index + 1)));
const allowedUnder = (ruleSetRevision: number) => ({
  ok: true,
  value: { type: "allowed", ruleSetRevision, warnings: noWarnings },
});
const busy = rpcError({ code: Status.RESOURCE_EXHAUSTED, reason: "OVERLOADED", message: "too much", retryAfterMs: 700 });
const overloaded = { ok: false, error: { type: "overloaded", cause: "too much", retryAfterMs: 700 } };
const unavailable = { ok: false, error: { type: "unavailable" } };

describe("coalescing", () => {
  test("1,000 questions at once are 8 calls, and each asker gets its own answer", async () => {
    const answers = await askMany(1_000);
    expect(answers).toEqual(answers.map((_, index) => allowedUnder(index + 1)));
    expect(fake.calls.map((call) => call.length)).toEqual([128, 128, 128, 128, 128, 128, 128, 104]);
  });

  test("what is asked while two calls are under way goes into the next one", async () => {
    const gate = Promise.withResolvers<void>();
    fake.answer = async (checks) => {
      await gate.promise;
      return echo(checks);
    };
    const first = ask("first");
    await until(() => fake.calls.length === 1, "the first call is under way");
    const second = ask("second");
    await until(() => fake.calls.length === 2, "the second call is under way");
    const others = askMany(50);
    // What would be a third call would arrive no later than a call that goes after it on the same connection.
    await new Promise((resolve) => setImmediate(resolve));
    gate.resolve();
    await Promise.all([first, second, others]);
    expect(fake.calls.map((call) => call.length)).toEqual([1, 1, 50]);
  });

  test("a call is as large as is read in one go; a check that is larger goes alone", async () => {
    const askWith = (length: number, index: number) => ask(`wf-${index}`, index + 1, patient, { text: "x".repeat(length) });
    const answers = await Promise.all([...Array(10).fill(30_000), 200_000, 200_000, 1, 1].map(askWith));
    expect(answers).toEqual(answers.map((_, index) => allowedUnder(index + 1)));
    expect(fake.calls.map((call) => call.length)).toEqual([3, 3, 3, 1, 1, 1, 2]);
  });

  test("a check that spoils its batch fails alone", async () => {
    const spoilt: Answerer = async (checks) => {
      if (checks.some(({ workflow }) => workflow?.workflowId === "wf-3"))
        throw new ServerError(Status.INVALID_ARGUMENT, "spoilt");
      return echo(checks);
    };
    fake.answer = spoilt;
    const answers = await askMany(6);
    expect(answers.map(({ ok }) => ok)).toEqual([true, true, true, false, true, true]);
    expect(answers[3]).toMatchObject({ error: { type: "refused", refusal: { why: "invalid" } } });
  });

  test("checks that are too much for one message are asked in halves, not one by one", async () => {
    const upTo4: Answerer = async (checks) => {
      if (checks.length > 4) throw new ServerError(Status.INVALID_ARGUMENT, "too many fields");
      return echo(checks);
    };
    fake.answer = upTo4;
    expect((await askMany(16)).every(({ ok }) => ok)).toBe(true);
    expect(fake.calls).toHaveLength(1 + 2 + 4);
  });

  test("an engine that is overloaded is not asked once for each check of the batch", async () => {
    fake.answer = failWith(busy);
    expect(await askMany(20)).toMatchObject(Array.from({ length: 20 }, () => overloaded));
    expect(fake.calls).toHaveLength(1);
  });
});

describe("who cannot be answered in time", () => {
  test("is not asked about when its caller's deadline has passed, or its caller has left, while it waited", async () => {
    const gate = Promise.withResolvers<void>();
    fake.answer = async (checks) => {
      await gate.promise;
      return echo(checks);
    };
    const underWay = [ask("first")];
    await until(() => fake.calls.length === 1, "the first call is under way");
    underWay.push(ask("second"));
    await until(() => fake.calls.length === 2, "the second call is under way");
    const caller = new AbortController();
    const left = ask("left", 1, caller);
    const late = ask("late", 1, { ...patient, deadlineMs: Date.now() });
    const others = askMany(3);
    caller.abort();
    gate.resolve();
    expect(await left).toMatchObject({ error: { type: "unavailable", cause: "its caller has left" } });
    expect(await late).toMatchObject({ error: { type: "overloaded" } });
    expect(await others).toEqual([1, 2, 3].map(allowedUnder));
    await Promise.all(underWay);
    expect(fake.calls.at(-1)).toEqual(["wf-0", "wf-1", "wf-2"]);
  });

  test("2,048 at once, at an engine that judges 128 in 40 ms: all are answered, and none is refused", async () => {
    client = connect(1_000);
    let free = Promise.resolve();
    fake.answer = (checks) => {
      const answered = free.then(() => sleep(40));
      free = answered;
      return answered.then(() => echo(checks));
    };
    const answers = await askMany(2_048);
    expect(answers.filter(({ ok }) => ok)).toHaveLength(2_048);
  });
});

describe("a check whose rules take long", () => {
  const deferring: Answerer = async (checks) => {
    const answers = await echo(checks);
    return answers.map((answer, index) =>
      checks[index]?.workflow?.workflowId === "wf-3" ? { judgement: Judgement.DEFERRED } : answer,
    );
  };

  test("is asked alone, and the others of its batch do not wait for it", async () => {
    const gate = Promise.withResolvers<void>();
    fake.answer = deferring;
    fake.answerAlone = async (checks) => {
      await gate.promise;
      return echo(checks);
    };
    const dear = ask("wf-3", 3);
    expect(await askMany(3)).toEqual([1, 2, 3].map(allowedUnder));
    await until(() => fake.alone.length === 1, "it is asked alone");
    gate.resolve();
    expect(await dear).toEqual(allowedUnder(3));
    expect(fake.alone).toEqual(["wf-3"]);
  });

  test("is refused as overloaded when the engine says so, however often, and the circuit stays closed", async () => {
    fake.answer = deferring;
    fake.answerAlone = failWith(busy);
    expect(await Promise.all(Array.from({ length: 20 }, () => ask("wf-3")))).toEqual(Array(20).fill(overloaded));
    expect(await ask("wf", 7)).toEqual(allowedUnder(7));
  });

  test("does not open the circuit when it has no answer in time", async () => {
    client = connect(50);
    fake.answer = deferring;
    fake.answerAlone = () => new Promise(() => undefined);
    const dear = await Promise.all(Array.from({ length: 20 }, () => ask("wf-3")));
    expect(dear.filter(({ ok }) => ok)).toEqual([]);
    // It would stay open for half a second.
    expect(await ask("wf", 7)).not.toMatchObject({ error: { cause: "circuit open" } });
  });
});

describe("the circuit breaker", () => {
  test("opens after five failed calls in a row: the next is answered at once, without a call; and closes by itself", async () => {
    fake.answer = failWith(new ServerError(Status.UNAVAILABLE, "away"));
    for (let call = 0; call < 5; call += 1)
      expect(await ask("wf")).toMatchObject({ error: { cause: expect.stringContaining("away") } });
    expect(await ask("wf")).toEqual({ ok: false, error: { type: "unavailable", cause: "circuit open" } });
    expect(fake.calls).toHaveLength(5);
    fake.answer = echo;
    expect(await until(async () => (await ask("wf", 7)).ok, "the circuit closes")).toBe(true);
    expect(await askMany(10)).toEqual(Array.from({ length: 10 }, (_, index) => allowedUnder(index + 1)));
  });

  test("stays closed while the engine is overloaded, which is an answer", async () => {
    fake.answer = failWith(busy);
    for (let call = 0; call < 10; call += 1) expect(await ask("wf")).toMatchObject(overloaded);
    fake.answer = echo;
    expect(await ask("wf", 7)).toEqual(allowedUnder(7));
  });

  test("stays closed while this process is too busy to hear the answers: they are overload", async () => {
    // Whenever a timer fires, the loop had stood still for a second.
    client = connect(50, clockWhoseTimersFire(1_000));
    fake.answer = () => new Promise(() => undefined);
    for (let call = 0; call < 6; call += 1) expect(await ask("wf")).toMatchObject({ error: { type: "overloaded" } });
    fake.answer = echo;
    expect(await ask("wf", 7)).toEqual(allowedUnder(7));
  });

  test("stays closed when questions are bad: others are still answered", async () => {
    fake.answer = failWith(new ServerError(Status.INVALID_ARGUMENT, "bad question"));
    for (let call = 0; call < 10; call += 1) expect(await ask("wf")).toMatchObject({ error: { type: "refused" } });
    fake.answer = echo;
    expect(await ask("wf", 7)).toEqual(allowedUnder(7));
  });
});

describe("what an allowed move is warned of", () => {
  const warning = { ruleId: "cold", ruleVersion: 2, message: "warm" };

  test("is told, with how many warnings were left out; audits and shadows are not", async () => {
    const judgement = Judgement.ALLOWED;
    fake.answer = async () => [
      { judgement, ruleSetRevision: 3n, warnings: [{ ...warning, evaluationFailed: true }], warningsOmitted: 2 },
      { judgement, ruleSetRevision: 3n, audits: [warning], shadows: [{ ruleId: "cold", shadowVersion: 3 }] },
    ];
    expect(await askMany(2)).toEqual([
      { ok: true, value: { type: "allowed", ruleSetRevision: 3, warnings: { first: [warning], omitted: 2 } } },
      allowedUnder(3),
    ]);
  });
});

describe("a question that the engine does not take", () => {
  const tooLarge = { code: Status.RESOURCE_EXHAUSTED, reason: "MESSAGE_TOO_LARGE", message: "more than 7 bytes" } as const;
  const sizes = "workflow.metadata has 2 bytes, last_event.metadata has 2 bytes, context has 2 bytes";

  test.each([
    {
      what: "because of a field, which has the name that its caller knows",
      error: invalidField("checks[0].context", "is bad"),
      refusal: { why: "invalid", cause: "context: is bad", fields: [{ field: "context", description: "is bad" }] },
    },
    {
      what: "because of all of it, with what is in it",
      error: invalidField("", "has more than 62000 fields"),
      refusal: { why: "invalid", cause: `has more than 62000 fields; ${sizes}`, fields: [] },
    },
    {
      what: "because it is too large, with the limit, and with what is in it",
      error: rpcError({ ...tooLarge, metadata: { limit: "7" } }),
      refusal: { why: "too-large", cause: `more than 7 bytes; ${sizes}`, limit: 7, fields: [] },
    },
    {
      what: "because its rules cost too much",
      error: rpcError({ ...tooLarge, reason: "CHECKS_TOO_EXPENSIVE", message: "cost", metadata: { limit: "9" } }),
      refusal: { why: "too-expensive", cause: "cost", limit: 9, fields: [] },
    },
  ])("$what", async ({ error, refusal }) => {
    fake.answer = failWith(error);
    expect(await ask("wf")).toEqual({ ok: false, error: { type: "refused", refusal: { limit: undefined, ...refusal } } });
  });
});

describe("by streams", () => {
  let streams: CheckStreams;

  beforeEach(() => {
    fake.hasStreams = true;
    streams = createCheckStreams({ address: fake.address, clock: systemClock, logger: pino({ level: "silent" }) });
    client = connect();
  });

  afterEach(() => streams.close());

  const connect = (timeoutMs = 20_000, clock = systemClock): PredicateClient =>
    createPredicateClient({
      engine: predicateCalls(channel),
      streams,
      timeoutMs,
      logger: pino({ level: "silent" }),
      clock,
    });

  test("1,000 questions at once go over two streams, and none by a call", async () => {
    const answers = await askMany(1_000);
    expect(answers).toEqual(answers.map((_, index) => allowedUnder(index + 1)));
    expect(fake.questions.map(({ checks }) => checks.length)).toEqual([128, 128, 128, 128, 128, 128, 128, 104]);
    expect(fake.streams.size).toBe(2);
    expect(fake.calls).toEqual([]);
  });

  test("each question says whose it is", async () => {
    await ask("a", 1, { ...patient, origin: { requestId: "call-a" } });
    await Promise.all([ask("b"), ask("c", 1, { ...patient, origin: { requestId: "call-c" } })]);
    expect(fake.questions).toEqual([
      { checks: ["a"], callIds: ["call-a"] },
      { checks: ["b", "c"], callIds: ["", "call-c"] },
    ]);
  });

  test("what is traced goes by a call", async () => {
    const traceparent = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;
    expect(await ask("a", 1, { ...patient, origin: { requestId: "call-a", traceparent } })).toEqual(allowedUnder(1));
    expect([fake.questions.length, fake.calls.length]).toEqual([0, 1]);
  });

  test("a check that spoils its batch fails alone, and with the words of the engine", async () => {
    fake.answer = async (checks) => {
      if (checks.some(({ workflow }) => workflow?.workflowId === "wf-3")) throw invalidField("checks[0].context", "is bad");
      return echo(checks);
    };
    const answers = await askMany(6);
    expect(answers.map(({ ok }) => ok)).toEqual([true, true, true, false, true, true]);
    expect(answers[3]).toMatchObject({ error: { type: "refused", refusal: { why: "invalid", cause: "context: is bad" } } });
  });

  test("a check whose rules take long is asked alone, by a call", async () => {
    fake.answer = async (checks) => checks.map(() => ({ judgement: Judgement.DEFERRED }));
    expect(await ask("wf", 3)).toEqual(allowedUnder(3));
    expect(fake.alone).toEqual(["wf"]);
  });

  test("what is answered on a stream with a verdict too few is asked by a call", async () => {
    fake.answerQuestion = async ({ checks, question }) => [{ verdicts: (await echo(checks)).slice(1), question }];
    expect(await askMany(3)).toEqual([1, 2, 3].map(allowedUnder));
    expect(fake.calls).toEqual([["wf-0", "wf-1", "wf-2"]]);
  });

  test("an engine that has no streams is asked by calls", async () => {
    fake.hasStreams = false;
    expect(await ask("wf-1", 1)).toEqual(allowedUnder(1));
    expect(await ask("wf-2", 2)).toEqual(allowedUnder(2));
    expect(fake.calls).toEqual([["wf-1"], ["wf-2"]]);
  });

  test("an engine that is overloaded is an answer, and the circuit stays closed", async () => {
    fake.answer = failWith(busy);
    for (let call = 0; call < 10; call += 1) expect(await ask("wf")).toMatchObject(overloaded);
    fake.answer = echo;
    expect(await ask("wf", 7)).toEqual(allowedUnder(7));
  });

  test("one that falls silent is not waited for twice, and opens the circuit", async () => {
    client = connect(50);
    fake.answer = () => new Promise(() => undefined);
    for (let call = 0; call < 5; call += 1) expect(await ask("wf")).toMatchObject(unavailable);
    expect(await ask("wf")).toEqual({ ok: false, error: { type: "unavailable", cause: "circuit open" } });
    // The first question is asked both ways, within the time of one; and no other stream is opened for a while.
    expect([fake.questions.length, fake.calls.length]).toEqual([1, 5]);
  });

  test("when this process is too busy to hear the answer, that is overload", async () => {
    expect(await ask("wf", 7)).toEqual(allowedUnder(7));
    client = connect(50, clockWhoseTimersFire(1_000));
    fake.answer = () => new Promise(() => undefined);
    expect(await ask("wf")).toMatchObject({ error: { type: "overloaded" } });
    expect([fake.questions.length, fake.calls.length]).toEqual([2, 0]);
  });
});

describe("metadata", () => {
  const askOfMetadata = (workflowType = "sample", asker: Asker = patient) =>
    client.checkMetadata({ workflowType, metadata: { a: 1 } }, asker);

  test("is asked about by type, and the violations are told with the revision", async () => {
    const violations = [{ path: "metadata.a", message: "is 1, must be a string" }];
    fake.answerOfMetadata = async () => ({ ruleSetRevision: 4n, violations });
    expect(await askOfMetadata()).toEqual({ ok: true, value: { ruleSetRevision: 4, violations } });
    expect(fake.askedOfMetadata).toEqual(["sample"]);
  });

  test("that the engine does not take is refused, with the fields of a creation", async () => {
    fake.answerOfMetadata = failWith(invalidField("workflow_type", "is no name"));
    expect(await askOfMetadata()).toMatchObject({
      error: { type: "refused", refusal: { fields: [{ field: "type", description: "is no name" }] } },
    });
    fake.answerOfMetadata = failWith(invalidField("", "is too much"));
    expect(await askOfMetadata()).toMatchObject({ error: { refusal: { cause: "is too much; metadata has 7 bytes" } } });
  });

  test("shares the circuit with moves: an engine that does not answer is not asked again at once", async () => {
    fake.answerOfMetadata = failWith(new ServerError(Status.UNAVAILABLE, "away"));
    for (let call = 0; call < 5; call += 1) expect(await askOfMetadata()).toMatchObject(unavailable);
    expect(await askOfMetadata()).toEqual({ ok: false, error: { type: "unavailable", cause: "circuit open" } });
    expect(await ask("wf")).toEqual({ ok: false, error: { type: "unavailable", cause: "circuit open" } });
    expect(fake.askedOfMetadata).toHaveLength(5);
  });

  test("is asked about in at most 64 calls at once; who has left meanwhile is not asked about", async () => {
    const gate = Promise.withResolvers<void>();
    fake.answerOfMetadata = async () => {
      await gate.promise;
      return { ruleSetRevision: 4n };
    };
    const asked = Array.from({ length: 64 }, () => askOfMetadata());
    await until(() => fake.askedOfMetadata.length === 64, "64 calls are under way");
    const caller = new AbortController();
    const left = askOfMetadata("left", caller);
    const waits = askOfMetadata("waits");
    caller.abort();
    gate.resolve();
    expect(await left).toMatchObject({ error: { cause: "its caller has left" } });
    expect(await Promise.all([...asked, waits])).toMatchObject(Array(65).fill({ ok: true }));
    expect(fake.askedOfMetadata.slice(64)).toEqual(["waits"]);
  });

  test("is refused as overloaded when the engine says so", async () => {
    fake.answerOfMetadata = failWith(busy);
    expect(await askOfMetadata()).toEqual(overloaded);
  });
});

describe("silence, a late answer and a strange one are all `unavailable`", () => {
  test("an engine that does not answer in time", async () => {
    client = connect(20_000, clockWhoseTimersFire(0));
    fake.answer = () => new Promise(() => undefined);
    expect(await ask("wf")).toMatchObject(unavailable);
  });

  test("an engine that is gone", async () => {
    fake.stop();
    expect(await ask("wf")).toMatchObject(unavailable);
  });

  test("a judgement that this client does not know", async () => {
    fake.answer = async (checks) => checks.map(() => ({ ruleSetRevision: 1n }));
    const strange = { ok: false, error: { type: "unavailable", cause: "the answer has no known judgement" } };
    expect(await askMany(2)).toEqual([strange, strange]);
  });

  test.each([
    { what: "the first verdict is missing", change: (verdicts: readonly unknown[]) => verdicts.slice(1), count: 2 },
    { what: "there is one before it", change: (verdicts: readonly unknown[]) => [verdicts[0], ...verdicts], count: 4 },
  ])("an answer in which $what: nobody has another one's verdict", async ({ change, count }) => {
    fake.answer = async (checks) => change(await echo(checks)) as Awaited<ReturnType<Answerer>>;
    const error = { type: "unavailable", cause: `3 checks were answered with ${count} verdicts` };
    expect(await askMany(3)).toEqual(Array(3).fill({ ok: false, error }));
  });
});

describe("the moves of a workflow", () => {
  const question = {
    workflow: workflowOf("wf", { state: "ACTIVE", previousState: "CREATED", version: 2 }),
    lastEvent: undefined,
    reason: "r",
    requestedBy: "ada",
    context: {},
    transaction: undefined,
    atMs: 1,
  };
  const violation = { ruleId: "cold", ruleVersion: 3, message: "too warm", evaluationFailed: false };

  test("with what rules say of each", async () => {
    fake.moves = async () => ({
      ruleSetRevision: 5n,
      moves: [
        {
          targetState: WorkflowState.PAUSED,
          verdict: { judgement: Judgement.ALLOWED, warnings: [violation], warningsOmitted: 1 },
        },
        {
          targetState: WorkflowState.COMPLETED,
          verdict: { judgement: Judgement.RULE_DENIED, violations: [violation], violationsOmitted: 2 },
        },
        { targetState: WorkflowState.FAILED, verdict: { judgement: Judgement.DEFERRED } },
      ],
    });
    const nothing = { violations: [], warnings: [], violationsOmitted: 0, warningsOmitted: 0 };
    expect(await client.checkMoves(question, patient)).toEqual({
      ok: true,
      value: {
        ruleSetRevision: 5,
        moves: [
          { ...nothing, targetState: "PAUSED", isAllowed: true, warnings: [violation], warningsOmitted: 1 },
          { ...nothing, targetState: "COMPLETED", isAllowed: false, violations: [violation], violationsOmitted: 2 },
          { ...nothing, targetState: "FAILED", isAllowed: false },
        ],
      },
    });
  });

  test("of an engine that is busy, or says what nobody understands", async () => {
    fake.moves = async () => {
      throw busy;
    };
    expect(await client.checkMoves(question, patient)).toEqual(overloaded);
    fake.moves = async () => ({ moves: [{ verdict: { judgement: Judgement.ALLOWED } }] });
    expect(await client.checkMoves(question, patient)).toMatchObject(unavailable);
  });

  test("are not asked for once the caller has left", async () => {
    expect(await client.checkMoves(question, { signal: AbortSignal.abort() })).toMatchObject(unavailable);
  });
});
