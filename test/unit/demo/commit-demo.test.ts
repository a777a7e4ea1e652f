import { stripVTControlCharacters } from "node:util";
import { describe, expect, test } from "vitest";
import { disagreements } from "../../../demo/commit/agreement.ts";
import { createDiagram, type Happening } from "../../../demo/commit/diagram.ts";
import { createStory } from "../../../demo/commit/story.ts";

const columns = ["client", "coordinator", "p1", "p2", "p3"];

describe("a sequence diagram", () => {
  const happenings: readonly Happening[] = [
    { type: "arrow", from: ["client"], to: ["coordinator"], label: "Execute" },
    { type: "arrow", from: ["coordinator"], to: ["p1", "p2", "p3"], label: "Prepare" },
    { type: "arrow", from: ["p1"], to: ["coordinator"], label: "yes" },
    { type: "mark", at: ["p1"], sign: "×", note: "kill -9", life: "down" },
    { type: "arrow", from: ["p2", "p3"], to: ["coordinator"], label: "yes" },
    { type: "mark", at: ["coordinator"], sign: "●", note: "COMMIT is durable, which takes one forced write and some words" },
    { type: "arrow", from: ["coordinator"], to: ["p1"], label: "COMMIT", lost: true },
    { type: "arrow", from: ["coordinator"], to: ["p3"], label: "COMMIT" },
    { type: "mark", at: ["p2"], sign: "≠", note: "cut off", life: "cut off" },
    { type: "mark", at: ["p1"], sign: "○", note: "starts", life: "up" },
    { type: "arrow", from: ["p3"], to: ["coordinator"], label: "ack" },
  ];
  const drawn = (width: number, count: number): string => {
    const shown = [...columns.slice(0, 2), ...Array.from({ length: count }, (_, index) => `p${index + 1}`)];
    const diagram = createDiagram({ columns: shown, width });
    return [diagram.head(), ...happenings.map((each, index) => diagram.draw(each, index * 111))].join("\n");
  };

  test("names its arrows where there is room", () => {
    expect(drawn(100, 3)).toBe(wide);
  });

  test("names them beside the diagram where there is not, and stays within the width", () => {
    const text = drawn(80, 10);
    expect(text).toBe(narrow);
    expect(Math.max(...text.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
  });
});

describe("a story", () => {
  const at = (ms: number): string => new Date(1_800_000_000_000 + ms).toISOString();

  async function told(lines: readonly (readonly [process: string, ms: number, msg: string, fields?: object])[]) {
    const printed: string[] = [];
    const story = createStory({ columns, width: 100, print: (text) => printed.push(text), holder: (id) => id });
    for (const [process, ms, msg, fields] of lines) story.heard(process, { msg, time: at(ms), ...fields });
    await story.end();
    return printed.slice(1).map((line) => stripVTControlCharacters(line).trim());
  }

  test("puts the lines of all processes into the order in which they happened, and draws what is alike as one", async () => {
    const sent = (participant: string) => ["coordinator", 1, "send", { participant, kind: "prepare" }] as const;
    expect(
      await told([
        ["p2", 4, "vote sent", { vote: "commit" }],
        ["p1", 2, "prepare received"],
        ["p2", 2, "prepare received"],
        ["coordinator", 5, "vote received", { participant: "p2", vote: "commit" }],
        sent("p1"),
        sent("p2"),
        ["coordinator", 0, "something else"],
      ]),
    ).toEqual([
      "0.000    │            ├──Prepare──▶│───────────▶│            │",
      "0.003    │            │◀────yes────┼────────────┤            │",
    ]);
  });

  test("shows as lost what was sent to a session that has ended", async () => {
    const ended = { participant: "p1", sessionEpoch: 1, reason: "SESSION_SUPERSEDED" };
    expect(
      await told([
        ["coordinator", 0, "participant disconnected", ended],
        ["p1", 10, "vote sent", { vote: "commit" }],
        ["coordinator", 20, "participant connected", { participant: "p1", sessionEpoch: 3 }],
      ]),
    ).toEqual([
      "0.000    │            ├───ended───▶│            │            │   SESSION_SUPERSEDED",
      "0.010    │            │×────yes────┤            │            │   lost",
      "0.020    │            │◀───Hello───┤            │            │",
    ]);
  });
});

describe("the agreement after a scene", () => {
  const known = { id: "tx", told: "committed", decided: "committed", outcome: "committed", isOver: true, bound: ["p1"] } as const;
  const log = (name: string, state?: string) => ({
    name,
    participantId: "p1",
    states: new Map(state === undefined ? [] : [["tx", state]]),
  });

  test("is found where all agree", () => {
    expect(disagreements([known], [log("p1", "committed")])).toEqual([]);
  });

  test("may have the promise in one of two logs of a participant id", () => {
    expect(disagreements([known], [log("p1"), log("p1'", "committed")])).toEqual([]);
  });

  test.each([
    ["nothing was played", [], [], "no transaction was begun"],
    ["it is not over", [{ ...known, isOver: false }], [log("p1", "committed")], "tx is not over"],
    [
      "the client was told otherwise",
      [{ ...known, told: "aborted" } as const],
      [log("p1", "committed")],
      "tx is committed, but the client was told aborted",
    ],
    [
      "the coordinator had decided otherwise",
      [{ ...known, decided: "aborted" } as const],
      [log("p1", "committed")],
      "tx is committed, but was decided as aborted",
    ],
    ["a participant disagrees", [known], [log("p1", "aborted")], "tx is committed, but aborted at p1"],
    ["a promise is lost", [known], [log("p1")], "tx is committed, but unknown at p1"],
    ["a participant is in doubt", [known], [log("p1", "prepared")], "p1 is in doubt about 1"],
  ] as const)("is missing if %s", (_why, transactions, logs, problem) => {
    expect(disagreements(transactions, logs)).toContain(problem);
  });
});

const wide = [
  "         client    coordinator       p1           p2           p3",
  "           │            │            │            │            │",
  "  0.000    ├──Execute──▶│            │            │            │",
  "  0.111    │            ├──Prepare──▶│───────────▶│───────────▶│",
  "  0.222    │            │◀────yes────┤            │            │",
  "  0.333    │            │            ×            │            │   kill -9",
  "  0.444    │            │◀────yes─────────────────┤────────────┤",
  "  0.555    │            ●                         │            │   COMMIT is durable, which takes",
  "           │            │                         │            │   one forced write and some words",
  "  0.666    │            ├──COMMIT───×             │            │   lost",
  "  0.777    │            ├──COMMIT─────────────────┼───────────▶│",
  "  0.888    │            │                         ≠            │   cut off",
  "  0.999    │            │            ○            ╎            │   starts",
  "  1.110    │            │◀────ack────┼────────────┼────────────┤",
].join("\n");

const narrow = [
  "         client coord. p1  p2  p3  p4  p5  p6  p7  p8  p9 p10",
  "           │      │    │   │   │   │   │   │   │   │   │   │",
  "  0.000    ├─────▶│    │   │   │   │   │   │   │   │   │   │   Execute",
  "  0.111    │      ├───▶│──▶│──▶│   │   │   │   │   │   │   │   Prepare",
  "  0.222    │      │◀───┤   │   │   │   │   │   │   │   │   │   yes",
  "  0.333    │      │    ×   │   │   │   │   │   │   │   │   │   kill -9",
  "  0.444    │      │◀───────┤───┤   │   │   │   │   │   │   │   yes",
  "  0.555    │      ●        │   │   │   │   │   │   │   │   │   COMMIT is",
  "           │      │        │   │   │   │   │   │   │   │   │   durable, which",
  "           │      │        │   │   │   │   │   │   │   │   │   takes one forced",
  "           │      │        │   │   │   │   │   │   │   │   │   write and some",
  "           │      │        │   │   │   │   │   │   │   │   │   words",
  "  0.666    │      ├───×    │   │   │   │   │   │   │   │   │   COMMIT: lost",
  "  0.777    │      ├────────┼──▶│   │   │   │   │   │   │   │   COMMIT",
  "  0.888    │      │        ≠   │   │   │   │   │   │   │   │   cut off",
  "  0.999    │      │    ○   ╎   │   │   │   │   │   │   │   │   starts",
  "  1.110    │      │◀───┼───┼───┤   │   │   │   │   │   │   │   ack",
].join("\n");
