import { Command } from "commander";
import { GetServerStatusResponse } from "../gen/concord/server/v1/server_status.ts";
import { Sink } from "../gen/concord/workflow/v1/sink.ts";
import { counted } from "../kernel/text.ts";
import { durationMs } from "../rpc/duration.ts";
import { addressArgument, collect } from "./arguments.ts";
import { addShowOptions, type ClientOptions, withClients } from "./client.ts";
import { bytesText, enumText, jsonText, print, tableLines, timeText, waitText } from "./output.ts";
import { type Asked, askProcess } from "./status/ask.ts";
import { type Trouble, troublesOf } from "./status/troubles.ts";

export function statusCommand(): Command {
  const command = new Command("status")
    .description(
      "say how each process and its services are, and what wants a look. Exit code 1 if something does, or if a process does not say how it is",
    )
    .option("--also <host:port>", "another process, of split services; may be repeated", collect(addressArgument));
  return addShowOptions(command).action((options: ClientOptions & { readonly also?: readonly string[] }) =>
    withClients(options, async () => {
      const { address, elsewhere = {}, also = [] } = options;
      const addresses = new Set([address, elsewhere.predicate ?? address, elsewhere.commit ?? address, ...also]);
      const asked = await Promise.all([...addresses].map((each) => askProcess(each, options.timeout, options)));
      const troubles = troublesOf(asked);
      // Of a process that did not say how it is, nobody knows whether something wants a look.
      process.exitCode = troubles.length > 0 || asked.some(({ status }) => status === undefined) ? 1 : 0;
      if (options.output !== "table") print(statusJson(asked, troubles));
      else print([...asked.flatMap(processLines), ...sinkLines(asked), ...troubleLines(asked, troubles)]);
    }),
  );
}

function processLines({ address, status, failure, refused }: Asked): readonly string[] {
  if (status === undefined)
    return failure === undefined
      ? []
      : [`${address} ${refused ? "answers, and refuses to say how it is" : "does not answer"}`, ""];
  const { version, startedAt, loopDelay, memoryBytes, diskFreeBytes, services, coordinator } = status;
  const disk = diskFreeBytes === undefined ? "" : `, disk ${bytesText(Number(diskFreeBytes))} free`;
  const rows = services.map(({ name, serving, storeBytes, walBytes }) => [
    name,
    serving ? "yes" : "NO",
    bytesText(Number(storeBytes)),
    bytesText(Number(walBytes)),
  ]);
  return [
    `${address}: ${version}, since ${timeText(startedAt)}`,
    `loop ${waitText(durationMs(loopDelay) ?? 0)} late, memory ${bytesText(Number(memoryBytes))}${disk}`,
    ...tableLines(["service", "serves", "store", "log"], rows),
    ...(coordinator === undefined
      ? []
      : [
          `coordinator epoch ${coordinator.coordinatorEpoch}: ${coordinator.undecided} undecided, ${coordinator.inDoubt} in doubt, ${coordinator.unacknowledged} unacknowledged, ${counted(coordinator.connectedParticipants, "participant")} in session`,
        ]),
    "",
  ];
}

function sinkLines(asked: readonly Asked[]): readonly string[] {
  const rows = asked
    .flatMap(({ sinks }) => sinks)
    .map(({ name, state, lagEvents, lag, deadLetters }) => [
      name,
      enumText("SINK_STATE_", state),
      `${lagEvents} events, ${waitText(durationMs(lag) ?? 0)}`,
      String(deadLetters),
    ]);
  return rows.length === 0 ? [] : [...tableLines(["sink", "state", "behind", "dead letters"], rows), ""];
}

function troubleLines(asked: readonly Asked[], troubles: readonly Trouble[]): readonly string[] {
  const unseen = asked.flatMap((each) => each.unseen.map((what) => `? ${what}`));
  const lines = troubles.flatMap(({ what, help }) => [`! ${what}`, `    ${help}`]);
  return [...(lines.length > 0 ? lines : [nothingText(asked)]), ...unseen];
}

function nothingText(asked: readonly Asked[]): string {
  if (asked.every(({ unseen }) => unseen.length === 0)) return "nothing wants a look";
  const nothing = "nothing of what you may see wants a look";
  const untold = asked.filter(({ status }) => status === undefined).map(({ address }) => address);
  return untold.length === 0
    ? nothing
    : `${nothing}, but how ${untold.join(", ")} ${untold.length === 1 ? "is" : "are"} you may not see: that counts, exit code 1`;
}

function statusJson(asked: readonly Asked[], troubles: readonly Trouble[]): string {
  const processes = asked.map(({ address, status, failure, unseen }) => ({
    address,
    ...(status && { status: JSON.parse(jsonText("concord.server.v1.GetServerStatusResponse", GetServerStatusResponse, status)) }),
    ...(failure !== undefined && { failure }),
    ...(unseen.length > 0 && { unseen }),
  }));
  const sinks = asked.flatMap((each) => each.sinks.map((sink) => JSON.parse(jsonText("concord.workflow.v1.Sink", Sink, sink))));
  return JSON.stringify({ processes, sinks, troubles });
}
