import { type CelValue, isCelError } from "@bufbuild/cel";
import { assert } from "../../kernel/assert.ts";
import type { Outcome, Watcher } from "./explain-walk.ts";
import type { Expr } from "./expr.ts";
import { shownRoundCountMax } from "./limits.ts";

/** What was evaluated: outside of loops, or for one element of one. */
export type Trace = { readonly outcomes: Map<Expr, Outcome>; readonly loops: Map<Expr, Rounds> };

type Rounds = {
  count: number;
  readonly first: Round[];
  /** The first that fails, and the last, if they are not among the first. */
  failed: Round | undefined;
  last: Round | undefined;
  hasFailed: boolean;
};

export type Round = { readonly index: number; readonly element: CelValue; readonly trace: Trace };

const emptyTrace = (): Trace => ({ outcomes: new Map(), loops: new Map() });

/**
 * Keeps what is told. Of a loop it keeps the first elements, the first that fails, and the last, which is the one that has decided if the
 * loop has ended early.
 */
export function createTrace(): { readonly trace: Trace; readonly watcher: Watcher } {
  const trace = emptyTrace();
  const around: Round[] = [];
  const current = () => around.at(-1)?.trace ?? trace;
  const watcher: Watcher = {
    seen: (expr, outcome) => {
      current().outcomes.set(expr, outcome);
    },
    enter: (index, element) => {
      around.push({ index, element, trace: emptyTrace() });
    },
    leave: (loop, outcome) => {
      const round = around.pop();
      assert(round !== undefined, "a round that ends has begun");
      const { loops } = current();
      const rounds = loops.get(loop) ?? { count: 0, first: [], failed: undefined, last: undefined, hasFailed: false };
      loops.set(loop, rounds);
      keep(rounds, round, isCelError(outcome));
    },
  };
  return { trace, watcher };
}

function keep(rounds: Rounds, round: Round, fails: boolean): void {
  rounds.count += 1;
  if (rounds.first.length < shownRoundCountMax - 2) rounds.first.push(round);
  else {
    rounds.last = round;
    if (fails && !rounds.hasFailed) rounds.failed = round;
  }
  if (fails) rounds.hasFailed = true;
}

export function keptRounds({ first, failed, last }: Rounds): readonly Round[] {
  return [...first, ...(failed && failed !== last ? [failed] : []), ...(last ? [last] : [])];
}
