import { resolve } from "node:path";
import { Command, Option } from "commander";
import { environmentName } from "../config.ts";
import { counted } from "../kernel/text.ts";
import { systemClock } from "../runtime/clock.ts";
import { restoreBackup, verifyBackup } from "../storage/backup/restore.ts";
import { storeKinds } from "../storage/sqlite/store-kind.ts";
import { collect } from "./arguments.ts";
import { outputOption } from "./client.ts";
import { CommandError } from "./failure.ts";
import { bytesText, type OutputFormat, print, printAs, tableLines } from "./output.ts";

type Options = {
  readonly from: string;
  readonly dataDir: string;
  readonly only?: readonly string[];
  readonly moveAside?: true;
  readonly dryRun?: true;
  readonly output: OutputFormat;
};

export function restoreCommand(): Command {
  return new Command("restore")
    .description("put the stores of a backup into a folder, for a start from it. Exit code 1: nothing was changed")
    .requiredOption("--from <folder>", "the backup")
    .addOption(new Option("--data-dir <folder>", "where they go").env(environmentName("data-dir")).default("./data"))
    .option("--only <file>", "only this one of its stores; may be repeated", collect(String))
    .option("--move-aside", "keep what is in the way, in a new folder aside-… of --data-dir")
    .option("--dry-run", "only look whether the backup is whole")
    .addOption(outputOption())
    .action(run);
}

async function run({ from, dataDir, only, moveAside, dryRun, output }: Options): Promise<void> {
  printAs(output);
  const folder = resolve(dataDir);
  const done = dryRun
    ? await verifyBackup(resolve(from), only)
    : await restoreBackup({ from: resolve(from), dataDir: folder, only, moveAside: moveAside === true, clock: systemClock });
  if (!done.ok) throw new CommandError(done.error.message);
  const { manifest, stores, aside = undefined } = { aside: undefined, ...done.value };
  if (output !== "table") {
    const answer = { backup: manifest.id, takenAt: manifest.takenAt, stores, ...(dryRun ? {} : { dataDir: folder }), aside };
    return print(JSON.stringify(answer));
  }
  const rows = stores.map(({ file, kind, bytes }) => [file, storeKinds[kind].title, bytesText(bytes)]);
  print([
    ...tableLines(["file", "what", "size"], rows),
    "",
    `${counted(rows.length, "store")} as of ${manifest.takenAt}, ${dryRun ? "whole" : `in ${folder}`}`,
    ...(aside === undefined ? [] : [`what was there is in ${aside}`]),
  ]);
}
