import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Mapping, readMapping } from "../../../examples/replay/mapping.ts";
import { planTrace } from "../../../examples/replay/plan.ts";
import { readLog, type Trace } from "../../../examples/replay/xes.ts";
import { temporaryFolder } from "../../support/concord.ts";

const example = join(import.meta.dirname, "../../../examples/replay");
const mapping = readMapping(join(example, "mapping.yaml"));

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => folder.remove());

function file(content: string | Uint8Array, name = "log.xes"): string {
  const path = join(folder.path, name);
  writeFileSync(path, content);
  return path;
}

async function read(path: string): Promise<Trace[]> {
  const traces: Trace[] = [];
  for await (const trace of readLog(path)) traces.push(trace);
  return traces;
}

describe("a log", () => {
  test("is read trace by trace, with the texts of its attributes", async () => {
    const traces = await read(join(example, "orders.xes"));
    expect(traces.map(({ number, name, events }) => [number, name, events.length])).toEqual([
      [1, "order 1", 6],
      [2, "order 2", 7],
      [3, "order 3", 3],
      [4, "order 4", 2],
    ]);
    // A list within the event is left out.
    expect(Object.fromEntries(traces[0]?.events[5]?.attributes ?? [])).toEqual({
      "concept:name": "pack",
      "lifecycle:transition": "complete",
      "org:resource": "eve",
      "time:timestamp": "2026-03-02T09:00:00Z",
    });
  });

  test("is the same when it is compressed", async () => {
    const content = readFileSync(join(example, "orders.xes"));
    expect(await read(file(gzipSync(content), "orders.xes.gz"))).toEqual(await read(join(example, "orders.xes")));
  });

  test("is not read further than it is asked for", async () => {
    const trace = (name: string) => `<trace><string key="concept:name" value="${name}"/></trace>`;
    // What cannot be compressed comes in many chunks.
    const many = Array.from({ length: 50_000 }, (_, index) => trace(createHash("sha256").update(String(index)).digest("hex")));
    const log = readLog(file(`<log>${many.join("")}<broken`));
    expect((await log.next()).value).toMatchObject({ number: 1 });
    await log.return();
  });

  test.each([
    ["", "document must contain a root element"],
    ["<log><trace>", "unclosed tag: trace"],
    ["<process/>", "line 1, column 10: <process> is no event log: its outermost element must be <log>"],
    ["<log><event/></log>", "line 1, column 13: an event outside of a trace belongs to no case"],
    ["no log at all", "text data outside of root node"],
    [
      `<log><trace><string key="a" value="${"x".repeat(10_001)}"/></trace></log>`,
      'the value of "a" has more than 10000 characters',
    ],
  ])("that is none is refused (%#)", async (content, problem) => {
    const path = file(content);
    await expect(read(path)).rejects.toThrow(problem);
    await expect(read(path)).rejects.toThrow(`${path}: `);
  });

  test("that is damaged is refused after what was whole", async () => {
    const content = gzipSync(readFileSync(join(example, "orders.xes")));
    await expect(read(file(content.subarray(0, content.length - 20), "log.xes.gz"))).rejects.toThrow("log.xes.gz: ");
    await expect(read(join(folder.path, "missing.xes"))).rejects.toThrow("ENOENT");
  });
});

describe("a mapping", () => {
  test("names what is wrong with it", () => {
    expect(() => readMapping(file("moves: {start: RUNNING}\nstarts: []\n", "mapping.yaml"))).toThrow(/moves\.start: .*"CREATED"/);
  });
});

describe("the events of a trace", () => {
  const plan = (
    events: readonly (readonly [activity: string, transition?: string, instance?: string])[],
    with_: Mapping = mapping,
  ) => {
    const trace = {
      number: 7,
      name: "case",
      events: events.map(([activity, transition, instance], index) => ({
        number: index + 1,
        attributes: new Map(
          Object.entries({
            "concept:name": activity,
            ...(transition === undefined ? {} : { "lifecycle:transition": transition }),
            ...(instance === undefined ? {} : { "concept:instance": instance }),
          }),
        ),
      })),
    };
    return planTrace(trace, with_, "log").map(({ instance, isFirst, targets }) => {
      return `${instance.workflowId}${isFirst ? " new" : ""} ${targets.join(" ")}`.trim();
    });
  };

  test("belong to the execution that their instance names", () => {
    expect(
      plan([
        ["a", "start", "1"],
        ["a", "start", "2"],
        ["a", "complete", "2"],
        ["a", "complete", "1"],
      ]),
    ).toEqual(["log:7:a:1 new ACTIVE", "log:7:a:2 new ACTIVE", "log:7:a:2 COMPLETED", "log:7:a:1 COMPLETED"]);
  });

  test("without an instance belong to the oldest that can make such a move", () => {
    const events = ["schedule", "schedule", "start", "start", "suspend", "suspend", "resume", "complete", "complete"];
    expect(plan(events.map((transition) => ["a", transition]))).toEqual([
      "log:7:a:1 new ACTIVE",
      "log:7:a:2 new ACTIVE",
      "log:7:a:1 ACTIVE",
      "log:7:a:2 ACTIVE",
      "log:7:a:1 PAUSED",
      "log:7:a:2 PAUSED",
      "log:7:a:1 ACTIVE",
      "log:7:a:1 COMPLETED",
      "log:7:a:2 COMPLETED",
    ]);
  });

  test("after the end of an execution begin another", () => {
    expect(
      plan([
        ["a", "start"],
        ["a", "complete"],
        ["a", "START"],
        ["a", "complete"],
      ]),
    ).toEqual(["log:7:a:1 new ACTIVE", "log:7:a:1 COMPLETED", "log:7:a:2 new ACTIVE", "log:7:a:2 COMPLETED"]);
  });

  test("that the mapping does not move, move nothing", () => {
    expect(
      plan([
        ["a", "assign"],
        ["a", "teleport"],
      ]),
    ).toEqual(["log:7:a:1 new", "log:7:a:1"]);
  });

  test("without a transition mean what the mapping says, after the start that it says", () => {
    expect(plan([["a"]])).toEqual(["log:7:a:1 new COMPLETED"]);
    expect(plan([["a"]], { ...mapping, start_before: ["complete"] })).toEqual(["log:7:a:1 new ACTIVE COMPLETED"]);
  });

  test("of activities whose names are written alike in an id do not share one", () => {
    expect(
      plan([
        ["a b", "start"],
        ["a/b", "start"],
        ["ä", "start"],
      ]),
    ).toEqual(["log:7:a-b:1 new ACTIVE", "log:7:a-b:2 new ACTIVE", "log:7:-:1 new ACTIVE"]);
  });
});
