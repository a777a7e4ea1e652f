import { afterAll, beforeAll, expect, test } from "vitest";
import { loopHoldWarnMs } from "../../src/kernel/limits.ts";
import { temporaryFolder } from "../support/concord.ts";
import { hostileCalls } from "../support/hostile/calls.ts";
import { type ProbedServer, startProbedServer } from "../support/hostile/probed-server.ts";
import { type HostileWorld, openHostileWorld, seedStores } from "../support/hostile/world.ts";

// `make stress` measures how long others wait beside each.

const sizes = { events: 2_000, holds: 4_000, unfinished: 500 };
const data = temporaryFolder();
let server: ProbedServer;
let world: HostileWorld;

beforeAll(async () => {
  await seedStores(data.path, sizes);
  server = await startProbedServer(data.path);
  world = await openHostileWorld(server.address, sizes);
});

afterAll(async () => {
  world.close();
  expect(await server.stop()).toBe(0);
  data.remove();
});

/** The first finds cold code; what a collection of garbage or a neighbour adds to one, it does not add to all. */
const runCount = 3;

/**
 * In CPU time, of a whole turn of the loop. On an idle machine it is the 10 ms of the rule; where others take the caches, some times as much.
 * What is not sliced takes hundreds.
 */
test.each(hostileCalls)("$name: no stretch of the event loop is long", async ({ run }) => {
  const longestMs: number[] = [];
  for (let count = 0; count < runCount; count += 1) {
    await run(world);
    longestMs.push((await server.look()).longestMs);
  }
  expect(Math.min(...longestMs)).toBeLessThan(loopHoldWarnMs);
});
