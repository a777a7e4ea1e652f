import { celType, isCelError } from "@bufbuild/cel";
import { ok, type Result } from "../../kernel/result.ts";
import { firstCharacters } from "../../kernel/text.ts";
import type { Purse } from "./budget.ts";
import type { Variables } from "./check.ts";
import { type CompileError, compile, type ResultType } from "./compile.ts";
import { type Bindings, describeFailure, type Expression, evaluate } from "./evaluate.ts";
import { asksForPresence, pathOf, placeOf, type Site, type Sites, sitesOf } from "./explain-sites.ts";
import { createTrace, keptRounds, type Round, type Trace } from "./explain-trace.ts";
import { shownText, shownValue } from "./explain-value.ts";
import { type Outcome, type Walk, walkOf } from "./explain-walk.ts";
import type { Expr } from "./expr.ts";
import { evaluationCostMax, explanationBytesMax, explanationCostFactor, messageLengthMax } from "./limits.ts";
import type { Span } from "./parse.ts";
import type { Position } from "./position.ts";

/** What something has come to. A value is shown as one would write it, and may be cut. */
export type ShownOutcome =
  | { readonly type: "value"; readonly valueType: string; readonly value: string }
  | { readonly type: "error"; readonly message: string }
  | { readonly type: "not-evaluated" };

/** A part of the expression, as it stands in the source; `position` is where its errors are said to be: of an operator itself. */
export type ExplainedPart = Span & {
  readonly text: string;
  readonly position: Position;
  readonly outcome: ShownOutcome;
  /** Of a loop: how many elements it has looked at, and what its body has come to for some of them. */
  readonly roundCount: number;
  readonly rounds: readonly ExplainedRound[];
};

export type ExplainedRound = { readonly index: number; readonly element: string; readonly parts: readonly ExplainedPart[] };

/** What was read of the variables. Undefined: `has` has found that it is there, and nobody has looked at it. */
export type ExplainedInput = { readonly path: string; readonly value: string | undefined; readonly isAbsent: boolean };

export type Explanation = {
  readonly outcome: ShownOutcome;
  /** In the order of the source; outer parts come before those within them. */
  readonly parts: readonly ExplainedPart[];
  readonly inputs: readonly ExplainedInput[];
  /** Parts, rounds and inputs that found no room. */
  readonly omittedCount: number;
  /** In units, as without an explanation. */
  readonly cost: number;
};

/** An expression that is made ready to be explained, often. */
export type Explainable = {
  readonly source: string;
  readonly expression: Expression;
  readonly walk: Walk;
  readonly sites: Sites;
};

export function explainable(source: string, variables: Variables, wanted?: ResultType): Result<Explainable, CompileError> {
  const spans = new Map<Expr, Span>();
  const compiled = compile(source, variables, wanted, spans);
  if (!compiled.ok) return compiled;
  const { expr } = compiled.value;
  return ok({ source, expression: compiled.value, walk: walkOf(expr), sites: sitesOf(expr, spans, variables) });
}

/**
 * Evaluates, and tells what each part has come to, and why. The value or error is that of a plain evaluation, within the same budget; it
 * takes from the purse `explanationCostFactor` times as much.
 */
export function explain(explained: Explainable, bindings: Bindings, purse: Purse): Explanation {
  const { expression, walk } = explained;
  const { trace, watcher } = createTrace();
  // Of its own: what is begun comes to what a plain evaluation comes to.
  const own = { ...purse, left: evaluationCostMax };
  const result = evaluate({ ...expression, run: (values) => walk(values, watcher) }, bindings, own);
  const cost = evaluationCostMax - Math.max(0, own.left);
  purse.left -= cost * explanationCostFactor;
  const inputsRoom = createRoom(inputsBytesMax);
  const room = createRoom(explanationBytesMax - inputsBytesMax);
  const report = new Report(explained, room);
  return {
    outcome: result.ok ? report.shown(result.value) : { type: "error", message: firstCharacters(result.error, messageLengthMax) },
    parts: report.parts(undefined, trace),
    inputs: new Report(explained, inputsRoom).inputs(trace),
    omittedCount: room.omittedCount() + inputsRoom.omittedCount(),
    cost,
  };
}

/** The inputs have room of their own, so that no loop takes it. */
const inputsBytesMax = explanationBytesMax / 4;

/** What a part, a round or an input takes besides its texts. */
const itemBytes = 200;

