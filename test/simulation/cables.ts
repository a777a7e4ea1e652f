import type { Cable } from "./network.ts";
import type { Stage } from "./stage.ts";

type Direction = "up" | "down";

/** For a while. */
export function cutCable(stage: Stage, cable: Cable, name: string, directions: readonly Direction[]): void {
  for (const direction of directions) cable[direction] = false;
  stage.say(`${name}'s cable is cut: ${directions.join(" and ")}`);
  stage.schedule.after(stage.dice.between(100, 40_000), () => restoreCable(cable));
}

/** Nothing, while its end is away for good. */
export function restoreCable(cable: Cable): void {
  if (cable.isGone) return;
  cable.up = true;
  cable.down = true;
  for (const each of [...cable.onRestored]) each();
}

/** From the participant to its coordinator, and back. */
export const bothWays: readonly Direction[] = ["up", "down"];
