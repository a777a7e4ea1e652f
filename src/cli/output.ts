import Table from "cli-table3";
import { printable } from "../kernel/text.ts";

export { jsonText } from "../rpc/json-text.ts";

export type OutputFormat = "table" | "json";

export function tableLines(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
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
  // Before it is laid out: what is escaped is wider, and a line break would make a row of its own.
  table.push(...rows.map((row) => row.map(printable)));
  return table
    .toString()
    .split("\n")
    .map((line) => line.trimEnd());
}

/** A list of names and values, one a line. */
export function fieldLines(fields: readonly (readonly [string, string])[]): readonly string[] {
  const width = Math.max(...fields.map(([name]) => name.length));
  return fields.map(([name, value]) => `${`${name}:`.padEnd(width + 2)}${value}`.trimEnd());
}

/** A line, or several. What callers wrote shows itself and does nothing else. JSON stays what it is: it may escape what is escaped here. */
export function print(lines: string | readonly string[]): void {
  const shown = typeof lines === "string" ? [lines] : lines;
  process.stdout.write(shown.map((line) => `${printable(line)}\n`).join(""));
}

/** As `print`, for people: on standard error, beside what programs read. */
export function printAside(line: string): void {
  process.stderr.write(`${printable(line)}\n`);
}

/** `WORKFLOW_STATE_ACTIVE` as people say it. */
export function enumText(prefix: string, value: string): string {
  const name = value.startsWith(prefix) ? value.slice(prefix.length) : value;
  return name === "UNSPECIFIED" ? "-" : name;
}

export function timeText(time: Date | undefined): string {
  return time === undefined ? "-" : time.toISOString();
}
