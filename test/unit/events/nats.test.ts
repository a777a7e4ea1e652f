import { describe, expect, test } from "vitest";
import { differences, publishTo, subjectOf } from "../../../src/events/nats.ts";
import { sourceEvent } from "../../support/sink-values.ts";

describe("the subject of an event", () => {
  test.each([
    [{}, "concord.events.sample.transition.wf-1"],
    [{ workflowType: "" }, "concord.events._.transition.wf-1"],
    [{ workflowType: "lab.sample", workflowId: "a..b:c." }, "concord.events.lab%2Esample.transition.a%2E%2Eb:c%2E"],
  ])("of %j is %s: a token each", (fields, subject) => {
    expect(subjectOf("concord.events", { ...sourceEvent, ...fields })).toBe(subject);
  });
});

describe("a stream that is there", () => {
  const wanted = { subjectPrefix: "concord.events", duplicateWindowMs: 120_000 };
  const window = 120_000 * 1_000_000;

  test.each([
    [{ subjects: ["concord.events.>"], duplicate_window: window }, []],
    [{ subjects: ["other", ">"], duplicate_window: 2 * window }, []],
    [{ subjects: ["concord.>"], duplicate_window: window }, ["takes concord.>, not concord.events.>"]],
    [{ subjects: [], duplicate_window: window }, ["takes no subjects, not concord.events.>"]],
    [{ subjects: ["concord.events.>"], duplicate_window: window / 2 }, ["finds duplicates for 60000 ms only, not 120000 ms"]],
    [{ subjects: ["concord.events.>"], duplicate_window: window, sealed: true }, ["is sealed"]],
  ])("%j: %j", (config, problems) => {
    expect(differences(config, wanted)).toEqual(problems);
  });
});

describe("each event is to be stored only behind the one before it on its connection", () => {
  type Publish = Parameters<typeof publishTo>[1]["publish"];

  /** A server that answers what is published when the test says so, and takes so many bytes. */
  function connected(payloadBytesMax: number) {
    const sent: Parameters<Publish>[2][] = [];
    const answers: ReturnType<typeof Promise.withResolvers<Awaited<ReturnType<Publish>>>>[] = [];
    const info = { max_payload: payloadBytesMax } as NonNullable<Parameters<typeof publishTo>[0]["info"]>;
    const server = { info, closed: () => new Promise<void>(() => {}), close: async () => {} };
    const publish: Publish = (_subject, _payload, options) => {
      const answer = Promise.withResolvers<Awaited<ReturnType<Publish>>>();
      sent.push(options);
      answers.push(answer);
      return answer.promise;
    };
    const options = { stream: "CONCORD", subjectPrefix: "concord.events" };
    const connection = publishTo(server, { publish }, options, "store");
    return {
      publish: (sequence: number, body = "{}") => connection.publish([{ event: { ...sourceEvent, sequence }, body }]),
      answers,
      sent: () => sent.map((each) => ({ msgID: each?.msgID, expect: each?.expect, retries: each?.retries })),
    };
  }

  const behind = (sequence: number, lastMsgID?: string) => ({
    msgID: `store:${sequence}`,
    expect: { streamName: "CONCORD", ...(lastMsgID && { lastMsgID }) },
    retries: 0,
  });

  test("also behind one that is not answered yet, or that has failed: what is stored after a hole would be out of order", async () => {
    const { publish, answers, sent } = connected(100);
    const first = publish(4);
    const second = publish(5);
    answers[0]?.reject(new Error("timeout"));
    expect(await first).toEqual({ type: "failed", cause: "Error: timeout" });
    const third = publish(9);
    expect(sent()).toEqual([behind(4), behind(5, "store:4"), behind(9, "store:5")]);
    for (const answer of answers) answer.resolve({ stream: "CONCORD", seq: 1, domain: "", duplicate: false });
    expect([await second, await third]).toEqual([{ type: "acknowledged" }, { type: "acknowledged" }]);
  });

  test("not behind one that is too large to be sent, for the others go on without it", async () => {
    const { publish, sent } = connected(100);
    void publish(1, "a".repeat(100));
    expect(await publish(2, "ä".repeat(51))).toEqual({
      type: "refused",
      cause: "it has 102 bytes, and the server takes 100 (max_payload)",
    });
    void publish(3);
    expect(sent()).toEqual([behind(1), behind(3, "store:1")]);
  });
});
