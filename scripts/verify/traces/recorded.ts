import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runTlc, type Tlc } from "../tlc.ts";

/** What was done, step by step. */
export type Recorded<Step> = { readonly steps: readonly Step[] };

export type Rejection<Trace> = {
  readonly trace: Trace;
  /** The first line that no behaviour of the spec reaches, from 1. */
  readonly line: number;
};

/** The module that walks traces with the actions of a spec. */
export type Walker<Step> = {
  readonly module: string;
  /** What it extends, of the specs. */
  readonly extended: readonly string[];
  /** Under which it has what stands in traces. */
  readonly name: string;
  /** A step in TLA+. */
  readonly stepText: (step: Step) => string;
  readonly config: string;
};

export const specsDir = join(import.meta.dirname, "..", "..", "..", "specs");

/** Two cores. */
const runsAtOnce = 2;

/** What is rejected of these traces, each group of which has a run of its own, and where. Throws if an invariant is violated on the way. */
export async function rejectedOf<Step, Trace extends Recorded<Step>>(
  tlc: Tlc,
  walkerOf: (group: readonly Trace[]) => Walker<Step>,
  groups: readonly (readonly Trace[])[],
): Promise<readonly Rejection<Trace>[]> {
  const rejected: Rejection<Trace>[] = [];
  const queue = groups.values();
  const work = async (): Promise<void> => {
    for (const group of queue) rejected.push(...(await rejectedOfGroup(tlc, walkerOf(group), group)));
  };
  await Promise.all(Array.from({ length: runsAtOnce }, work));
  return rejected;
}

async function rejectedOfGroup<Step, Trace extends Recorded<Step>>(
  tlc: Tlc,
  walker: Walker<Step>,
  traces: readonly Trace[],
): Promise<readonly Rejection<Trace>[]> {
  const lines = await linesReached(tlc, walker, traces);
  return traces.flatMap((trace, index) => {
    const line = lines.get(index + 1) ?? 1;
    return line > trace.steps.length ? [] : [{ trace, line }];
  });
}

/** Of each trace, by its number from 1: the furthest line that some behaviour of the spec comes to. */
async function linesReached<Step>(
  tlc: Tlc,
  walker: Walker<Step>,
  traces: readonly Recorded<Step>[],
): Promise<ReadonlyMap<number, number>> {
  const { module, extended, config } = walker;
  const dir = mkdtempSync(join(tmpdir(), "concord-traces-"));
  try {
    for (const name of [...extended, module]) cpSync(join(specsDir, `${name}.tla`), join(dir, `${name}.tla`));
    writeFileSync(join(dir, "RecordedTraces.tla"), moduleText(walker, traces));
    writeFileSync(join(dir, "traces.cfg"), config);
    const model = { name: "traces", kind: "safety", module, cfg: "traces.cfg", exit: 0 } as const;
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

/** Equal steps are written once. */
export function moduleText<Step>(
  { name, stepText }: Pick<Walker<Step>, "name" | "stepText">,
  traces: readonly Recorded<Step>[],
): string {
  const numbers = new Map<string, number>();
  const numberOf = (step: Step): number => {
    const text = stepText(step);
    const number = numbers.get(text) ?? numbers.size + 1;
    numbers.set(text, number);
    return number;
  };
  const sequences = traces.map(({ steps }) => `<<${steps.map(numberOf).join(", ")}>>`);
  return `---- MODULE RecordedTraces ----
${name} == <<
${[...numbers.keys()].join(",\n")}
>>

Traces == <<
${sequences.join(",\n")}
>>
====
`;
}

/** The end of what is accepted, and what is not: so many lines of it. */
export function lastLines<Step>(
  { stepText }: Pick<Walker<Step>, "stepText">,
  title: string,
  { trace: { steps }, line }: Rejection<Recorded<Step>>,
  countMax: number,
): string {
  const first = Math.max(0, line - countMax);
  const shown = steps.slice(first, line).map((step, index) => `${first + index + 1} ${stepText(step)}`);
  return [`${title}: line ${line} of ${steps.length} is not a step of the spec:`, ...shown].join("\n          ");
}
