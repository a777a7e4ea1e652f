import { describe, expect, test } from "vitest";
import { differences, subjectOf } from "../../../src/events/nats.ts";
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
