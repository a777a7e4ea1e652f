import { parseArgs } from "node:util";
import { atHalf, concurrencies, operations } from "./operations.ts";

const help = `Measures a server of its own, and gives each rate also as a ratio to an empty call on that server in the same run.
docs/performance.md says what is measured, and how to read the tables.

  node test/bench/main.ts [options]

  --only NAME[,NAME…]   operations whose names begin with one of these, and what they are compared with; "watchers" and "in process" are names,
                        too. --list says all
  --concurrency N[,N…]  calls at once (default ${concurrencies.join(",")})
  --seconds N           of each measurement (default 1.2)
  --rounds N            of each measurement, alternating (default 3)
  --quick               one round of 0.5 s each: two minutes, to see whether it works
  --json FILE           writes everything that was measured, every round
  --svg FILE            draws rates and CPU
  --size N[,N…]         of stores with so many workflows, of ten events each: how long calls take, and nothing else. The first run makes the
                        stores, in .cache: a million workflows take some minutes and 6 GB
  --grow                how a move's cost grows with the rules, and nothing else
  --list
  --help`;

export type Options = {
  readonly wants: (name: string) => boolean;
  readonly concurrencies: readonly number[];
  readonly durationMs: number;
  readonly rounds: number;
  readonly json: string | undefined;
  readonly svg: string | undefined;
  readonly sizes: readonly number[] | undefined;
  readonly grow: boolean;
};

/** What is no operation of one call. */
export const watchers = "watchers";
export const inProcess = "in process";

/** Ends the process where there is nothing to be measured. */
export function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      only: { type: "string" },
      concurrency: { type: "string" },
      seconds: { type: "string" },
      rounds: { type: "string" },
      quick: { type: "boolean", default: false },
      json: { type: "string" },
      svg: { type: "string" },
      size: { type: "string" },
      grow: { type: "boolean", default: false },
      list: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const names = [...operations.map(({ name }) => name), atHalf, watchers, inProcess];
  if (values.help || values.list) {
    console.log(values.help ? help : names.join("\n"));
    process.exit();
  }
  const only = values.only?.split(",").map((name) => name.trim().toLowerCase());
  const wants = (name: string): boolean => only === undefined || only.some((begin) => name.toLowerCase().startsWith(begin));
  if (!names.some(wants)) {
    console.error(`--only: there is no operation ${values.only}; --list says all`);
    process.exit(2);
  }
  return {
    wants,
    concurrencies: values.concurrency?.split(",").map(Number) ?? concurrencies,
    durationMs: 1000 * Number(values.seconds ?? (values.quick ? 0.5 : 1.2)),
    rounds: Number(values.rounds ?? (values.quick ? 1 : 3)),
    json: values.json,
    svg: values.svg,
    sizes: values.size?.split(",").map(Number),
    grow: values.grow,
  };
}
