import { isMove, type WorkflowState } from "../../../../src/kernel/lifecycle.ts";
import type { Workflow } from "../../../../src/workflow/core/types.ts";
import { none } from "../../../../test/exploration/workflow/spec.ts";
import type { Dice } from "../../../../test/simulation/random.ts";
import type { Body } from "../../../../test/simulation/workflow/manager-events.ts";

const states: readonly WorkflowState[] = ["ACTIVE", "PAUSED", "COMPLETED", "FAILED", "CANCELLED"];
const ends: readonly WorkflowState[] = ["COMPLETED", "CANCELLED"];
const kinds = ["create", "start", "recover", "batch", "update", "deadline", "move", "move", "move", "enlist", "enlist", "enlist"];

/** Mostly of what is possible. */
export function bodyOf(dice: Dice, known: ReadonlyMap<string, Workflow | undefined>): Body {
  const kind = dice.pick(kinds);
  const isSeveral = kind === "batch" || (kind === "enlist" && dice.chance(0.3));
  const first = dice.pick([...known.keys()]);
  const on = isSeveral ? [first, dice.pick([...known.keys()].filter((id) => id !== first))].toSorted() : [first];
  const { state, version } = known.get(first) ?? { state: undefined, version: 0 };
  const legal = states.filter((to) => state !== undefined && isMove(state, to) && (!ends.includes(to) || dice.chance(0.2)));
  const target = legal.length > 0 && dice.chance(0.85) ? dice.pick(legal) : dice.pick(states);
  const to = fixedTargets[kind] ?? target;
  const mayExpect = !isSeveral && kind !== "create" && kind !== "start";
  const expected = mayExpect && dice.chance(0.3) ? Math.max(1, version - dice.between(0, 1)) : 0;
  const dues = states.filter((due) => isMove((to === none ? (state ?? "CREATED") : to) as WorkflowState, due));
  const mayBeDue = kind === "deadline" || (!isSeveral && kind !== "update" && dues.length > 0);
  const due = mayBeDue && dice.chance(0.4) ? dice.pick(dues.length > 0 ? dues : states) : none;
  return { kind, on, to, expected, due };
}

const fixedTargets: Readonly<{ [kind in string]?: string }> = {
  create: "CREATED",
  start: "ACTIVE",
  recover: "ACTIVE",
  update: none,
  deadline: none,
};
