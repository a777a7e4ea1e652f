import { fromBinary, toJson } from "@bufbuild/protobuf";
import Table from "cli-table3";
import { messageType, registry } from "../rpc/descriptors.ts";

export type OutputFormat = "table" | "json";

type MessageType<Message> = { encode(message: Message): { finish(): Uint8Array } };

/** The standard JSON form of a message: what grpcurl prints, one line a message. */
export function jsonText<Message>(typeName: string, type: MessageType<Message>, message: Message): string {
  const descriptor = messageType(typeName);
  return JSON.stringify(toJson(descriptor, fromBinary(descriptor, type.encode(message).finish()), { registry }));
}

export function tableText(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const none = "";
  const table = new Table({
    head: head.map((title) => title.toUpperCase()),
    style: { head: [], border: [], "padding-left": 0, "padding-right": 2 },
    chars: {
      top: none,
      "top-mid": none,
      "top-left": none,
      "top-right": none,
      bottom: none,
      "bottom-mid": none,
      "bottom-left": none,
      "bottom-right": none,
      left: none,
      "left-mid": none,
      mid: none,
      "mid-mid": none,
      right: none,
      "right-mid": none,
      middle: none,
    },
  });
  table.push(...rows.map((row) => [...row]));
  return table
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}

/** A list of names and values, one a line. */
export function fieldsText(fields: readonly (readonly [string, string])[]): string {
  const width = Math.max(...fields.map(([name]) => name.length));
  return fields.map(([name, value]) => `${`${name}:`.padEnd(width + 2)}${value}`.trimEnd()).join("\n");
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** `WORKFLOW_STATE_ACTIVE` as people say it. */
export function enumText(prefix: string, value: string): string {
  const name = value.startsWith(prefix) ? value.slice(prefix.length) : value;
  return name === "UNSPECIFIED" ? "-" : name;
}

export function timeText(time: Date | undefined): string {
  return time === undefined ? "-" : time.toISOString();
}
