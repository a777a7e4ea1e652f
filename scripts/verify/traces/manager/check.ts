import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runTlc, type Tlc } from "../../tlc.ts";
import type { Step, Trace } from "./steps.ts";

export type Rejection = {
  readonly trace: Trace;
  /** The first line that no behaviour of the spec reaches, from 1. */
  readonly line: number;
};

const specsDir = join(import.meta.dirname, "..", "..", "..", "..", "specs");

/** Their invariants are checked along the way. */
const modelOfInvariants = "models/wm-2r.cfg";

/** What is rejected of these traces, and where. Throws if an invariant is violated on the way. */
export async function checkManagerTraces(tlc: Tlc, traces: readonly Trace[]): Promise<readonly Rejection[]> {
  const lines = await linesReached(tlc, traces);
  return traces.flatMap((trace, index) => {
    const line = lines.get(index + 1) ?? 1;
    return line > trace.steps.length ? [] : [{ trace, line }];
  });
}

async function linesReached(tlc: Tlc, traces: readonly Trace[]): Promise<ReadonlyMap<number, number>> {
  const dir = mkdtempSync(join(tmpdir(), "concord-traces-"));
  try {
    for (const module of ["WorkflowManager", "TraceWorkflowManager"]) {
      cpSync(join(specsDir, `${module}.tla`), join(dir, `${module}.tla`));
    }
    writeFileSync(join(dir, "RecordedTraces.tla"), moduleText(traces));
    writeFileSync(join(dir, "traces.cfg"), configText(traces));
    const model = { name: "traces", kind: "safety", module: "TraceWorkflowManager", cfg: "traces.cfg", exit: 0 } as const;
    const { exit, output } = await runTlc(tlc, dir, model);
    if (exit !== 0) throw new Error(`TLC ended with ${exit} on recorded traces:\n${output.slice(-6_000)}`);
    const lines = new Map<number, number>();
    for (const [, number, line] of output.matchAll(/^<<"reached", (\d+), (\d+)>>$/gm)) {
      lines.set(Number(number), Math.max(lines.get(Number(number)) ?? 0, Number(line)));
    }
    return lines;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Equal lines are written once. */
function moduleText(traces: readonly Trace[]): string {
  const numbers = new Map<string, number>();
  const numberOf = (step: Step): number => {
    const text = valueText(step);
    const number = numbers.get(text) ?? numbers.size + 1;
    numbers.set(text, number);
    return number;
  };
  const sequences = traces.map(({ steps }) => `<<${steps.map(numberOf).join(", ")}>>`);
  return `---- MODULE RecordedTraces ----
Lines == <<
${[...numbers.keys()].join(",\n")}
>>

Traces == <<
${sequences.join(",\n")}
>>
====
`;
}

const shownCountMax = 12;

/** The end of what is accepted, and what is not. */
export function rejectionText({ trace: { name, steps }, line }: Rejection): string {
  const first = Math.max(0, line - shownCountMax);
  const shown = steps.slice(first, line).map((step, index) => `${first + index + 1} ${valueText(step)}`);
  return [`${name}: line ${line} of ${steps.length} is not a step of the spec:`, ...shown].join("\n          ");
}

/** In TLA+: an array is a sequence, an object a record. */
function valueText(value: unknown): string {
  if (value instanceof Set) return `{${[...value].map(valueText).join(", ")}}`;
  if (Array.isArray(value)) return `<<${value.map(valueText).join(", ")}>>`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).map(([name, field]) => `${name} |-> ${valueText(field)}`);
  return `[${fields.join(", ")}]`;
}

function configText(traces: readonly Trace[]): string {
  const steps = traces.flatMap((trace) => trace.steps);
  const text = JSON.stringify(steps, (_, value) => (value instanceof Set ? [...value] : value));
  const count = (pattern: RegExp): number => Math.max(1, ...[...text.matchAll(pattern)].map(([, number]) => Number(number)));
  const names = (prefix: string): string =>
    Array.from({ length: count(new RegExp(`"${prefix}(\\d+)"`, "g")) }, (_, index) => `"${prefix}${index + 1}"`).join(", ");
  const crashes = traces.map((trace) => trace.steps.filter(({ action }) => action === "Crash").length);
  const expected = [...new Set(steps.flatMap((step) => (step.action === "Submit" ? [step.body.expected] : [])))];
  const states = `{"CREATED", "ACTIVE", "PAUSED", "COMPLETED", "FAILED", "CANCELLED"}`;
  return `CONSTANTS
  Workflows = {${names("w")}}
  Requests = {${names("r")}}
  Watchers = {}
  Sinks = {}
  Attempts = 1
  Kinds = {"create", "start", "move", "recover", "enlist", "batch", "update", "deadline"}
  Targets = ${states}
  Expected = {${[...new Set([0, ...expected])].join(", ")}}
  StartStates = {"NONE"}
  Slow = {}
  MaxWorkflows = 1000
  MaxTogether = 3
  MaxTries = 0
  MaxRevision = ${count(/"revision":(\d+)/g)}
  MaxCrash = ${Math.max(1, ...crashes)}
  Dues = ${states}
  Defaults = {}
  MaxRecoveries = 1000
  Backoff = FALSE
  MayPurge = TRUE
  Denied <- DeniedAsTold
SPECIFICATION TraceSpec
INVARIANTS
  ${[...invariants(), "Reached"].join("\n  ")}
CHECK_DEADLOCK FALSE
`;
}

function invariants(): readonly string[] {
  const cfg = readFileSync(join(specsDir, modelOfInvariants), "utf8");
  return (/^INVARIANTS\n((?: {2}\w+\n)+)/m.exec(cfg)?.[1] ?? "").trim().split(/\s+/);
}
