import { tableLines } from "../../src/cli/output.ts";
import type { Workflow } from "../../src/gen/concord/workflow/v1/workflow.ts";
import { nameOf, type Stage, type StateName, wordOf } from "./stage.ts";

/** Each state, and the moves from CREATED that lead to it. */
const ways: Readonly<Record<StateName, readonly StateName[]>> = {
  CREATED: [],
  ACTIVE: ["ACTIVE"],
  PAUSED: ["ACTIVE", "PAUSED"],
  COMPLETED: ["ACTIVE", "COMPLETED"],
  FAILED: ["ACTIVE", "FAILED"],
  CANCELLED: ["ACTIVE", "CANCELLED"],
};

/** As the contract has them: `WorkflowState`. */
const nineMoves = [
  ...["CREATED ACTIVE", "ACTIVE PAUSED", "ACTIVE COMPLETED", "ACTIVE FAILED", "ACTIVE CANCELLED"],
  ...["PAUSED ACTIVE", "PAUSED CANCELLED", "FAILED ACTIVE", "FAILED CANCELLED"],
];

const states = Object.keys(ways) as StateName[];

const pairs = states.flatMap((from) => states.map((to) => ({ from, to, id: `${from}-${to}` })));

/** Short, so that a row fits into a line. */
const shown = (word: string): string =>
  word === "OK" ? "moves" : word.replace("INVALID_TRANSITION", "invalid").replace("TERMINAL_STATE", "terminal");

export async function lifecycle(stage: Stage): Promise<void> {
  const { narrator } = stage;
  narrator.line("A workflow is brought into each state, once for each state that it could move to, and asked to move there.");
  for (const { id, from } of pairs) {
    await stage.create(id);
    for (const state of ways[from]) await stage.move(id, state);
  }
  const before = new Map<string, Workflow>();
  const said = new Map<string, string>();
  for (const { id, from, to } of pairs) {
    before.set(id, await stage.look(id));
    said.set(`${from} ${to}`, wordOf(await stage.move(id, to)));
  }
  const rows = states.map((from) => [from, ...states.map((to) => shown(said.get(`${from} ${to}`) ?? ""))]);
  narrator.heading(tableLines(["from \\ to", ...states], rows).join("\n"));
  narrator.heading("invalid: INVALID_TRANSITION, terminal: TERMINAL_STATE");

  const moved = [...said].filter(([, word]) => word === "OK").map(([pair]) => pair);
  stage.shows("TransitionValidity", "the nine moves of the lifecycle, and no other", [
    ...nineMoves.filter((pair) => !moved.includes(pair)).map((pair) => `${pair} was refused`),
    ...moved.filter((pair) => !nineMoves.includes(pair)).map((pair) => `${pair} was made`),
  ]);

  const terminal = pairs.filter(({ from }) => from === "COMPLETED" || from === "CANCELLED");
  const changed: string[] = [];
  for (const { id } of terminal) if ((await stage.look(id)).version !== before.get(id)?.version) changed.push(id);
  stage.shows("TerminalStateImmutability", "COMPLETED and CANCELLED are for ever", changed);

  const wrong: string[] = [];
  for (const { id } of pairs) {
    const [workflow, events] = [await stage.look(id), await stage.events(id)];
    if (events.some(({ version }, index) => version !== BigInt(index + 1))) wrong.push(`${id}: a version is missing`);
    if (workflow.version !== BigInt(events.length))
      wrong.push(`${id} has version ${workflow.version}, and ${events.length} events`);
    if (events.at(-1)?.toState !== workflow.state)
      wrong.push(`${id} is ${nameOf(workflow.state)}, its last event says otherwise`);
  }
  stage.shows("EventPerChange, StateConsistency", "each change is one version and one event; the record is what they say", wrong);
}
