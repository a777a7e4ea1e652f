import { spawn } from "node:child_process";
import { cpSync, createReadStream, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Tlc } from "../../scripts/verify/tlc.ts";

/** The whole state graph of a module of specs/, as TLC found it. */
export type Graph = {
  /** Keys. */
  readonly states: ReadonlySet<string>;
  /** From key to key, with the actions. */
  readonly edges: ReadonlyMap<string, ReadonlyMap<string, ReadonlySet<string>>>;
};

const specsDir = join(import.meta.dirname, "..", "..", "specs");

export type GraphQuestion = {
  readonly module: string;
  /** The modules that it needs. */
  readonly needs?: readonly string[];
  readonly cfg: string;
  /** One text for one state, of the values of its variables. */
  readonly keyOf: (read: (variable: string) => Value) => string;
};

export async function readGraph(tlc: Tlc, { module, needs = [], cfg, keyOf }: GraphQuestion): Promise<Graph> {
  const dir = mkdtempSync(join(tmpdir(), "concord-graph-"));
  try {
    for (const each of [module, ...needs]) cpSync(join(specsDir, `${each}.tla`), join(dir, `${each}.tla`));
    writeFileSync(join(dir, "model.cfg"), cfg);
    const dump = join(dir, "graph.dot");
    const flags = [
      "-Xmx2g",
      "-XX:+UseParallelGC",
      "-XX:ParallelGCThreads=1",
      `-Djava.io.tmpdir=${dir}`,
      "-cp",
      tlc.jar,
      "tlc2.TLC",
    ];
    const run = ["-workers", "1", "-checkpoint", "0", "-metadir", join(dir, "meta"), "-config", "model.cfg"];
    await execute("java", [...flags, ...run, "-dump", "dot,actionlabels", dump, `${module}.tla`], dir);
    return await parseDot(dump, keyOf);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function execute(command: string, args: readonly string[], cwd: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString("utf8");
    });
    child.stderr.resume();
    const stop = (): void => void child.kill("SIGKILL");
    process.once("exit", stop);
    child.on("error", reject);
    child.on("close", (code) => {
      process.removeListener("exit", stop);
      if (code === 0) resolve();
      else reject(new Error(`TLC ended with ${code}:\n${output.slice(-2_000)}`));
    });
  });
}

async function parseDot(path: string, keyOf: GraphQuestion["keyOf"]): Promise<Graph> {
  const keys = new Map<string, string>();
  const states = new Set<string>();
  const edges = new Map<string, Map<string, Set<string>>>();
  const later: [string, string, string][] = [];
  for await (const line of createInterface({ input: createReadStream(path) })) {
    const edge = /^(-?\d+) -> (-?\d+) \[label="(\w+)"/.exec(line);
    if (edge) {
      later.push([edge[1] as string, edge[2] as string, edge[3] as string]);
      continue;
    }
    const node = /^(-?\d+) \[label="(.*)"(,style = filled)?\];?$/.exec(line);
    if (!node) continue;
    const [, id = "", label = ""] = node;
    if (keys.has(id)) continue;
    const key = keyOf(valuesOf(label.replaceAll("\\n", "\n").replaceAll('\\"', '"').replaceAll("\\\\", "\\")));
    keys.set(id, key);
    states.add(key);
  }
  for (const [from, to, action] of later) {
    const fromKey = keys.get(from) as string;
    const toKey = keys.get(to) as string;
    const out = edges.get(fromKey) ?? new Map<string, Set<string>>();
    edges.set(fromKey, out.set(toKey, (out.get(toKey) ?? new Set()).add(action)));
  }
  return { states, edges };
}

// ---- Values as TLC prints them.

/** A set is a list too, in any order. */
export type Value = string | number | boolean | readonly Value[] | { readonly [field: string]: Value };

function valuesOf(label: string): (variable: string) => Value {
  const values = new Map<string, Value>();
  for (const [, name = "", text = ""] of label.matchAll(/\/\\ (\w+) = ([\s\S]*?)(?=\n\/\\ |$)/g))
    values.set(name, parseValue(text));
  return (variable) => {
    const value = values.get(variable);
    if (value === undefined) throw new Error(`TLC printed no ${variable}:\n${label}`);
    return value;
  };
}

function parseValue(text: string): Value {
  const tokens = text.match(/"[^"]*"|<<|>>|\|->|:>|@@|[\w-]+|[[\]{}(),]/g) ?? [];
  let at = 0;
  const take = (): string => tokens[at++] ?? "";
  const list = (end: string): Value[] => {
    const items: Value[] = [];
    while (tokens[at] !== end) {
      items.push(value());
      if (tokens[at] === ",") at += 1;
    }
    at += 1;
    return items;
  };
  const fields = (end: string, arrow: string, separator: string): Value => {
    const record: Record<string, Value> = {};
    while (tokens[at] !== end) {
      const key = value();
      const name = Array.isArray(key) ? key.join(" ") : String(key);
      if (take() !== arrow) throw new Error(`not a value: ${text}`);
      record[name] = value();
      if (tokens[at] === separator) at += 1;
    }
    at += 1;
    return record;
  };
  function value(): Value {
    const token = take();
    if (token === "{") return list("}");
    if (token === "<<") return list(">>");
    if (token === "[") return fields("]", "|->", ",");
    if (token === "(") return fields(")", ":>", "@@");
    if (token.startsWith('"')) return token.slice(1, -1);
    if (token === "TRUE" || token === "FALSE") return token === "TRUE";
    return /^-?\d+$/.test(token) ? Number(token) : token;
  }
  return value();
}
