import { type CelInput, type CelValue, celError, celType, isCelError, isCelList, isCelMap, plan } from "@bufbuild/cel";
import { assert } from "../../kernel/assert.ts";
import { call, ident, list, method, select, struct } from "./build.ts";
import { meteredEnv } from "./environment.ts";
import type { Bindings } from "./evaluate.ts";
import { type Comprehension, children, type Expr, qualifiedName } from "./expr.ts";

/** A value, or why there is none. */
export type Outcome = CelValue | Failure;

export type Failure = Extract<ReturnType<typeof celError>, Error>;

/** Is told what each node comes to, in the order of evaluation. What is not reached is not told. */
export type Watcher = {
  readonly seen: (expr: Expr, outcome: Outcome) => void;
  /** An element of a loop begins: what is seen until `leave` is seen for it. */
  readonly enter: (index: number, element: CelValue) => void;
  /** With what the loop has come to so far. */
  readonly leave: (loop: Expr, outcome: Outcome) => void;
};

export type Walk = (bindings: Bindings, watcher: Watcher) => Outcome;

/** A variable of a loop or a binding. */
type Local = { readonly name: string; value: Outcome; readonly around: Local | undefined };

type Run = { readonly bindings: Bindings; readonly watcher: Watcher };

type Step = (run: Run, locals: Local | undefined) => Outcome;

/**
 * Evaluates a lowered expression as the library does, node by node, and tells what each comes to. Each function, field and operator is the
 * library's, of operands that are evaluated before; only their order, what is not reached, and loops are ours. So are `&&`, `||` and `?:`,
 * as far as they say which operands are wanted.
 */
export function walkOf(expr: Expr): Walk {
  const step = watched(expr);
  return (bindings, watcher) => step({ bindings, watcher }, undefined);
}

function watched(expr: Expr): Step {
  const step = stepOf(expr);
  return (run, locals) => {
    const outcome = step(run, locals);
    run.watcher.seen(expr, outcome);
    return outcome;
  };
}

function stepOf(expr: Expr): Step {
  const { exprKind } = expr;
  if (exprKind.case === "comprehensionExpr") return loopOf(expr, exprKind.value);
  const name = exprKind.case === "identExpr" ? exprKind.value.name.replace(/^\./, "") : undefined;
  const isWhole = children(expr).length === 0 || isTypeName(expr);
  if (!isWhole) return applied(expr);
  const evaluate = plan(meteredEnv, expr);
  return ({ bindings }, locals) => {
    for (let local = locals; local !== undefined; local = local.around) if (local.name === name) return local.value;
    return evaluate(bindings) as Outcome;
  };
}

/** `google.protobuf.Timestamp` is no field of a variable. */
export const isTypeName = (expr: Expr): boolean => meteredEnv.registry.getMessage(qualifiedName(expr) ?? "") !== undefined;

/** Its operands in turn, as far as they are wanted; then the node itself, of their values. An error is handed on as a value is. */
function applied(expr: Expr): Step {
  const operands = children(expr);
  const steps = operands.map(watched);
  const apply = plan(meteredEnv, ofVariables(expr));
  const wants = wantsOf(expr);
  return (run, locals) => {
    const outcomes: Outcome[] = [];
    const values: Record<string, CelInput> = {};
    for (const [at, step] of steps.entries()) {
      if (!wants(outcomes, at)) continue;
      const outcome = step(run, locals);
      outcomes[at] = outcome;
      values[variable(at)] = outcome as CelInput;
    }
    return apply(values) as Outcome;
  };
}

/** Whether an operand is evaluated, after those before it. */
type Wants = (before: readonly Outcome[], at: number) => boolean;

function wantsOf({ exprKind }: Expr): Wants {
  switch (exprKind.case === "callExpr" ? exprKind.value.function : "") {
    case "_&&_":
      return (before) => !before.includes(false);
    case "_||_":
      return (before) => !before.includes(true);
    case "_?_:_":
      return ([condition], at) => at === 0 || condition === (at === 1);
    default:
      return (before) => !before.some(isCelError);
  }
}

const variable = (at: number): string => `@${at}`;

/** The node with a variable for each operand. Literals stay: some are read when it is planned. */
function ofVariables(expr: Expr): Expr {
  const { id, exprKind } = expr;
  let at = -1;
  const next = (operand: Expr): Expr => {
    at += 1;
    return operand.exprKind.case === "constExpr" ? operand : ident(accessId(operand), variable(at));
  };
  switch (exprKind.case) {
    case "selectExpr": {
      const { operand, field } = exprKind.value;
      assert(operand !== undefined, "a field is selected from something");
      return select(id, next(operand), field);
    }
    case "callExpr": {
      const { target, function: name, args } = exprKind.value;
      return target === undefined ? call(id, name, ...args.map(next)) : method(id, next(target), name, ...args.map(next));
    }
    case "listExpr":
      return list(id, exprKind.value.elements.map(next));
    default: {
      assert(exprKind.case === "structExpr", "nothing else has operands");
      const { messageName, entries } = exprKind.value;
      return struct(
        id,
        messageName,
        entries.map((entry) => ({ ...entry, ...(entry.value && { value: next(entry.value) }) })),
      );
    }
  }
}

/** Where the library says that an index is wrong: at the begin of the chain of fields and indices. */
function accessId(expr: Expr): bigint {
  const { id, exprKind } = expr;
  if (exprKind.case === "selectExpr") return startOf(exprKind.value.operand, id);
  const [operand] = exprKind.case === "callExpr" && exprKind.value.function === "_[_]" ? exprKind.value.args : [];
  return operand === undefined ? id : startOf(operand, operand.id);
}

/** What is no variable, field, element or condition begins no chain: what is selected from it does. */
function startOf(operand: Expr | undefined, otherwise: bigint): bigint {
  const { exprKind } = operand ?? {};
  const isChain =
    exprKind?.case === "identExpr" ||
    exprKind?.case === "selectExpr" ||
    (exprKind?.case === "callExpr" && ["_[_]", "_?_:_"].includes(exprKind.value.function));
  return operand !== undefined && isChain ? accessId(operand) : otherwise;
}

function loopOf(expr: Expr, { accuInit, accuVar, iterRange, iterVar, loopCondition, loopStep, result }: Comprehension): Step {
  assert(accuInit && iterRange && loopCondition && loopStep && result, "a parsed loop is complete");
  const [begin, range, condition, next, end] = [accuInit, iterRange, loopCondition, loopStep, result].map(watched);
  assert(begin && range && condition && next && end, "each part has a step");
  return (run, locals) => {
    const accu: Local = { name: accuVar, value: begin(run, locals), around: locals };
    if (isCelError(accu.value)) return accu.value;
    const elements = range(run, locals);
    if (isCelError(elements)) return elements;
    const items = isCelMap(elements) ? elements.keys() : isCelList(elements) ? elements : undefined;
    if (items === undefined) return celError(`type mismatch: iterable vs ${celType(elements)}`, expr.id);
    let index = 0;
    for (const item of items) {
      const within: Local = { name: iterVar, value: item as CelValue, around: accu };
      if (condition(run, within) !== true) break;
      run.watcher.enter(index, item as CelValue);
      accu.value = next(run, within);
      run.watcher.leave(expr, accu.value);
      index += 1;
    }
    return end(run, accu);
  };
}
