// How the cost of a move grows with the rules that apply to it, and with those that do not.
import { connect } from "../../src/cli/client.ts";
import { tableLines } from "../../src/cli/output.ts";
import { WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import { openChannel } from "../../src/rpc/clients/channel.ts";
import { measure, type Place } from "./measure.ts";
import type { Operation } from "./operations.ts";
import { spanOf, type Timing } from "./rounds.ts";
import { rowOf } from "./row.ts";
import { total } from "./statistics.ts";

const concurrency = 64;

/** Besides those that there are. */
const applyingCounts = [0, 3, 8, 18, 48];
const idleCounts = [0, 90, 990];

const by = { reason: "bench", requestedBy: "bench" };

/** They come one after the other, and stay: what applies first, so that it is not measured beside many that do not. */
export async function measureGrowth(place: Place, move: Operation, timing: Timing): Promise<readonly string[]> {
  const channel = openChannel(`127.0.0.1:${place.server.port}`);
  const { predicates } = connect(channel);
  const rows: string[][] = [];
  const idle = { fromState: WorkflowState.FAILED, toState: WorkflowState.CANCELLED };
  for (const { kind, counts, moves } of [
    { kind: "applies", counts: applyingCounts, moves: [] },
    { kind: "does not apply", counts: idleCounts, moves: [idle] },
  ]) {
    let created = 0;
    for (const count of counts) {
      for (; created < count; created += 1) {
        const ruleId = `${kind.replaceAll(" ", "-")}-${created}`;
        await predicates.createRule({ ruleId, expression: "workflow.metadata.temperature < 8", moves, ...by });
        await predicates.activateRule({ ruleId, ...by });
      }
      const measured = [];
      for (let round = 0; round < timing.rounds; round += 1)
        measured.push(await measure(place, move, concurrency, spanOf(timing, concurrency)));
      const { perSecond, cpuMicros } = rowOf(move, concurrency, measured, undefined);
      rows.push([
        `+ ${count}, each ${kind}`,
        perSecond.median.toFixed(0),
        total(cpuMicros).toFixed(0),
        (cpuMicros["main"] ?? 0).toFixed(0),
      ]);
    }
  }
  channel.close();
  return tableLines([`rules, ${move.name} at ${concurrency}`, "per second", "cpu us", "of it main"], rows);
}
