import { type Exploration, edgeKey, type SpecStep } from "../exploration.ts";
import type { Constants } from "./models.ts";
import { type SpecState, specKey } from "./spec.ts";
import { startsOf } from "./start.ts";
import { createWorld, type Step, type World } from "./world.ts";

type Way = { readonly start: Readonly<Record<string, string>>; readonly path: readonly Step[] };

type Reached = Way & { readonly state: SpecState };

/**
 * Every step that the production manager can take in a small world, breadth first. Calls that are under way cannot be copied, so each step is
 * taken in a world of its own, which goes the way to it first.
 */
export async function explore(
  constants: Constants,
  options: {
    readonly onProgress?: (states: number) => void;
    /** What is not allowed is a violation, with which it ends. */
    readonly allows?: (from: string, action: string, to: string) => boolean;
  } = {},
): Promise<Exploration> {
  const { onProgress, allows = () => true } = options;
  const specStates = new Map<string, number>();
  const specSteps = new Map<string, SpecStep>();
  // What could come next is the same in every world.
  const { possible } = await createWorld(constants, {});
  let frontier: Reached[] = [];
  let steps = 0;

  const numberOf = (key: string): number => {
    const number = specStates.get(key) ?? specStates.size;
    if (number === specStates.size) specStates.set(key, number);
    return number;
  };

  for (const start of startsOf(constants)) {
    const state = await (await createWorld(constants, start)).look();
    numberOf(specKey(state));
    frontier.push({ start, path: [], state });
  }
  const violated = (what: string, path: readonly Step[]): Exploration => {
    const violation = { what, path: path.map(textOf) };
    return { states: specStates.size, steps, complete: false, specStates, specSteps, violation };
  };

  while (frontier.length > 0) {
    const level = frontier;
    frontier = [];
    for (const { start, path: way, state } of level) {
      const from = specKey(state);
      for (const step of possible(state)) {
        steps += 1;
        const path = [...way, step];
        let next: SpecState;
        try {
          next = await (await arrive(constants, { start, path })).look();
        } catch (error) {
          return violated(error instanceof Error ? `${error.name}: ${error.message}` : String(error), path);
        }
        const to = specKey(next);
        if (from !== to && !allows(from, step.action, to)) return violated("no step of the spec", path);
        if (!specStates.has(to)) frontier.push({ start, path, state: next });
        const edge = edgeKey(numberOf(from), step.action, numberOf(to));
        if (from !== to && !specSteps.has(edge)) specSteps.set(edge, { from, to, action: step.action, name: textOf(step) });
      }
    }
    onProgress?.(specStates.size);
  }
  return { states: specStates.size, steps, complete: true, specStates, specSteps, violation: undefined };
}

async function arrive(constants: Constants, { start, path }: Way): Promise<World> {
  const world = await createWorld(constants, start);
  for (const step of path) await world.take(step);
  return world;
}

const textOf = ({ action, who, body, outcome }: Step): string =>
  [action, who, outcome, body && `${body.kind} ${body.on.join("+")} ${body.to} ${body.expected} ${body.due}`]
    .filter(Boolean)
    .join(" ");
