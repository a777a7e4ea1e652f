// How the cost of a move grows with the rules that apply to it, and with those that do not.
import { connect } from "../../src/cli/client.ts";
import { tableLines } from "../../src/cli/output.ts";
import { openChannel } from "../../src/rpc/clients/channel.ts";
import { measure, type Place, type Round } from "./measure.ts";
import type { Operation } from "./operations.ts";
import { rulesOf } from "./prepare.ts";
import { progress, spanOf, type Timing, warmUp } from "./rounds.ts";
import { rowOf } from "./row.ts";
import { total } from "./statistics.ts";

const concurrency = 64;

const ruleCounts = [
  { applying: 0, idle: 0 },
  { applying: 2, idle: 8 },
  { applying: 5, idle: 5 },
  { applying: 10, idle: 0 },
  { applying: 20, idle: 0 },
  { applying: 50, idle: 0 },
  { applying: 2, idle: 98 },
  { applying: 2, idle: 998 },
];

export async function measureGrowth(place: Place, move: Operation, timing: Timing): Promise<readonly string[]> {
  const channel = openChannel(`127.0.0.1:${place.server.port}`);
  const { predicates } = connect(channel);
  await warmUp([move], place, timing);
  const measured = ruleCounts.map((counts) => ({ ...counts, rounds: [] as Round[] }));
  for (let round = 1; round <= timing.rounds; round += 1) {
    for (const { applying, idle, rounds } of measured) {
      progress(`round ${round} of ${timing.rounds}: ${applying} rules apply, ${idle} do not`);
      await predicates.applyRuleSet({ rules: rulesOf(applying, idle), reason: "bench", requestedBy: "bench" });
      rounds.push(await measure(place, move, concurrency, spanOf(timing, concurrency)));
    }
  }
  progress();
  channel.close();
  return tableLines(
    [`rules that apply to ${move.name}`, "that do not", "at once", "per second", "cpu us", "of it main"],
    measured.map(({ applying, idle, rounds }) => {
      const { perSecond, cpuMicros } = rowOf(move, concurrency, rounds, undefined);
      const cells = [perSecond.median, total(cpuMicros), cpuMicros["main"] ?? 0].map((value) => value.toFixed(0));
      return [String(applying), String(idle), String(concurrency), ...cells];
    }),
  );
}
