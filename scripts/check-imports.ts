// The import table of docs/architecture.md: which part may know which. And no file knows one that knows it. And which part may ask the machine for
// time and chance: the others get them, so that a made world runs them as they are.
import { globSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

type Part = {
  readonly prefix: string;
  readonly may: readonly string[];
  readonly packages?: readonly string[];
  /** It has its own time and chance: it runs in no made world. */
  readonly asksMachine?: true;
};

/** A file belongs to the first part whose prefix it has; it may import its own part and these. `packages`: which npm packages. */
const parts: readonly Part[] = [
  { prefix: "kernel/", may: [], packages: [] },
  { prefix: "workflow/core/", may: ["kernel/"], packages: [] },
  {
    prefix: "predicate/core/",
    may: ["kernel/"],
    packages: ["@bufbuild/cel", "@bufbuild/cel-spec", "@bufbuild/protobuf", "@bufbuild/re2"],
  },
  { prefix: "commit/core/", may: ["kernel/"], packages: [] },
  { prefix: "events/core/", may: ["kernel/"], packages: [] },
  { prefix: "access/core/", may: ["kernel/"], packages: [] },
  { prefix: "workflow/", may: ["kernel/", "workflow/core/"] },
  { prefix: "predicate/", may: ["kernel/", "predicate/core/"] },
  { prefix: "commit/", may: ["kernel/", "commit/core/"] },
  { prefix: "events/", may: ["kernel/", "events/core/"] },
  { prefix: "access/", may: ["kernel/", "access/core/"] },
  { prefix: "storage/postgres/", may: ["kernel/", "commit/"], asksMachine: true },
  { prefix: "storage/memory/", may: ["kernel/", "workflow/", "predicate/", "commit/", "events/"], asksMachine: true },
  { prefix: "storage/sqlite/clock.ts", may: ["kernel/"], asksMachine: true },
  { prefix: "storage/sqlite/lock.ts", may: ["kernel/", "storage/"], asksMachine: true },
  { prefix: "storage/", may: ["kernel/", "workflow/", "predicate/", "commit/", "events/"] },
  { prefix: "runtime/", may: ["kernel/"], asksMachine: true },
  { prefix: "gen/", may: [] },
  {
    prefix: "rpc/",
    may: ["kernel/", "workflow/", "predicate/", "commit/", "events/", "access/", "runtime/", "gen/"],
    asksMachine: true,
  },
  { prefix: "http/", may: ["kernel/", "runtime/", "gen/", "rpc/"], asksMachine: true },
  { prefix: "config-checks.ts", may: ["kernel/"] },
  { prefix: "config.ts", may: ["kernel/", "config-checks.ts"] },
  { prefix: "version.ts", may: [] },
  { prefix: "yaml-file.ts", may: ["kernel/", "runtime/"] },
  { prefix: "sinks-file.ts", may: ["kernel/", "events/", "config.ts", "yaml-file.ts"] },
  { prefix: "access-file.ts", may: ["kernel/", "access/", "config.ts", "yaml-file.ts"] },
  { prefix: "client", may: ["kernel/", "rpc/", "gen/"], asksMachine: true },
  { prefix: "participant.ts", may: ["kernel/", "commit/", "storage/", "runtime/", "rpc/"], asksMachine: true },
  {
    prefix: "compose",
    asksMachine: true,
    may: [
      "kernel/",
      "workflow/",
      "predicate/",
      "commit/",
      "events/",
      "access/",
      "storage/",
      "runtime/",
      "rpc/",
      "http/",
      "gen/",
      "config-checks.ts",
      "config.ts",
      "sinks-file.ts",
      "access-file.ts",
      "version.ts",
    ],
  },
  {
    prefix: "cli/",
    asksMachine: true,
    may: [
      "kernel/",
      "workflow/",
      "predicate/",
      "commit/",
      "access/",
      "storage/",
      "runtime/",
      "rpc/",
      "gen/",
      "access/",
      "config.ts",
      "access-file.ts",
      "compose",
      "version.ts",
    ],
  },
  { prefix: "main.ts", may: ["cli/", "version.ts"] },
];

/** The cores are pure: not even Node's own modules. */
const purePrefixes = ["kernel/", "workflow/core/", "predicate/core/", "commit/core/", "events/core/", "access/core/"];

/** They bring the SDK of OpenTelemetry along, and are read when something is to be exported: with import(), and by no other file. */
const lazyFiles = ["export.ts", "sampler.ts", "span-queue.ts", "spans.ts"].map((name) => `runtime/telemetry/${name}`);
const lazyPackage = "@opentelemetry/";
const staticPattern = /\bfrom\s+"([^"]+)"/g;

