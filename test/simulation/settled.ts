import type { Room } from "./room.ts";
import type { Process } from "./schedule.ts";

export const unsettled = async (rooms: readonly Room[]): Promise<readonly string[]> =>
  (await Promise.all(rooms.map((room) => room.unsettled()))).flat();

/** Waits until every room is as it must be once all is over. */
export async function settle(world: Process, rooms: readonly Room[]): Promise<void> {
  while ((await unsettled(rooms)).length > 0) await world.sleep(1_000);
}

/** It is not only at rest, it still works. */
export async function probe(rooms: readonly Room[]): Promise<void> {
  for (const room of rooms) while (!(await room.probe()));
}
