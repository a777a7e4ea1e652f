import { randomBytes } from "node:crypto";
import { relative, resolve, sep } from "node:path";
import { Command, Option } from "commander";
import { environmentName } from "../config.ts";
import type { Clock } from "../kernel/clock.ts";
import { counted } from "../kernel/text.ts";
import { systemClock } from "../runtime/clock.ts";
import { storesIn } from "../storage/backup/cut.ts";
import { takeBackup } from "../storage/backup/take.ts";
import { storeKinds } from "../storage/sqlite/store-kind.ts";
import { version } from "../version.ts";
import { collect } from "./arguments.ts";
import { outputOption } from "./client.ts";
import { CommandError, UsageError } from "./failure.ts";
import { bytesText, type OutputFormat, print, printAs, printAside, tableLines } from "./output.ts";
import { shellWord } from "./shell-word.ts";

type Options = {
  readonly dataDir?: readonly string[];
  readonly also?: readonly string[];
  readonly to: string;
  readonly output: OutputFormat;
};

/** Its timers keep the process alive, which may have nothing else to wait for. */
const clock: Clock = {
  ...systemClock,
  setTimer: (delayMs, run) => {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
};

export function backupCommand(): Command {
  return new Command("backup")
    .description(
      "copy all stores of a folder as they are at one moment, while they are served or not. Exit code 0: the backup is whole and on the disk",
    )
    .addOption(
      new Option(
        "--data-dir <folder>",
        "where the stores are (default: ./data); may be repeated, for services that are served apart on this machine",
      )
        .env(environmentName("data-dir"))
        .argParser(collect(String)),
    )
    .option("--also <file>", "another store, such as the log of a participant; may be repeated", collect(String))
    .requiredOption("--to <folder>", "where the backup is made: a new folder, or an empty one")
    .addOption(outputOption())
    .action(run);
}

async function run({ dataDir = ["./data"], also = [], to, output }: Options): Promise<void> {
  printAs(output);
  const within = dataDir.find((folder) => isWithin(resolve(folder), resolve(to)));
  if (within !== undefined)
    throw new UsageError(
      `--to ${to} is within ${within}: who loses the stores would lose their backup, too; name a folder elsewhere`,
    );
  const paths = [...dataDir.flatMap(storesIn), ...also].map((path) => resolve(path));
  if (paths.length === 0) throw new CommandError(`there is no store in ${dataDir.join(", ")}: name the folder with --data-dir`);
  const id = randomBytes(16).toString("hex");
  const taken = await takeBackup({ paths, to: resolve(to), version, id, clock });
  if (!taken.ok) throw new CommandError(taken.error.message);
  const { manifest, mismatches } = taken.value;
  for (const message of mismatches) printAside(`warning: the stores do not belong together: ${message}`);
  if (output !== "table") return print(JSON.stringify({ folder: resolve(to), ...manifest, mismatches }));
  const rows = manifest.stores.map(({ file, kind, bytes, wasServed }) => [
    file,
    storeKinds[kind].title,
    bytesText(bytes),
    wasServed ? "yes" : "no",
  ]);
  print([
    ...tableLines(["file", "what", "size", "in use"], rows),
    "",
    `${counted(rows.length, "store")} as of ${manifest.takenAt}, in ${resolve(to)}`,
    `concord restore --from ${shellWord(to)} --data-dir FOLDER puts them back`,
  ]);
}

const isWithin = (folder: string, path: string): boolean => relative(folder, path).split(sep)[0] !== "..";
