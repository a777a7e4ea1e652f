import { Command } from "commander";
import { formatDuration } from "../config.ts";
import { GetServerInfoResponse } from "../gen/concord/workflow/v1/server_info.ts";
import { durationMs } from "../rpc/duration.ts";
import { addClientOptions, type ClientOptions, withClients } from "./client.ts";
import { fieldLines, jsonText, print, timeText } from "./output.ts";

export function infoCommand(): Command {
  const command = new Command("info").description("say what a server is: its version, what it serves, bounds and can do");
  return addClientOptions(command).action((options: ClientOptions) =>
    withClients(options, async ({ workflows }) => {
      const info = await workflows.getServerInfo({}, { deadline: options.timeout });
      if (options.output !== "table") print(jsonText("concord.workflow.v1.GetServerInfoResponse", GetServerInfoResponse, info));
      else print(infoLines(info));
    }),
  );
}

export function infoLines({ version, services, startedAt, limits, capabilities }: GetServerInfoResponse): readonly string[] {
  return fieldLines([
    ["version", version],
    ["services", services.join(", ")],
    ["since", timeText(startedAt)],
    ...Object.entries(limits ?? {}).map(([name, value]) => [`at most ${wordsOf(name)}`, valueText(value)] as const),
    ["can", capabilities.join(", ")],
  ]);
}

/** `structBytes` as `struct bytes`. */
const wordsOf = (name: string): string => name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

const valueText = (value: unknown): string =>
  typeof value === "object" ? formatDuration(durationMs(value as Parameters<typeof durationMs>[0]) ?? 0) : String(value);
