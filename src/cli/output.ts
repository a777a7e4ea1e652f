import { printable } from "../kernel/text.ts";
import { padToWidth, textWidth } from "./text-width.ts";

export { jsonText } from "../rpc/json-text.ts";

export type OutputFormat = "table" | "json";

const columnGap = 2;

/** Columns two spaces apart, as wide as what is in them. */
export function tableLines(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  // Before it is laid out: what is escaped is wider, and a line break would make a row of its own.
  const lines = [head.map((title) => title.toUpperCase()), ...rows.map((row) => row.map(printable))];
  const widths = head.map((_, column) => lines.reduce((width, line) => Math.max(width, textWidth(line[column] ?? "")), 0));
  return lines.map((line) =>
    line
      .map((cell, column) => padToWidth(cell, (widths[column] ?? 0) + columnGap))
      .join("")
      .trimEnd(),
  );
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
