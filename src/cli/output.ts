import { printable } from "../kernel/text.ts";
import { padToWidth, textWidth } from "./text-width.ts";
import { yamlText } from "./yaml-text.ts";

export { jsonText } from "../rpc/json-text.ts";

/** JSON and YAML say the same: a line, or a document, for each thing. */
export type OutputFormat = "table" | "json" | "yaml";

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

/** Where what is printed goes. A process has one. */
const destination: { format: OutputFormat; collected: string[] | undefined } = { format: "table", collected: undefined };

/** From now on, what is printed has this format: lines of JSON become documents of YAML, if that is wanted. */
export function printAs(format: OutputFormat): void {
  destination.format = format;
}

/** What `run` prints, instead of printing it; each line or document by itself. */
export async function printed(run: () => Promise<void>): Promise<readonly string[]> {
  const collected: string[] = [];
  destination.collected = collected;
  try {
    await run();
  } finally {
    destination.collected = undefined;
  }
  return collected;
}

/** A line, or several. What callers wrote shows itself and does nothing else. JSON stays what it is: it may escape what is escaped here. */
export function print(lines: string | readonly string[]): void {
  const shown = (typeof lines === "string" ? [lines] : lines).map(destination.format === "yaml" ? yamlDocument : printable);
  if (destination.collected) destination.collected.push(...shown);
  else process.stdout.write(shown.map((line) => `${line}\n`).join(""));
}

/** As `print`, for people: on standard error, beside what programs read. */
export function printAside(line: string): void {
  if (destination.collected && destination.format === "table") destination.collected.push(printable(line));
  else process.stderr.write(`${printable(line)}\n`);
}

const yamlDocument = (line: string): string => `---\n${yamlText(JSON.parse(line)).trimEnd()}`;

/** `WORKFLOW_STATE_ACTIVE` as people say it. */
export function enumText(prefix: string, value: string): string {
  const name = value.startsWith(prefix) ? value.slice(prefix.length) : value;
  return name === "UNSPECIFIED" ? "-" : name;
}

export function timeText(time: Date | undefined): string {
  return time === undefined ? "-" : time.toISOString();
}

/** As people say it: `1.5 GiB`. */
export function bytesText(bytes: number): string {
  for (const [unit, size] of [
    ["GiB", 2 ** 30],
    ["MiB", 2 ** 20],
    ["KiB", 2 ** 10],
  ] as const) {
    if (bytes >= size) return `${(bytes / size).toFixed(1)} ${unit}`;
  }
  return `${bytes} B`;
}

/** As people say it, and never too short. */
export function waitText(ms: number): string {
  for (const [unit, size] of [
    ["d", 86_400_000],
    ["h", 3_600_000],
    ["min", 60_000],
    ["s", 1000],
  ] as const) {
    if (ms >= size) return `${Math.ceil((10 * ms) / size) / 10} ${unit}`;
  }
  return `${Math.ceil(ms)} ms`;
}

/** Who has asked, in that one's words; and who that is, where it was proved and is not what the words say. */
export function whoText({
  requestedBy,
  authenticatedAs,
}: {
  readonly requestedBy: string;
  readonly authenticatedAs: string;
}): string {
  if (authenticatedAs === "" || authenticatedAs === requestedBy) return requestedBy;
  return `${requestedBy} (as ${authenticatedAs})`.trimStart();
}
