import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runTlc, type Tlc } from "../tlc.ts";
import type { Step, Trace } from "./merge.ts";

export type Rejection = {
  readonly trace: Trace;
  /** The first event that no behaviour of the spec reaches, from 1. */
  readonly line: number;
};

const specsDir = join(import.meta.dirname, "..", "..", "..", "specs");

const invariants = [
  "TypeOK",
  "Agreement",
  "CommitValidity",
  "WriteAheadDecision",
  "WriteAheadVote",
  "WriteAheadAck",
  "AckHonest",
  "LostNeverForgotten",
  "CommitPointDurable",
  "NoStaleCommit",
  "PresumptionSound",
  "ForgetSafe",
  "ClientAckDurable",
  "Reached",
] as const;

/** Two cores. */
const runsAtOnce = 2;

/** What is rejected of these traces, and where. Throws if an invariant is violated on the way. */
export async function checkTraces(tlc: Tlc, traces: readonly Trace[]): Promise<readonly Rejection[]> {
  // A model has one set of participants.
  const groups = [...Map.groupBy(traces, ({ participantCount }) => participantCount).values()];
  const rejected: Rejection[] = [];
  const work = async (): Promise<void> => {
    for (let group = groups.shift(); group; group = groups.shift()) rejected.push(...(await checkGroup(tlc, group)));
  };
  await Promise.all(Array.from({ length: runsAtOnce }, work));
  return rejected;
}

async function checkGroup(tlc: Tlc, traces: readonly Trace[]): Promise<readonly Rejection[]> {
  const lines = await linesReached(tlc, traces);
  return traces.flatMap((trace, index) => {
    const line = lines.get(index + 1) ?? 1;
    return line > trace.steps.length ? [] : [{ trace, line }];
  });
}

/** Of each trace, by its number from 1: the furthest line that some behaviour of the spec comes to. */
async function linesReached(tlc: Tlc, traces: readonly Trace[]): Promise<ReadonlyMap<number, number>> {
  const dir = mkdtempSync(join(tmpdir(), "concord-traces-"));
  try {
    for (const module of ["AtomicCommit", "TwoPhaseCommit", "TraceTwoPhaseCommit"]) {
      cpSync(join(specsDir, `${module}.tla`), join(dir, `${module}.tla`));
    }
    writeFileSync(join(dir, "RecordedTraces.tla"), moduleText(traces));
    writeFileSync(join(dir, "traces.cfg"), configText(traces));
    const model = { name: "traces", kind: "safety", module: "TraceTwoPhaseCommit", cfg: "traces.cfg", exit: 0 } as const;
    const { exit, output } = await runTlc(tlc, dir, model);
    if (exit !== 0) throw new Error(`TLC ended with ${exit} on recorded traces:\n${output.slice(-3_000)}`);
    const lines = new Map<number, number>();
    for (const [, number, line] of output.matchAll(/^<<"reached", (\d+), (\d+)>>$/gm)) {
      lines.set(Number(number), Math.max(lines.get(Number(number)) ?? 0, Number(line)));
    }
    return lines;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Equal events are written once. */
export function moduleText(traces: readonly Trace[]): string {
  const numbers = new Map<string, number>();
  const numberOf = (step: Step): number => {
    const text = recordText(step);
    const number = numbers.get(text) ?? numbers.size + 1;
    numbers.set(text, number);
    return number;
  };
  const sequences = traces.map(({ steps }) => `<<${steps.map(numberOf).join(", ")}>>`);
  return `---- MODULE RecordedTraces ----
Events == <<
${[...numbers.keys()].join(",\n")}
>>

Traces == <<
${sequences.join(",\n")}
>>
====
`;
}

const shownCountMax = 20;

/** The end of what is accepted, and what is not. */
export function rejectionText({ trace: { transaction, steps }, line }: Rejection): string {
  const first = Math.max(0, line - shownCountMax);
  const shown = steps.slice(first, line).map((step, index) => `${first + index + 1} ${recordText(step)}`);
  return [`${transaction}: line ${line} of ${steps.length} is not a step of the spec:`, ...shown].join("\n          ");
}

/** In TLA+. */
function recordText(step: Step): string {
  const fields = Object.entries(step).map(([name, value]) => `${name} |-> ${valueText(value)}`);
  return `[${fields.join(", ")}]`;
}

function valueText(value: Step[keyof Step]): string {
  if (Array.isArray(value)) return `{${value.map(valueText).join(", ")}}`;
  return JSON.stringify(value);
}

function configText(traces: readonly Trace[]): string {
  const steps = traces.flatMap((trace) => trace.steps);
  const crashes = traces.map((trace) => trace.steps.filter(({ action }) => action === "PartCrash").length);
  const names = Array.from({ length: traces[0]?.participantCount ?? 0 }, (_, index) => `"p${index + 1}"`);
  // The last epoch does not crash, so there is one more.
  const maxEpoch = steps.reduce((max, { epoch = 1 }) => Math.max(max, epoch), 1) + 1;
  return `CONSTANTS
  Participants = {${names.join(", ")}}
  MaxEpoch = ${maxEpoch}
  MaxPartCrash = ${Math.max(1, ...crashes)}
  MaxLoss = 0
  May = {"no", "readonly", "timeout", "clientAbort", "losePromise"}
SPECIFICATION TraceSpec
INVARIANTS
  ${invariants.join(" ")}
CHECK_DEADLOCK FALSE
`;
}
