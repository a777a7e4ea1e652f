// Replays a process event log in XES (IEEE 1849) against a Concord server. See README.md.
import { basename, join } from "node:path";
import { SingleBar } from "cli-progress";
import { Command } from "commander";
import { integerArgument } from "../../src/cli/arguments.ts";
import { addClientOptions, type ClientOptions, withClients } from "../../src/cli/client.ts";
import { CommandError } from "../../src/cli/failure.ts";
import { print, tableLines } from "../../src/cli/output.ts";
import { runProgram } from "../../src/cli/run-program.ts";
import { compare } from "../../src/kernel/range.ts";
import { type Mapping, readMapping } from "./mapping.ts";
import { type Report, replay } from "./replay.ts";
import { LogError, readLog } from "./xes.ts";

type Options = ClientOptions & {
  readonly mapping: string;
  readonly prefix?: string;
  readonly type: string;
  readonly concurrency: number;
};

const ownMapping = join(import.meta.dirname, "mapping.yaml");

const program = addClientOptions(
  new Command("replay")
    .description("drive a workflow for each execution of an activity through what a process event log says of it")
    .argument("<log>", "an event log in XES (IEEE 1849); compressed if its name ends in .gz")
    .option(
      "--mapping <file>",
      "what each lifecycle:transition means; the default is mapping.yaml beside this program",
      ownMapping,
    )
    .option(
      "--prefix <name>",
      "how the workflows' ids begin; the default is the log's name. The same log and prefix replay once only",
    )
    .option("--type <name>", "the workflows' type", "activity")
    .option("--concurrency <n>", "how many cases at a time, 1 to 256", integerArgument(1, 256), 16),
).action(run);

async function run(log: string, options: Options): Promise<void> {
  const mapping = readMapping(options.mapping);
  const prefix = (options.prefix ?? nameOf(log)).slice(0, 40);
  const progress = createProgress();
  const interrupted = new AbortController();
  process.once("SIGINT", () => interrupted.abort());
  await withClients(options, async ({ workflows }) => {
    try {
      const { type, concurrency } = options;
      const { signal } = interrupted;
      const report = await replay(readLog(log), {
        workflows,
        mapping,
        prefix,
        type,
        concurrency,
        signal,
        onTrace: progress.show,
      });
      progress.end();
      print(options.output === "json" ? jsonOf(report) : linesOf(report, mapping));
    } catch (error) {
      progress.end();
      if (interrupted.signal.aborted) throw new CommandError("interrupted; started again, it goes on where it was");
      throw error instanceof LogError ? new CommandError(error.message) : error;
    }
  });
}

function nameOf(log: string): string {
  const name = basename(log).replace(/(\.xes)?(\.gz)?$/, "");
  return name.replaceAll(/[^A-Za-z0-9._-]+/g, "-").replace(/^[^A-Za-z0-9]+/, "") || "log";
}

/** For a person who waits; how long the log is, nobody knows before its end. */
function createProgress() {
  const bar = process.stderr.isTTY
    ? new SingleBar({ format: "  {traces} cases, {events} events", stream: process.stderr, clearOnComplete: true })
    : undefined;
  bar?.start(0, 0, { traces: 0, events: 0 });
  return {
    show: ({ traces, events }: Report): void => bar?.update(0, { traces, events }),
    end: (): void => bar?.stop(),
  };
}

function linesOf({ traces, events, instances, byTransition, refusals }: Report, mapping: Mapping): readonly string[] {
  const order = [...Object.keys(mapping.moves), ...mapping.ignored];
  const place = (transition: string): number => (order.includes(transition) ? order.indexOf(transition) : order.length);
  const sorted = [...byTransition].toSorted(([a], [b]) => place(a) - place(b) || compare(a, b));
  const rows = sorted.map(([transition, tally]) => [
    transition || "(none)",
    mapping.moves[transition] ?? (mapping.ignored.includes(transition) ? "(ignored)" : "(not in the mapping)"),
    ...[tally.events, tally.legal, tally.unchanged, tally.refused].map(String),
  ]);
  const refused = [...refusals]
    .toSorted(([a, { count }], [b, other]) => other.count - count || compare(a, b))
    .map(([why, { count, example }]) => [String(count), why, example]);
  return [
    `${traces} cases, ${events} events, ${instances} executions of activities`,
    "",
    ...tableLines(["transition", "moves to", "events", "legal", "no change", "refused"], rows),
    ...(refused.length === 0 ? [] : ["", ...tableLines(["refused", "why", "for example"], refused)]),
  ];
}

const jsonOf = ({ traces, events, instances, byTransition, refusals }: Report): string =>
  JSON.stringify({
    traces,
    events,
    instances,
    byTransition: Object.fromEntries(byTransition),
    refusals: Object.fromEntries(refusals),
  });

await runProgram(program);
