import type { Check } from "../check.ts";
import type { Recorded, Rejection } from "./recorded.ts";

/** A trace in which one thing is false, up to the line at which that must be noticed, from 1. */
export type Corrupted<Trace> = Trace & { readonly kind: string; readonly line: number };

/** Steps in which one thing is false, and the place at which that must be noticed, from 0. */
export type Changed<Step> = { readonly steps: readonly Step[]; readonly at: number };

export type Corruption<Step> = {
  readonly kind: string;
  /** Nothing, if the trace has no such place. */
  readonly apply: (steps: readonly Step[]) => Changed<Step> | undefined;
};

/** Each kind of corruption, of as many traces as it can be done to, but no more than `countMax`. */
export function corruptEach<Step, Trace extends Recorded<Step>>(
  traces: readonly Trace[],
  corruptions: readonly Corruption<Step>[],
  countMax: number,
): readonly Corrupted<Trace>[] {
  return corruptions.flatMap(({ kind, apply }) => {
    const found: Corrupted<Trace>[] = [];
    for (const trace of traces) {
      if (found.length === countMax) break;
      const changed = apply(trace.steps);
      if (changed) found.push({ ...trace, kind, steps: changed.steps.slice(0, changed.at + 1), line: changed.at + 1 });
    }
    return found;
  });
}

/** Whether there is one of each kind, and each is rejected at its line. */
export function checkCorrupted<Trace>(
  name: string,
  corrupted: readonly Corrupted<Trace>[],
  {
    corruptions,
    rejections,
    nameOf,
  }: {
    readonly corruptions: readonly { readonly kind: string }[];
    readonly rejections: readonly Rejection<Trace>[];
    readonly nameOf: (trace: Trace) => string;
  },
): Check {
  const lineOf = new Map<Trace, number>(rejections.map(({ trace, line }) => [trace, line]));
  const missed = corrupted
    .filter((trace) => lineOf.get(trace) !== trace.line)
    .map((trace) => {
      const line = lineOf.get(trace);
      const found = line === undefined ? "accepted" : `rejected at line ${line}`;
      return `${trace.kind}, in ${nameOf(trace)}: ${found}, not at line ${trace.line}`;
    });
  const unmade = corruptions
    .filter(({ kind }) => !corrupted.some((trace) => trace.kind === kind))
    .map(({ kind }) => `no trace for ${kind}`);
  return {
    name,
    problems: [...missed, ...unmade],
    remark: `${corrupted.length}, ${corruptions.length} kinds, each rejected at its line`,
  };
}

/** Corruptions of the first line of an action that can be corrupted so. */
export function atLines<Step extends { readonly action: string }>() {
  type Of<Action extends Step["action"]> = Extract<Step, { readonly action: Action }>;

  /** Does something with a line. */
  function on<Action extends Step["action"]>(
    kind: string,
    action: Action,
    apply: (step: Of<Action>, steps: readonly Step[], at: number) => Changed<Step> | undefined,
  ): Corruption<Step> {
    return {
      kind,
      apply(steps) {
        for (const [at, step] of steps.entries()) {
          const changed = step.action === action ? apply(step as Of<Action>, steps, at) : undefined;
          if (changed) return changed;
        }
        return undefined;
      },
    };
  }

  /** A line is false: noticed there. */
  const lie = <Action extends Step["action"]>(
    kind: string,
    action: Action,
    change: (step: Of<Action>, before: readonly Step[]) => Step | undefined,
  ): Corruption<Step> =>
    on(kind, action, (step, steps, at) => {
      const changed = change(step, steps.slice(0, at));
      return changed && { steps: steps.with(at, changed), at };
    });

  return { on, lie };
}
