import fc from "fast-check";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { translatedAtOnceBytesMax } from "../../../src/http/limits.ts";
import { answerText, encodeRequest } from "../../../src/http/translate.ts";
import { createTranslator } from "../../../src/http/translator.ts";
import { fieldCountMax } from "../../../src/kernel/limits.ts";
import { tooManyFields } from "../../../src/rpc/wire-format.ts";

const create = "concord.workflow.v1.CreateWorkflowRequest";
const transition = "concord.workflow.v1.TransitionWorkflowRequest";

function problems(typeName: string, body: unknown, fixed = {}) {
  const encoded = encodeRequest({ typeName, body: Buffer.from(typeof body === "string" ? body : JSON.stringify(body)), fixed });
  return encoded.type === "encoded" ? [] : encoded.problems;
}

function roundTrip(typeName: string, body: object, fixed = {}): unknown {
  const encoded = encodeRequest({ typeName, body: Buffer.from(JSON.stringify(body)), fixed });
  if (encoded.type === "invalid") throw new Error(JSON.stringify(encoded.problems));
  return JSON.parse(answerText({ typeName, bytes: encoded.bytes, isEvent: false }));
}

test("any JSON object is metadata, and comes back as it was", () => {
  // Numbers of JSON are doubles; -0 is 0 there.
  const json = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 }));
  fc.assert(
    fc.property(json, (metadata) => {
      const told = JSON.stringify({ workflowId: "a", metadata });
      const plain = JSON.parse(told);
      expect((roundTrip(create, plain) as { metadata: unknown }).metadata).toEqual(plain.metadata);
    }),
  );
});

test("each problem is named at its place, in the words of the contract", () => {
  const enlist = [{ participantId: 1, payload: "%%" }, null, 5, { nope: 1 }];
  const found = problems(transition, { targetState: "ACTIVE", expectedVersion: 1.5, enlist, timeout: "5", context: [] });
  expect(found.map(({ field }) => field)).toEqual([
    "target_state",
    "expected_version",
    "enlist[0].participant_id",
    "enlist[0].payload",
    "enlist[1]",
    "enlist[2]",
    "enlist[3].nope",
    "timeout",
    "context",
  ]);
  expect(found[0]?.description).toContain("WORKFLOW_STATE_ACTIVE");
});

test.each(["91s*", "5s ", "1.5s5", "1s\n", "91\\u0073*"])("what only begins as a duration is none: %j", (timeout) => {
  const description = 'must be a duration in seconds such as "1.5s"';
  expect(problems(transition, `{"timeout":"${timeout.replace("\n", "\\n")}"}`)).toEqual([{ field: "timeout", description }]);
  expect(problems(transition, {}, { timeout })).toEqual([{ field: "timeout", description }]);
  expect(problems("concord.workflow.v1.BatchTransitionWorkflowsRequest", { waitForParticipants: timeout })).toHaveLength(1);
  expect(problems(create, { deadline: { after: timeout, targetState: "WORKFLOW_STATE_FAILED" } })[0]?.field).toMatch(/^deadline/);
});

test("no more than twenty are named", () => {
  expect(problems(transition, { enlist: Array.from({ length: 1_000 }, () => null) })).toHaveLength(20);
});

test("numbers may be in quotes, and 64 bits come back so", () => {
  expect(roundTrip(transition, { expectedVersion: 7 })).toEqual(roundTrip(transition, { expected_version: "7" }));
  expect(roundTrip(transition, { expectedVersion: 7 })).toMatchObject({ expectedVersion: "7" });
});

test("more values than a message may have fields are counted, not made; commas in texts are none", () => {
  expect(problems(create, `{"metadata":{"a":[${"{},".repeat(fieldCountMax)}1]}}`)).toEqual([
    { field: "", description: tooManyFields },
  ]);
  expect(problems(create, { reason: `\\",${"{},".repeat(fieldCountMax)}"` })).toEqual([]);
});

test("nesting without end is refused, not followed", () => {
  const deep = `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`;
  expect(problems(transition, `{"context":${deep}}`)[0]?.field).toBe("context");
});

describe("on a thread and at once", () => {
  const translator = createTranslator();
  afterAll(() => translator.close());

  test("the same comes out", async () => {
    const text = "x".repeat(translatedAtOnceBytesMax);
    for (const body of [
      { workflowId: "a", metadata: { text } },
      { workflowId: 1, reason: text },
    ]) {
      const parts = { typeName: create, body: Buffer.from(JSON.stringify(body)), fixed: {} };
      const encoded = await translator.request(parts);
      const atOnce = encodeRequest(parts);
      if (atOnce.type === "invalid" || encoded?.type !== "encoded") {
        expect(encoded).toEqual(atOnce);
        continue;
      }
      expect(Buffer.from(encoded.bytes).equals(atOnce.bytes)).toBe(true);
      const answer = { typeName: create, bytes: encoded.bytes, isEvent: false };
      expect(await translator.response(answer)).toBe(answerText(answer));
    }
  });

  test("what would wait beyond a bound is not taken, and what is done does not count", async () => {
    const bytes = translatedAtOnceBytesMax + 1;
    const bounded = createTranslator({ bodyBytesMax: 2 * bytes, answerBytesMax: bytes });
    onTestFinished(() => bounded.close());
    const request = () => bounded.request({ typeName: create, body: Buffer.from(`{}${" ".repeat(bytes - 2)}`), fixed: {} });
    const [one, other] = [request(), request()];
    expect(request()).toBeUndefined();
    await Promise.all([one, other]);
    expect(await request()).toMatchObject({ type: "encoded" });
    const encoded = encodeRequest({
      typeName: create,
      body: Buffer.from(JSON.stringify({ reason: "x".repeat(bytes - 3) })),
      fixed: {},
    });
    if (encoded.type === "invalid") throw new Error("it is valid");
    const answer = () => bounded.response({ typeName: create, bytes: encoded.bytes.subarray(0), isEvent: false });
    const first = answer();
    expect(first).toBeInstanceOf(Promise);
    expect(answer()).toBeUndefined();
    await first;
  });

  test("what cannot be translated is said, and the thread goes on", async () => {
    const bytes = new Uint8Array(translatedAtOnceBytesMax + 1).fill(0xff);
    await expect(async () => translator.response({ typeName: create, bytes, isEvent: false })).rejects.toThrow();
    const parts = { typeName: create, body: Buffer.from(" ".repeat(translatedAtOnceBytesMax + 1)), fixed: {} };
    expect(await translator.request(parts)).toMatchObject({ type: "invalid" });
  });
});
