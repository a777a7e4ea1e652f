import type { Room } from "./room.ts";
import type { Stage } from "./stage.ts";

/** A long world has no more blows than others. */
const gapOf = ({ chaosMs, swarm }: Stage): number => Math.round((swarm.gapMs * chaosMs) / 60_000);

/** Lets the blows of all rooms fall, as often as this world has drawn for each of them, until the time of chaos is over. */
export async function rage(stage: Stage, rooms: readonly Room[]): Promise<void> {
  const { dice, schedule, tally, world, draw } = stage;
  const untilMs = schedule.nowMs + stage.chaosMs;
  const gapMs = gapOf(stage);
  const weighted = rooms
    .flatMap(({ blows }) => Object.entries(blows))
    .flatMap((blow) => Array.from({ length: Math.round(draw(1) * 10) }, () => blow))
    .filter(([name]) => !stage.without.includes(name));
  while (schedule.nowMs < untilMs) {
    await world.sleep(dice.between(1, 2 * gapMs));
    if (weighted.length === 0) continue;
    const [name, strike] = dice.pick(weighted);
    strike();
    tally.count(`blows: ${name}`);
  }
}