/** At most: JSON may escape each unit of UTF-16. */
const bytesOf = (text: string): number => (/^[ !#-[\]-~]*$/.test(text) ? text.length : 6 * text.length);

type Room = {
  /** False: it is not shown, nor is anything after it. */
  readonly takes: (...texts: readonly string[]) => boolean;
  /** True: one more is omitted. */
  readonly isFull: () => boolean;
  readonly omittedCount: () => number;
};

function createRoom(bytesMax: number): Room {
  let left = bytesMax;
  let omitted = 0;
  const isFull = () => {
    if (left >= 0) return false;
    omitted += 1;
    return true;
  };
  const takes = (...texts: readonly string[]) => {
    left -= texts.reduce((sum, text) => sum + bytesOf(text), itemBytes);
    return !isFull();
  };
  return { takes, isFull, omittedCount: () => omitted };
}

/** Builds what is shown, as far as there is room. */
class Report {
  readonly #source: string;
  readonly #expression: Expression;
  readonly #sites: Sites;
  readonly #byLoop: ReadonlyMap<Expr | undefined, readonly Site[]>;
  readonly #room: Room;

  constructor({ source, expression, sites }: Explainable, room: Room) {
    this.#source = source;
    this.#expression = expression;
    this.#sites = sites;
    this.#byLoop = Map.groupBy(sites.sites, ({ loop }) => loop);
    this.#room = room;
  }

  /** Those of one loop's body, or outside of all. They find room before the rounds of any do: they tell more. */
  parts(loop: Expr | undefined, trace: Trace): readonly ExplainedPart[] {
    const fitting = (this.#byLoop.get(loop) ?? []).flatMap((site) => this.#part(site, trace));
    return fitting.map(({ site, part }) => ({ ...part, ...this.#roundsOf(site, trace) }));
  }

  #part(site: Site, trace: Trace) {
    if (this.#room.isFull()) return [];
    const { offset, length } = site.span;
    const outcome = this.shown(trace.outcomes.get(site.expr));
    const text = shownText(this.#source.slice(offset, offset + length));
    if (!this.#room.takes(text, textOf(outcome))) return [];
    const position = placeOf(site.expr, this.#expression);
    return [{ site, part: { offset, length, text, position, outcome } }];
  }

  #roundsOf({ loops }: Site, trace: Trace): Pick<ExplainedPart, "roundCount" | "rounds"> {
    let roundCount = 0;
    const rounds: ExplainedRound[] = [];
    for (const loop of loops) {
      const told = trace.loops.get(loop);
      if (told === undefined) continue;
      roundCount += told.count;
      for (const round of keptRounds(told)) rounds.push(...this.#round(loop, round));
    }
    return { roundCount, rounds };
  }

  #round(loop: Expr, { index, element, trace }: Round): readonly ExplainedRound[] {
    if (this.#room.isFull()) return [];
    const shown = shownValue(element);
    return this.#room.takes(shown) ? [{ index, element: shown, parts: this.parts(loop, trace) }] : [];
  }

  inputs(trace: Trace): readonly ExplainedInput[] {
    const inputs = new Map<string, ExplainedInput>();
    for (const input of this.#inputsOf(trace)) {
      if (!inputs.has(input.path) && this.#room.takes(input.path, input.value ?? "")) inputs.set(input.path, input);
    }
    return [...inputs.values()];
  }

  *#inputsOf(trace: Trace): Generator<ExplainedInput> {
    for (const expr of this.#sites.reads) {
      const outcome = trace.outcomes.get(expr);
      if (outcome !== undefined) yield inputOf(expr, outcome, trace);
    }
    for (const rounds of trace.loops.values()) {
      for (const round of keptRounds(rounds)) yield* this.#inputsOf(round.trace);
    }
  }

  shown(outcome: Outcome | undefined): ShownOutcome {
    if (outcome === undefined) return { type: "not-evaluated" };
    if (isCelError(outcome)) return { type: "error", message: shownText(describeFailure(outcome, this.#expression)) };
    return { type: "value", valueType: celType(outcome).name, value: shownValue(outcome) };
  }
}

function inputOf(expr: Expr, outcome: Outcome, trace: Trace): ExplainedInput {
  const path = pathOf(expr, trace.outcomes);
  if (isCelError(outcome)) return { path, value: undefined, isAbsent: true };
  if (asksForPresence(expr)) return { path, value: undefined, isAbsent: outcome === false };
  return { path, value: shownValue(outcome), isAbsent: false };
}

function textOf(outcome: ShownOutcome): string {
  if (outcome.type === "not-evaluated") return "";
  return outcome.type === "value" ? outcome.value : outcome.message;
}