/** What tells the time, waits for it, or draws lots. */
const machinePattern =
  /\b(?:setTimeout|setInterval|setImmediate|queueMicrotask|nextTick|hrtime|Date\.now|performance\.now|Math\.random|random(?:UUID|Bytes|Int))\b|new Date\(\)/g;

const source = join(import.meta.dirname, "..", "src");
const importPattern = /(?:from|import)\s*\(?\s*"([^"]+)"/g;
const problems: string[] = [];
/** Of each file, those that it imports, also for types only. */
const imports = new Map<string, readonly string[]>();

for (const file of globSync("**/*.ts", { cwd: source })) {
  const part = parts.find(({ prefix }) => file.startsWith(prefix));
  if (part === undefined) {
    problems.push(`${file}: belongs to no part; add it to scripts/check-imports.ts and docs/architecture.md`);
    continue;
  }
  const text = readFileSync(join(source, file), "utf8");
  if (!part.asksMachine) {
    for (const [asked] of new Set(text.match(machinePattern)).entries()) {
      problems.push(`${file}: asks the machine itself (${asked}); a port must be given to it, such as the Clock of the kernel`);
    }
  }
  for (const [, specifier = ""] of lazyFiles.includes(file) ? [] : text.matchAll(staticPattern)) {
    const isLazy = specifier.startsWith(lazyPackage) || lazyFiles.includes(targetOf(file, specifier));
    if (isLazy) problems.push(`${file}: may import ${specifier} only with import(), when it is needed`);
  }
  const specifiers = [...text.matchAll(importPattern)].map(([, specifier = ""]) => specifier);
  imports.set(
    file,
    specifiers.filter((specifier) => specifier.startsWith(".")).map((specifier) => targetOf(file, specifier)),
  );
  for (const specifier of specifiers) {
    const problem = specifier.startsWith(".") ? checkFile(file, specifier, part) : checkPackage(specifier, part);
    if (problem !== undefined) problems.push(`${file}: ${problem}`);
  }
}

function checkFile(file: string, specifier: string, part: Part): string | undefined {
  const target = targetOf(file, specifier);
  const targetPart = parts.find(({ prefix }) => target.startsWith(prefix));
  const allowed = [part.prefix, ...part.may];
  return targetPart !== undefined && allowed.some((prefix) => targetPart.prefix.startsWith(prefix))
    ? undefined
    : `may not import ${target}`;
}

function checkPackage(specifier: string, part: Part): string | undefined {
  if (specifier.startsWith("node:")) {
    return purePrefixes.includes(part.prefix) ? `is pure and may not import ${specifier}` : undefined;
  }
  const allowed = part.packages?.some((name) => specifier === name || specifier.startsWith(`${name}/`)) ?? true;
  return allowed ? undefined : `may not import the package ${specifier}`;
}

function targetOf(file: string, specifier: string): string {
  return relative(source, join(source, dirname(file), specifier));
}

/** The first circle of each kind that is met on the way down from a file. */
function findCircles(): void {
  const done = new Set<string>();
  const visit = (file: string, way: readonly string[]): void => {
    const start = way.indexOf(file);
    if (start >= 0) problems.push(`a circle of imports: ${[...way.slice(start), file].join(" → ")}`);
    if (start >= 0 || done.has(file)) return;
    for (const target of imports.get(file) ?? []) visit(target, [...way, file]);
    done.add(file);
  };
  for (const file of imports.keys()) visit(file, []);
}

findCircles();
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exit(1);
