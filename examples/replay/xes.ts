import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { type SaxesAttributeNS, SaxesParser, type SaxesTagNS } from "saxes";

/** One line of a process event log. Names are those of the extensions of IEEE 1849: `concept:name`, `lifecycle:transition`, and so on. */
export type LogEvent = {
  /** Its place in its trace: 1, 2, 3, … */
  readonly number: number;
  /** The texts of its attributes by their keys. Lists, containers and what is nested in an attribute are left out. */
  readonly attributes: ReadonlyMap<string, string>;
};

/** What happened in one case, in the order of the log. */
export type Trace = {
  /** Its place in the log: 1, 2, 3, … */
  readonly number: number;
  /** `concept:name`; empty if the log has none. */
  readonly name: string;
  readonly events: readonly LogEvent[];
};

/** The file is no such log, or cannot be read. The message says where. */
export class LogError extends Error {}

/** A trace is kept in memory while it is read. */
const eventCountMax = 100_000;

/** Of texts that the log gives. What is longer is no name. */
const textLengthMax = 10_000;

/** Reads a log trace by trace: what is not asked for yet is not read. A file whose name ends in `.gz` is decompressed. */
export async function* readLog(path: string): AsyncGenerator<Trace, void> {
  const file = createReadStream(path);
  const bytes: Readable = path.endsWith(".gz") ? file.pipe(createGunzip()) : file;
  file.once("error", (error) => bytes.destroy(error));
  const reader = createReader();
  bytes.setEncoding("utf8");
  try {
    for await (const text of bytes) yield* reader.read(text as string);
    yield* reader.end();
  } catch (error) {
    throw new LogError(`${path}: ${(error as Error).message}`, { cause: error });
  } finally {
    file.destroy();
  }
}

const attributeTags = new Set(["string", "date", "int", "float", "boolean", "id"]);

/** Gives the traces that have ended with the text that it was given. */
function createReader() {
  const parser = new SaxesParser({ xmlns: true });
  const ended: Trace[] = [];
  const open: string[] = [];
  let traceCount = 0;
  let trace: { attributes: Map<string, string>; events: LogEvent[] } | undefined;
  let event: Map<string, string> | undefined;

  const fail = (problem: string): never => {
    throw new Error(`line ${parser.line}, column ${parser.column}: ${problem}`);
  };

  const openTag = ({ local, attributes }: SaxesTagNS): void => {
    const parent = open.at(-1);
    open.push(local);
    if (parent === undefined && local !== "log") fail(`<${local}> is no event log: its outermost element must be <log>`);
    if (local === "trace" && parent === "log") trace = { attributes: new Map(), events: [] };
    else if (local === "event" && parent === "trace") event = new Map();
    else if (local === "event" && parent === "log") fail("an event outside of a trace belongs to no case");
    else if (attributeTags.has(local)) keep(parent, textOf(attributes["key"]), textOf(attributes["value"]));
  };

  const keep = (parent: string | undefined, key: string, value: string): void => {
    const attributes = parent === "event" ? event : parent === "trace" ? trace?.attributes : undefined;
    if (attributes === undefined) return;
    if (value.length > textLengthMax) fail(`the value of "${key}" has more than ${textLengthMax} characters`);
    attributes.set(key, value);
  };

  const closeTag = (): void => {
    const local = open.pop();
    if (trace === undefined) return;
    if (local === "event" && event !== undefined) {
      trace.events.push({ number: trace.events.length + 1, attributes: event });
      event = undefined;
      if (trace.events.length > eventCountMax) fail(`the trace has more than ${eventCountMax} events`);
    } else if (local === "trace") {
      traceCount += 1;
      ended.push({ number: traceCount, name: trace.attributes.get("concept:name") ?? "", events: trace.events });
      trace = undefined;
    }
  };

  parser.on("opentag", openTag);
  parser.on("closetag", closeTag);
  parser.on("error", ({ message }) => fail(message.replace(/^\d+:\d+: /, "")));

  function* take(): Generator<Trace, void> {
    yield* ended.splice(0);
  }
  return {
    *read(text: string): Generator<Trace, void> {
      parser.write(text);
      yield* take();
    },
    *end(): Generator<Trace, void> {
      parser.close();
      yield* take();
    },
  };
}

const textOf = (attribute: SaxesAttributeNS | string | undefined): string =>
  typeof attribute === "object" ? attribute.value : (attribute ?? "");
