import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Tlc } from "../../tlc.ts";
import { lastLines, type Rejection, rejectedOf, specsDir } from "../recorded.ts";
import type { Trace } from "./steps.ts";

/** Their invariants are checked along the way. */
const modelOfInvariants = "models/wm-2r.cfg";

const walker = {
  module: "TraceWorkflowManager",
  extended: ["WorkflowManager"],
  name: "Lines",
  stepText: tlaText,
} as const;

/** Of which one run takes some seconds. */
const groupSize = 20;

/** What is rejected of these traces, and where. Throws if an invariant is violated on the way. */
export function checkManagerTraces(tlc: Tlc, traces: readonly Trace[]): Promise<readonly Rejection<Trace>[]> {
  const groups = [...Map.groupBy(traces.entries(), ([index]) => Math.floor(index / groupSize)).values()];
  return rejectedOf(
    tlc,
    (group) => ({ ...walker, config: configText(group) }),
    groups.map((group) => group.map(([, trace]) => trace)),
  );
}

export const rejectionText = (rejection: Rejection<Trace>): string => lastLines(walker, rejection.trace.name, rejection, 12);

/** In TLA+: an array is a sequence, an object a record. */
export function tlaText(value: unknown): string {
  if (value instanceof Set) return `{${[...value].map(tlaText).join(", ")}}`;
  if (Array.isArray(value)) return `<<${value.map(tlaText).join(", ")}>>`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).map(([name, field]) => `${name} |-> ${tlaText(field)}`);
  // A function of nothing.
  return fields.length === 0 ? "<<>>" : `[${fields.join(", ")}]`;
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
  Symmetry <- NoSymmetry
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
