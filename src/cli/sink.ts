import { Command, InvalidArgumentError } from "commander";
import {
  DeadLetter,
  DiscardDeadLettersResponse,
  PauseSinkResponse,
  ResetSinkResponse,
  ResumeSinkResponse,
  RetryDeadLettersResponse,
  Sink,
  SinkPosition,
} from "../gen/concord/workflow/v1/sink.ts";
import { durationMs } from "../rpc/duration.ts";
import { idArgument, integerArgument, limitArgument } from "./arguments.ts";
import {
  addClientOptions,
  addOperatorOptions,
  addShowOptions,
  type ClientOptions,
  type Mutation,
  printMore,
  readPages,
  withChange,
  withClients,
} from "./client.ts";
import { enumText, jsonText, print, printAside, tableLines, timeText } from "./output.ts";

const keptIn = "kept in the server's log";
const look = ["concord sink list"];
const typeName = (name: string): string => `concord.workflow.v1.${name}`;

export function sinkCommand(): Command {
  const command = new Command("sink").description("see where events are published, and mend it");
  command.addCommand(listCommand(), { isDefault: true });
  command.addCommand(resetCommand());
  command.addCommand(pauseCommand());
  command.addCommand(resumeCommand());
  command.addCommand(deadLettersCommand());
  command.addCommand(retryCommand());
  command.addCommand(discardCommand());
  return command;
}

function listCommand(): Command {
  const command = new Command("list").description("list the sinks, how far they have come, and what is wrong");
  return addShowOptions(command).action((options: ClientOptions) =>
    withClients(options, async ({ workflows }) => {
      const { items: sinks } = await readPages(Number.POSITIVE_INFINITY, async (page) => {
        const answer = await workflows.listSinks(page, { deadline: options.timeout });
        return [answer.sinks, answer.nextPageToken];
      });
      if (options.output !== "table") {
        for (const sink of sinks) print(jsonText(typeName("Sink"), Sink, sink));
        return;
      }
      const rows = sinks.map((sink) => [
        sink.name,
        enumText("SINK_KIND_", sink.kind),
        enumText("SINK_STATE_", sink.state),
        String(sink.cursor),
        String(sink.newest),
        String(sink.lagEvents),
        `${((durationMs(sink.lag) ?? 0) / 1000).toFixed(1)}s`,
        String(sink.deadLetters),
        timeText(sink.lastErrorAt),
      ]);
      print(tableLines(["sink", "kind", "state", "cursor", "newest", "lag", "lag time", "dead letters", "last error"], rows));
      for (const { name, lastError } of sinks) if (lastError !== "") printAside(`${name}: ${lastError}`);
    }),
  );
}

function resetCommand(): Command {
  const command = new Command("reset")
    .description("go on from another place: publish again, or leave out")
    .argument("<sink>", "its name", idArgument)
    .requiredOption("--to <place>", "a sequence to go on after, oldest, or now", placeArgument)
    .option("--across-purged", "where events were purged, publish those that are kept; oldest is then before all of them");
  type Options = ClientOptions & Mutation & { readonly to: Place; readonly acrossPurged?: true };
  return addClientOptions(addOperatorOptions(command, keptIn)).action((sink: string, options: Options) =>
    withChange(options, look, async ({ workflows }, { requestId, call }) => {
      const { reason, by: requestedBy, to, acrossPurged = false } = options;
      const answer = await workflows.resetSink({ sink, to, acrossPurged, reason, requestedBy, requestId }, call);
      if (options.output !== "table") print(jsonText(typeName("ResetSinkResponse"), ResetSinkResponse, answer));
      else print(`${sink} goes on after ${answer.cursor}; it was at ${answer.cursorBefore}`);
    }),
  );
}

function pauseCommand(): Command {
  const command = new Command("pause")
    .description("publish nothing until it is resumed")
    .argument("<sink>", "its name", idArgument);
  return addClientOptions(addOperatorOptions(command, keptIn)).action((sink: string, options: ClientOptions & Mutation) =>
    withChange(options, look, async ({ workflows }, { requestId, call }) => {
      const { reason, by: requestedBy } = options;
      const answer = await workflows.pauseSink({ sink, reason, requestedBy, requestId }, call);
      if (options.output !== "table") print(jsonText(typeName("PauseSinkResponse"), PauseSinkResponse, answer));
      else print(`${sink} is paused after ${answer.cursor}`);
    }),
  );
}

