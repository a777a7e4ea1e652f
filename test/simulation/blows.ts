import type { Room } from "./room.ts";
import { chaosMs, type Stage } from "./stage.ts";

/** Lets the blows of all rooms fall, as often as this world has drawn for each of them, until the time of chaos is over. */
export async function rage(stage: Stage, rooms: readonly Room[]): Promise<void> {
  const { dice, schedule, swarm, tally, world, draw } = stage;
  const untilMs = schedule.nowMs + chaosMs;
  const weighted = rooms
    .flatMap(({ blows }) => Object.entries(blows))
    .flatMap((blow) => Array.from({ length: Math.round(draw(1) * 10) }, () => blow));
  while (schedule.nowMs < untilMs) {
    await world.sleep(dice.between(1, 2 * swarm.gapMs));
    if (weighted.length === 0) continue;
    const [name, strike] = dice.pick(weighted);
    strike();
    tally.count(`blows: ${name}`);
  }
}
