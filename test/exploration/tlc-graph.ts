import { spawn } from "node:child_process";
import { cpSync, createReadStream, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Tlc } from "../../scripts/verify/tlc.ts";
import { type SpecCoordinator, type SpecState, specKey } from "./spec.ts";
import type { Constants } from "./world.ts";

/** The whole state graph of specs/TwoPhaseCommit.tla, as TLC found it. */
export type Graph = {
  readonly initial: string;
  /** Keys. */
  readonly states: ReadonlySet<string>;
  /** From key to key, with the actions. */
  readonly edges: ReadonlyMap<string, ReadonlyMap<string, ReadonlySet<string>>>;
};

const specsDir = join(import.meta.dirname, "..", "..", "specs");

export async function readGraph(tlc: Tlc, constants: Constants): Promise<Graph> {
  const dir = mkdtempSync(join(tmpdir(), "concord-graph-"));
  try {
    for (const module of ["TwoPhaseCommit", "AtomicCommit"]) cpSync(join(specsDir, `${module}.tla`), join(dir, `${module}.tla`));
    writeFileSync(join(dir, "model.cfg"), configOf(constants));
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
    await execute("java", [...flags, ...run, "-dump", "dot,actionlabels", dump, "TwoPhaseCommit.tla"], dir);
    return await parseDot(dump, constants);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function configOf({ participants, maxEpoch, maxPartCrash, may }: Constants): string {
  return `CONSTANTS
  Participants = {${participants.join(", ")}}
  MaxEpoch = ${maxEpoch}
  MaxPartCrash = ${maxPartCrash}
  MaxLoss = 0
  May = {${may.map((whim) => `"${whim}"`).join(", ")}}
SPECIFICATION Spec
CHECK_DEADLOCK FALSE
`;
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

async function parseDot(path: string, constants: Constants): Promise<Graph> {
  const keyOf = new Map<string, string>();
  const states = new Set<string>();
  const edges = new Map<string, Map<string, Set<string>>>();
  const later: [string, string, string][] = [];
  let initial = "";
  for await (const line of createInterface({ input: createReadStream(path) })) {
    const edge = /^(-?\d+) -> (-?\d+) \[label="(\w+)"/.exec(line);
    if (edge) {
      later.push([edge[1] as string, edge[2] as string, edge[3] as string]);
      continue;
    }
    const node = /^(-?\d+) \[label="(.*)"(,style = filled)?\];?$/.exec(line);
    if (!node) continue;
    const [, id = "", label = "", filled] = node;
    if (keyOf.has(id)) continue;
    const state = toState(label.replaceAll("\\n", "\n").replaceAll('\\"', '"').replaceAll("\\\\", "\\"), constants);
    const key = specKey(state);
    keyOf.set(id, key);
    states.add(key);
    if (filled) initial = key;
  }
  for (const [from, to, action] of later) {
    const fromKey = keyOf.get(from) as string;
    const toKey = keyOf.get(to) as string;
    const out = edges.get(fromKey) ?? new Map<string, Set<string>>();
    edges.set(fromKey, out.set(toKey, (out.get(toKey) ?? new Set()).add(action)));
  }
  return { initial, states, edges };
}

// ---- Values as TLC prints them.

type Value = string | number | readonly Value[] | { readonly [field: string]: Value };

function toState(label: string, { participants }: Constants): SpecState {
  const values = new Map<string, Value>();
  for (const [, name = "", text = ""] of label.matchAll(/\/\\ (\w+) = ([\s\S]*?)(?=\n\/\\ |$)/g))
    values.set(name, parseValue(text));
  const of = (name: string): Value => {
    const value = values.get(name);
    if (value === undefined) throw new Error(`TLC printed no ${name}:\n${label}`);
    return value;
  };
  const set = (value: Value | undefined): string[] => [...(value as readonly string[])].sort();
  const log = of("log") as { readonly [field: string]: Value };
  const part = of("part") as { readonly [field: string]: Value };
  return {
    log: {
      rec: log["rec"] as SpecState["log"]["rec"],
      epoch: log["epoch"] as number,
      voters: set(log["voters"]),
      lost: set(log["lost"]),
    },
    fence: of("fence") as number,
    coord: (of("coord") as readonly { readonly [field: string]: Value }[]).map((each) => ({
      phase: each["phase"] as SpecCoordinator["phase"],
      yes: set(each["yes"]),
      ro: set(each["ro"]),
      acks: set(each["acks"]),
      lost: set(each["lost"]),
    })),
    part: participants.map((name) => part[name]) as SpecState["part"],
    up: set(of("up")),
    net: (of("net") as readonly (readonly string[])[]).map(([type, to]) => `${type} ${to}`).sort(),
    client: of("client") as SpecState["client"],
    crashes: of("crashes") as number,
    taken: set(of("taken")),
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
      const name = take();
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
    return /^-?\d+$/.test(token) ? Number(token) : token;
  }
  return value();
}
