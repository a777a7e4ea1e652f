import { Command } from "commander";
import type { ExportWorkflowsRequest, WorkflowVersion } from "../gen/concord/workflow/v1/retention.ts";
import type { DeepPartial } from "../gen/concord/workflow/v1/workflow.ts";
import { durationToWire } from "../rpc/duration.ts";
import { createHistoryLine } from "../rpc/history-line.ts";
import { durationArgument } from "./arguments.ts";
import { addClientOptions, type ClientOptions, type Clients, untilInterrupted, withClients } from "./client.ts";
import { CommandError } from "./failure.ts";
import { type HistoryFile, writeHistoryFile } from "./history-file.ts";
import { printAside } from "./output.ts";

type Options = ClientOptions & { readonly filter: string; readonly olderThan?: number };

export function exportCommand(): Command {
  const command = new Command("export")
    .description("write workflows with their events as lines of JSON, one a workflow; compressed, if the file ends in .gz")
    .argument("[file]", "a new file; - is standard output", "-")
    .option("--filter <cel>", `a condition, such as 'workflow.type == "sample"'`, "")
    .option("--older-than <duration>", "only what ended at least so long ago", durationArgument);
  return addClientOptions(command).action((path: string, options: Options) =>
    withClients(options, async ({ workflows }) => {
      // What it finds may take as long as it likes; that somebody is there may not.
      await workflows.getServerInfo({}, { deadline: options.timeout });
      const told = { workflows: 0, events: 0, incomplete: 0 };
      await writeHistoryFile(path, async (file) => {
        for await (const { events, version } of exported(workflows, options, file)) {
          told.workflows += 1;
          told.events += events;
          if (BigInt(events) < version) told.incomplete += 1;
        }
      });
      printAside(`${told.workflows} workflows with ${told.events} events exported`);
      if (told.incomplete > 0) printAside(`${told.incomplete} of them without all of their events, which were purged before`);
    }),
  );
}

/** Writes what is exported, and tells of each workflow when its line is written. Ends when it is interrupted, after a whole line. */
export async function* exported(
  workflows: Clients["workflows"],
  { filter, olderThan }: { readonly filter: string; readonly olderThan?: number | undefined },
  file: HistoryFile,
): AsyncGenerator<WorkflowVersion & { readonly events: number }> {
  const interrupted = untilInterrupted();
  const request: DeepPartial<ExportWorkflowsRequest> = {
    filter,
    olderThan: olderThan === undefined ? undefined : durationToWire(olderThan),
  };
  const line = createHistoryLine();
  let current = { workflowId: "", version: 0n, events: 0 };
  for await (const { workflow, events, continues } of workflows.exportWorkflows(request)) {
    if (workflow !== undefined) {
      current = { workflowId: workflow.workflowId, version: workflow.version, events: 0 };
      await file.write(line.begin(workflow));
    }
    for (const event of events) await file.write(line.event(event));
    current.events += events.length;
    if (continues) continue;
    await file.write(line.end());
    yield current;
    if (interrupted.aborted) throw new CommandError(`interrupted after ${current.workflowId}`);
  }
}