function resumeCommand(): Command {
  const command = new Command("resume").description("go on after a pause").argument("<sink>", "its name", idArgument);
  return addClientOptions(addOperatorOptions(command, keptIn)).action((sink: string, options: ClientOptions & Mutation) =>
    withChange(options, look, async ({ workflows }, { requestId, call }) => {
      const { reason, by: requestedBy } = options;
      const answer = await workflows.resumeSink({ sink, reason, requestedBy, requestId }, call);
      if (options.output !== "table") print(jsonText(typeName("ResumeSinkResponse"), ResumeSinkResponse, answer));
      else print(`${sink} goes on after ${answer.cursor}`);
    }),
  );
}

function deadLettersCommand(): Command {
  const command = new Command("dead-letters")
    .description("list the events that its receiver has refused")
    .argument("<sink>", "its name", idArgument)
    .option("--limit <n>", "show at most this many", limitArgument, 100);
  return addClientOptions(command).action((sink: string, options: ClientOptions & { readonly limit: number }) =>
    withClients(options, async ({ workflows }) => {
      const { items: found, more } = await readPages(options.limit, async (page) => {
        const answer = await workflows.listDeadLetters({ ...page, sink }, { deadline: options.timeout });
        return [answer.deadLetters, answer.nextPageToken];
      });
      if (options.output !== "table") {
        for (const letter of found) print(jsonText(typeName("DeadLetter"), DeadLetter, letter));
        return;
      }
      const rows = found.map(({ sequence, event, tries, refusedAt, cause }) => [
        String(sequence),
        event?.workflowId ?? "",
        enumText("WORKFLOW_EVENT_TYPE_", event?.type ?? ""),
        String(tries),
        timeText(refusedAt),
        cause,
      ]);
      print(tableLines(["sequence", "workflow", "type", "tries", "refused", "cause"], rows));
      printMore(more, options.limit);
    }),
  );
}

type RangeOptions = ClientOptions & Mutation & { readonly from: bigint; readonly to: bigint };

function retryCommand(): Command {
  const command = new Command("retry")
    .description("publish dead letters once more, now, at most 100")
    .argument("<sink>", "its name", idArgument)
    .option("--from <sequence>", "those from this one on", sequenceArgument, 0n)
    .option("--to <sequence>", "up to this one", sequenceArgument, 0n);
  return addClientOptions(addOperatorOptions(command, keptIn)).action((sink: string, options: RangeOptions) =>
    withChange(options, [lookAtLetters(sink)], async ({ workflows }, { requestId, call }) => {
      const answer = await workflows.retryDeadLetters({ ...rangeOf(options), sink, requestId }, call);
      if (options.output !== "table") print(jsonText(typeName("RetryDeadLettersResponse"), RetryDeadLettersResponse, answer));
      else print(`published: ${answer.published}; dead letters left: ${answer.remaining}`);
    }),
  );
}

function discardCommand(): Command {
  const command = new Command("discard")
    .description("drop dead letters, at most 100: nobody gets them any more")
    .argument("<sink>", "its name", idArgument)
    .requiredOption("--from <sequence>", "those from this one on", sequenceArgument)
    .requiredOption("--to <sequence>", "up to this one", sequenceArgument);
  return addClientOptions(addOperatorOptions(command, keptIn)).action((sink: string, options: RangeOptions) =>
    withChange(options, [lookAtLetters(sink)], async ({ workflows }, { requestId, call }) => {
      const answer = await workflows.discardDeadLetters({ ...rangeOf(options), sink, requestId }, call);
      if (options.output !== "table") print(jsonText(typeName("DiscardDeadLettersResponse"), DiscardDeadLettersResponse, answer));
      else print(`discarded: ${answer.discarded}; dead letters left: ${answer.remaining}`);
    }),
  );
}

const lookAtLetters = (sink: string): string => `concord sink dead-letters ${sink}`;

const rangeOf = ({ from: fromSequence, to: toSequence, reason, by: requestedBy }: RangeOptions) => ({
  fromSequence,
  toSequence,
  reason,
  requestedBy,
});

type Place =
  | { readonly $case: "afterSequence"; readonly value: bigint }
  | { readonly $case: "position"; readonly value: SinkPosition };

const wholeNumber = integerArgument(0, Number.MAX_SAFE_INTEGER);

function sequenceArgument(text: string): bigint {
  return BigInt(wholeNumber(text));
}

function placeArgument(text: string): Place {
  if (text === "oldest") return { $case: "position", value: SinkPosition.OLDEST_AVAILABLE };
  if (text === "now") return { $case: "position", value: SinkPosition.NOW };
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError("It must be a sequence, oldest or now.");
  return { $case: "afterSequence", value: sequenceArgument(text) };
}
