import { Command, Option } from "commander";
import type { KeptReason, PurgeWorkflowsResponse, WorkflowVersion } from "../gen/concord/workflow/v1/retention.ts";
import { durationToWire } from "../rpc/duration.ts";
import { durationArgument } from "./arguments.ts";
import { addClientOptions, addOperatorOptions, type ClientOptions, type Clients, type Mutation, withChange } from "./client.ts";
import { writeHistoryFile } from "./history-file.ts";
import { enumText, print, printAside } from "./output.ts";
import { exported } from "./workflow-export.ts";

type Options = ClientOptions &
  Mutation & {
    readonly filter: string;
    readonly olderThan: number;
    readonly yes?: true;
    readonly export?: string;
    readonly freeIds?: true;
    readonly withUndelivered?: true;
  };

/** As many as one call purges. */
const pageSize = 1_000;

/** Of those that go, shown by name. */
const shownMax = 5;

export function purgeCommand(): Command {
  const command = new Command("purge")
    .description("purge workflows that ended long ago, with their events; without --yes it says what would go")
    .addOption(
      new Option("--older-than <duration>", "how long ago they must have ended, such as 30d")
        .argParser(durationArgument)
        .makeOptionMandatory(),
    )
    .option("--filter <cel>", `only these, such as 'workflow.type == "sample"'`, "")
    .option("--yes", "purge them")
    .option("--export <file>", "with --yes: export them to a new file first, and purge them as they were exported")
    .option("--free-ids", "let new workflows have their ids")
    .option("--with-undelivered", "purge also what a sink has not been told of yet, and then never will be");
  return addClientOptions(addOperatorOptions(command, "kept in the server's log")).action((options: Options) =>
    withChange(options, [], async ({ workflows }, { requestId, call }) => {
      const terms = {
        freeIds: options.freeIds ?? false,
        withUndelivered: options.withUndelivered ?? false,
        reason: options.reason,
        requestedBy: options.by,
        requestId,
        olderThan: durationToWire(options.olderThan),
      };
      const tally = createTally();
      if (options.export !== undefined && options.yes) {
        await exportAndPurge(workflows, options, options.export, async (page) =>
          tally.add(await workflows.purgeWorkflows({ ...terms, workflows: page }, call)),
        );
      } else {
        const chosen = { ...terms, filter: options.filter, dryRun: options.yes === undefined, pageSize };
        for (let pageToken = "", isMore = true; isMore; isMore = pageToken !== "") {
          const answer = await workflows.purgeWorkflows({ ...chosen, pageToken }, call);
          tally.add(answer);
          pageToken = answer.nextPageToken;
        }
      }
      if (options.output !== "table") print(JSON.stringify({ purged: options.yes ?? false, ...tally.totals() }));
      else print(tally.lines(options.yes ?? false));
    }),
  );
}

/** What is purged is durable in the file before. */
async function exportAndPurge(
  workflows: Clients["workflows"],
  options: Options,
  path: string,
  purge: (page: readonly WorkflowVersion[]) => Promise<void>,
): Promise<void> {
  await writeHistoryFile(path, async (file) => {
    let page: WorkflowVersion[] = [];
    const purgePage = async (): Promise<void> => {
      if (page.length === 0) return;
      await file.sync();
      await purge(page);
      page = [];
    };
    for await (const { workflowId, version } of exported(workflows, options, file)) {
      page.push({ workflowId, version });
      if (page.length === pageSize) await purgePage();
    }
    await purgePage();
  });
  printAside(`exported to ${path}`);
}

function createTally() {
  const first: string[] = [];
  const kept = new Map<KeptReason, number>();
  const behind = new Set<string>();
  let count = 0;
  let events = 0n;
  return {
    add(answer: PurgeWorkflowsResponse): void {
      first.push(...answer.workflowIds.slice(0, shownMax - first.length));
      count += answer.workflowIds.length;
      events += answer.purgedEvents;
      for (const sink of answer.behindSinks) behind.add(sink);
      for (const { reason } of answer.kept) kept.set(reason, (kept.get(reason) ?? 0) + 1);
    },
    totals: () => ({
      workflows: count,
      events: Number(events),
      first,
      kept: Object.fromEntries(keptTexts(kept)),
      behindSinks: [...behind],
    }),
    lines(isPurged: boolean): readonly string[] {
      const such = first.length === 0 ? "" : `: ${first.join(", ")}${count > first.length ? ", …" : ""}`;
      const stays: string[] = keptTexts(kept).map(([reason, number]) => `${number} stay: ${reason}`);
      if (behind.size > 0)
        stays.push(
          `${behind.size} sinks ${isPurged ? "stop" : "would stop"}, as they have not published all of it: ${[...behind].join(", ")}`,
          "each goes on with concord sink reset --across-purged; concord sink list says from where",
        );
      return isPurged
        ? [`${count} workflows with ${events} events were purged${such}`, ...stays]
        : [`${count} workflows with ${events} events would be purged${such}`, ...stays, "nothing was purged; --yes purges"];
    },
  };
}

const keptTexts = (kept: ReadonlyMap<KeptReason, number>): readonly (readonly [string, number])[] =>
  [...kept].map(([reason, number]) => [enumText("KEPT_REASON_", reason), number]);
