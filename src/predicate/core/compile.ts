import { parse, plan } from "@bufbuild/cel";
import { err, ok, type Result } from "../../kernel/result.ts";
import { firstCharacters } from "../../kernel/text.ts";
import { meter, meteredEnv, nodeCount } from "./budget.ts";
import { problemOf, regexCost, type Scope, type Variables } from "./check.ts";
import type { Problem } from "./enum-names.ts";
import type { Bindings, Expression } from "./evaluate.ts";
import { depth, type Expr } from "./expr.ts";
import { expressionDepthMax, expressionLengthMax, regexCostMax } from "./limits.ts";
import { mayBe, type ResultType } from "./result-type.ts";
import { type Position, positionAt, syntaxFailure } from "./syntax.ts";

export type { Variables };

export type CompileError = Position & { readonly message: string };

export function describeCompileError({ line, column, message }: CompileError): string {
  return `line ${line}, column ${column}: ${message}`;
}

/**
 * Finds what can be known without data: syntax, unknown names, arguments, size, and a result that is never `wanted`, if that
 * is said. Other types are known only when it is evaluated.
 */
export function compile(source: string, variables: Variables, wanted?: ResultType): Result<Expression, CompileError> {
  const failAt = (offset: number, message: string) => err({ ...positionAt(source, offset), message });
  const { length: allowed } = firstCharacters(source, expressionLengthMax);
  if (allowed < source.length) return failAt(allowed, `longer than ${expressionLengthMax} characters`);
  const failure = syntaxFailure(source);
  if (failure !== undefined) return failAt(failure.offset, failure.message);
  const parsed = tryParse(source);
  if (!parsed.ok) return failAt(parsed.error.offset, parsed.error.message);

  const { expr, sourceInfo } = parsed.value;
  const offsetOf = (id: bigint) => nameOffset(source, sourceInfo?.positions[String(id)] ?? 0);
  const scope: Scope = { variables, locals: new Map() };
  const problem = sizeProblem(expr) ?? problemOf(expr, scope) ?? (wanted && resultProblem(expr, wanted, scope));
  if (problem !== undefined) return failAt(offsetOf(problem.expr.id), problem.message);

  const baseCost = nodeCount(expr);
  meter(expr);
  const run: (bindings: Bindings) => unknown = plan(meteredEnv, expr);
  return ok({ run, baseCost, positionOf: (id) => (id > 0n ? positionAt(source, offsetOf(id)) : undefined) });
}

function sizeProblem(expr: Expr): Problem | undefined {
  if (depth(expr) > expressionDepthMax) return { expr, message: `nested deeper than ${expressionDepthMax} levels` };
  const cost = regexCost(expr);
  if (cost <= regexCostMax) return undefined;
  return { expr, message: `its regular expressions cost ${cost} units to compile; at most ${regexCostMax} are allowed` };
}

function resultProblem(expr: Expr, wanted: ResultType, scope: Scope): Problem | undefined {
  return mayBe(wanted, expr, scope) ? undefined : { expr, message: `the result is never a ${wanted}` };
}

/** The parser gives a selection the place of its dot; people look for the name after it. */
function nameOffset(source: string, offset: number): number {
  return source[offset] === "." ? offset + 1 : offset;
}

function tryParse(source: string): Result<ReturnType<typeof parse>, { readonly offset: number; readonly message: string }> {
  try {
    // The library takes a comment for complete only at the end of its line.
    return ok(parse(`${source}\n`));
  } catch (error) {
    // What the grammar leaves to the library: reserved words, and code points that do not exist.
    const { location, rawMessage, message } = error as Error & { location?: { start: { offset: number } }; rawMessage?: string };
    return err({ offset: location?.start.offset ?? 0, message: rawMessage ?? message });
  }
}
