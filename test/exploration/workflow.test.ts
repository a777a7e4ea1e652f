import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { explore } from "./workflow/explore.ts";
import { comparedModels } from "./workflow/models.ts";
import { workflowMutants } from "./workflow/mutants.ts";
import { specKey } from "./workflow/spec.ts";
import { createWorld, type Step } from "./workflow/world.ts";

// The comparison with TLC's graph is in `make verify`.

test("the manager makes each of its steps in a small world, and none that it asserts against", async () => {
  const constants = { ...comparedModels[0]?.constants, targets: ["ACTIVE", "COMPLETED"], startStates: ["NONE", "ACTIVE"] };
  const { violation, complete, specSteps } = await explore(constants as (typeof comparedModels)[0]["constants"]);
  expect(violation).toBeUndefined();
  expect(complete).toBe(true);
  const actions = new Set([...specSteps.values()].map(({ action }) => action));
  const calls = ["Submit", "Load", "AskEngine", "Apply", "Reply", "TxDecide", "TxCommit", "TxAbort"];
  expect([...actions].sort()).toEqual([...calls, "ChangeRules", "EngineDown", "EngineUp"].sort());
});

// specs/WorkflowManager.tla: Unchanged. What took hold in between has changed no version.
test("a move that was judged before another took hold is tried again, and refused", async () => {
  const [, , model] = comparedModels;
  if (model === undefined) throw new Error("there is no such model");
  const world = await createWorld(model.constants, { w1: "ACTIVE" });
  const bodyOf = (kind: string) => ({ kind, on: ["w1"], to: "PAUSED", expected: 0, due: "none" });
  const call = (who: string, ...actions: readonly string[]): Step[] => actions.map((action) => ({ action, who }));
  const way: Step[] = [
    { action: "Submit", who: "r1", body: bodyOf("move") },
    { action: "Submit", who: "r2", body: bodyOf("enlist") },
    ...call("r1", "Load", "AskEngine"),
    ...call("r2", "Load", "AskEngine", "Apply"),
    ...call("r1", "Apply", "Load"),
  ];
  for (const step of way) await world.take(step);
  const { call: calls, wf } = await world.look();
  expect(calls["r1"]?.code).toBe("IN_TRANSITION");
  expect(calls["r2"]?.phase).toBe("waiting");
  expect(wf["w1"]).toMatchObject({ state: "ACTIVE", version: 2, hold: { request: "r2", to: "PAUSED" } });
});

test("one state has one text, whichever order its parts have", async () => {
  const [model] = comparedModels;
  if (model === undefined) throw new Error("there is no such model");
  const state = await (await createWorld(model.constants, { w1: "ACTIVE" })).look();
  const { call, ...rest } = state;
  expect(specKey({ call, ...rest })).toBe(specKey(state));
  expect(specKey({ ...state, up: false })).not.toBe(specKey(state));
});

test("each mutant finds its place in the code, once", () => {
  const lost = workflowMutants.filter(({ file, find }) => {
    return readFileSync(join(import.meta.dirname, "../..", file), "utf8").split(find).length !== 2;
  });
  expect(lost.map(({ name }) => name)).toEqual([]);
});
