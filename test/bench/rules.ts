// make bench: what a check costs by the number of rules, of which 5 apply. In process as a ratio to the library's bare plans of these 5,
// over gRPC as a ratio to an empty call, each in the same run. Only the ratios mean anything on another machine.
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { connect } from "../../src/cli/client.ts";
import { print, tableLines } from "../../src/cli/output.ts";
import {
  BatchValidateTransitionsRequest,
  ValidateTransitionRequest,
} from "../../src/gen/concord/predicate/v1/predicate_logic.ts";
import { TransitionCheck } from "../../src/gen/concord/predicate/v1/verdict.ts";
import { WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import { openChannel } from "../../src/rpc/clients/channel.ts";
import { checkOf } from "../support/rule-values.ts";
import { measureInProcess, metadata, type Planned, planned } from "./checks-in-process.ts";
import { findGenerator } from "./load.ts";
import { measure } from "./measure.ts";
import { echo, type Operation, operations } from "./operations.ts";
import { succeededPerSecond } from "./row.ts";
import { startServer } from "./server-process.ts";
import { batchSize } from "./shape.ts";
import { median } from "./statistics.ts";
import { failuresText, inProcessTable } from "./table.ts";

const help = `Measures checks with 1, 10, 100 and 1,000 rules, of which 5 apply.

  node test/bench/rules.ts [options]

  --seconds N   of each measurement (default 1)
  --rounds N    of each measurement, alternating; the median counts (default 3)
  --in-process  leaves gRPC out
  --help`;

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "1" },
    rounds: { type: "string", default: "3" },
    "in-process": { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(help);
  process.exit();
}

const durationMs = Number(values.seconds) * 1000;
const rounds = Number(values.rounds);
const ruleCounts = [1, 10, 100, 1000];
/** Of the calls over gRPC. */
const concurrency = 16;

const by = { reason: "bench", requestedBy: "bench" };

const [cpu] = cpus();
print(
  `${cpus().length} x ${cpu?.model}; Node ${process.version}; ${rounds} rounds of ${values.seconds} s, alternating; their median`,
);
print(["", "in process, by CPU time", ...inProcessTable(await measureInProcess({ ruleCounts, rounds, durationMs }))]);
if (!values["in-process"]) print(["", `over gRPC, ${concurrency} calls at a time`, ...(await overGrpc())]);
process.exit();

/** One row for each number of rules and each operation; the first is what the others are compared with. */
async function overGrpc(): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), "concord-bench-rules-"));
  const server = await startServer(folder, "warn");
  try {
    const place = { generator: await findGenerator(), server, participants: undefined };
    const measured = operations.filter(({ name }) => name === echo).concat(checks());
    const rows: string[][] = [];
    let created = 0;
    for (const ruleCount of ruleCounts) {
      await writeRules(server.port, planned.slice(created, ruleCount));
      created = ruleCount;
      const rates = new Map(measured.map(({ name }) => [name, [] as number[]]));
      for (let round = 0; round < rounds; round += 1) {
        for (const operation of measured) {
          const span = { type: "time", warmUpMs: durationMs / 4, durationMs } as const;
          const found = await measure(place, operation, concurrency, span);
          if (Object.keys(found.failures).length > 0)
            throw new Error(`calls of ${operation.method} failed: ${failuresText(found.failures)}`);
          rates.get(operation.name)?.push(succeededPerSecond(found) * (operation.items?.perCall ?? 1));
        }
      }
      const limit = median(rates.get(echo) ?? []);
      for (const [name, each] of rates) {
        const rate = median(each);
        rows.push([String(ruleCount), name, rate.toFixed(0), (limit / rate).toFixed(2), echo]);
      }
    }
    return tableLines(["rules", "what", "per second", "takes times", "as long as"], rows);
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true });
  }
}

/** As operations.ts has them, but of the check that these rules are for. */
function checks(): readonly Operation[] {
  const check = wireCheck();
  const single = ValidateTransitionRequest.encode(ValidateTransitionRequest.fromPartial({ check })).finish();
  const all = Array.from({ length: batchSize }, () => check);
  const batch = BatchValidateTransitionsRequest.encode(BatchValidateTransitionsRequest.fromPartial({ checks: all })).finish();
  return operations.flatMap((operation) => {
    if (operation.method.endsWith("/ValidateTransition")) return [{ ...operation, name: "a check", body: single }];
    if (operation.method.endsWith("/BatchValidateTransitions"))
      return [{ ...operation, name: `a check in ${batchSize}`, body: batch }];
    return [];
  });
}

function wireCheck(): TransitionCheck {
  const { id, type, version, createdAtMs, updatedAtMs, createdBy, updatedBy } = checkOf({}).workflow;
  return TransitionCheck.fromPartial({
    workflow: {
      workflowId: id,
      type,
      state: WorkflowState.ACTIVE,
      previousState: WorkflowState.CREATED,
      version: BigInt(version),
      createdAt: new Date(createdAtMs),
      updatedAt: new Date(updatedAtMs),
      createdBy,
      updatedBy,
      metadata,
    },
    targetState: WorkflowState.COMPLETED,
    reason: "analysis done",
    requestedBy: "ada",
    context: {},
  });
}

async function writeRules(port: number, rules: readonly Planned[]): Promise<void> {
  const channel = openChannel(`127.0.0.1:${port}`);
  const { predicates } = connect(channel);
  for (const { ruleId, expression, from, to } of rules) {
    const moves = [{ fromState: WorkflowState[from], toState: WorkflowState[to] }];
    await predicates.createRule({ ruleId, expression, moves, ...by });
    await predicates.activateRule({ ruleId, ...by });
  }
  channel.close();
}
