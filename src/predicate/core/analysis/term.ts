import { isMessage } from "@bufbuild/protobuf";
import { type Duration, type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { type WorkflowState, workflowStates } from "../../../kernel/lifecycle.ts";
import { children, type Expr, literalText, qualifiedName } from "../expr.ts";
import { literalTime } from "../literal-time.ts";
import { type RuleOperation, ruleOperations } from "../types.ts";
import { type Constant, type Domain, flagged, noError, ranged } from "./domain.ts";
import { keyOf } from "./key.ts";
import { orderRange, pointsRange, wholeRange } from "./range.ts";

/** What rules ask about: a part of an expression without variables of its own. Of one check it has one value, or always fails. */
export type Term = {
  /** The same for the same term, in whatever rule. */
  readonly key: string;
  /** What it may be at all. */
  readonly domain: Domain | undefined;
  /** What holds of other terms if this one is so. */
  readonly implied: (domain: Domain) => readonly Condition[];
};

export type Condition = { readonly term: Term; readonly domain: Domain };

/** The move that is looked at; from a state to itself: an update in it. */
export type Move = { readonly from: WorkflowState; readonly to: WorkflowState };

export const isUpdate = ({ from, to }: Move): boolean => from === to;

const nothingImplied = () => [];

const states: Domain = ranged("text", pointsRange(workflowStates));
const text: Domain = ranged("text", wholeRange);
const number: Domain = ranged("number", wholeRange);
const time: Domain = ranged("time", wholeRange);

/** The types of what is always there. */
const known: ReadonlyMap<string, Domain> = new Map(
  Object.entries({
    from: states,
    to: states,
    operation: ranged("text", pointsRange(ruleOperations)),
    now: time,
    "workflow.id": text,
    "workflow.type": text,
    "workflow.state": states,
    "workflow.previous_state": ranged("text", pointsRange(["", ...workflowStates])),
    "workflow.version": number,
    "workflow.retry_count": number,
    "workflow.created_at": time,
    "workflow.created_by": text,
    "workflow.updated_at": time,
    "workflow.updated_by": text,
    "workflow.state_entered_at": time,
    "workflow.recoverable_at": time,
    "request.reason": text,
    "request.requested_by": text,
    "request.authenticated_as": text,
    "request.transaction.id": text,
    "last_event.occurred_at": time,
    "last_event.requested_by": text,
    "last_event.authenticated_as": text,
    "last_event.reason": text,
  }),
);

/** Maps with texts as keys: what is not there is an error, and `has` says so. */
const maps: readonly string[] = ["workflow.metadata", "proposed.metadata", "request.context", "last_event.metadata"];

export function termOf(expr: Expr, move: Move): Term {
  const constant = constantOf(expr, move);
  if (constant !== undefined) return { key: keyOf(expr), domain: domainOfConstant(constant), implied: nothingImplied };
  const { exprKind } = expr;
  const key = keyOf(expr);
  const name = qualifiedName(expr) ?? "";
  if (exprKind.case === "selectExpr" && exprKind.value.operand !== undefined && isInMap(exprKind.value.operand)) {
    return selection(exprKind.value.operand, exprKind.value.field, move);
  }
  const [operand, field] = exprKind.case === "callExpr" && exprKind.value.function === "@has" ? exprKind.value.args : [];
  if (operand !== undefined && field !== undefined && isInMap(operand)) return presence(operand, literalText(field) ?? "", move);
  if (isSize(expr)) return { key, domain: size, implied: nothingImplied };
  return { key, domain: known.get(name), implied: nothingImplied };
}

/** No size is below 0. */
const size: Domain = { ...ranged("number", orderRange(">=", 0)), flags: new Set(["error"]) };

const isSize = ({ exprKind }: Expr): boolean => exprKind.case === "callExpr" && exprKind.value.function === "size";

function isInMap(operand: Expr): boolean {
  const name = qualifiedName(operand) ?? "";
  return maps.some((map) => name === map || name.startsWith(`${map}.`));
}

const isMap = (operand: Expr): boolean => maps.includes(qualifiedName(operand) ?? "");

/** What something is selected from is a map. */
function container(operand: Expr, move: Move): readonly Condition[] {
  return isMap(operand) ? [] : [{ term: termOf(operand, move), domain: flagged("other") }];
}

/** `a.b`: with a value, `has(a.b)` is true. */
function selection(operand: Expr, field: string, move: Move): Term {
  return {
    key: `${keyOf(operand)}.${JSON.stringify(field)}`,
    domain: undefined,
    implied: ({ flags }) =>
      flags.has("error") ? [] : [{ term: presence(operand, field, move), domain: flagged("true") }, ...container(operand, move)],
  };
}

/** `has(a.b)`: if it is true, `a.b` has a value. */
function presence(operand: Expr, field: string, move: Move): Term {
  return {
    key: `@has(${keyOf(operand)}, ${JSON.stringify(field)})`,
    domain: isMap(operand) ? flagged("true", "false") : flagged("true", "false", "error"),
    implied: ({ flags }) =>
      flags.has("false") || flags.has("error")
        ? []
        : [{ term: selection(operand, field, move), domain: noError }, ...container(operand, move)],
  };
}

function domainOfConstant(constant: Constant): Domain {
  return "value" in constant ? ranged(constant.type, pointsRange([constant.value])) : flagged(constant.type);
}

/** The value, if it stands in the expression, or is known of the move. */
export function constantOf(expr: Expr, move: Move): Constant | undefined {
  const { exprKind } = expr;
  if (exprKind.case === "constExpr") return literalConstant(exprKind.value.constantKind);
  if (exprKind.case === "callExpr") return timeConstant(expr, exprKind.value.function, exprKind.value.args);
  const ofMove = movePart(expr);
  return ofMove && { type: "text", value: ofMove(move) };
}

type MovePart = (move: Move) => WorkflowState | RuleOperation;

/** How a rule sees the move. */
const moveParts: ReadonlyMap<string, MovePart> = new Map(
  Object.entries<MovePart>({
    operation: (move) => (isUpdate(move) ? "UPDATE" : "TRANSITION"),
    from: (move) => move.from,
    to: (move) => move.to,
    "workflow.state": (move) => move.from,
  }),
);

const movePart = (expr: Expr): MovePart | undefined => moveParts.get(qualifiedName(expr) ?? "");

/** Otherwise it is the same for each move. */
export function isAboutMove(expr: Expr): boolean {
  return movePart(expr) !== undefined || children(expr).some(isAboutMove);
}

type Literal = Extract<Expr["exprKind"], { case: "constExpr" }>["value"]["constantKind"];

function literalConstant({ case: kind, value }: Literal): Constant | undefined {
  if (kind === "nullValue") return { type: "null" };
  if (typeof value === "string") return { type: "text", value };
  if (typeof value === "boolean") return { type: value ? "true" : "false" };
  return typeof value === "number" || typeof value === "bigint" ? { type: "number", value } : undefined;
}

/** What times stand in expressions. */
const times = new WeakMap<Expr, Constant>();

/** `timestamp("2026-01-31T09:30:00Z")`, `duration("1h")` */
function timeConstant(expr: Expr, name: string, [argument]: readonly Expr[]): Constant | undefined {
  if ((name !== "timestamp" && name !== "duration") || argument?.exprKind.case !== "constExpr") return undefined;
  const time = times.get(expr) ?? evaluatedTime(expr);
  if (time !== undefined) times.set(expr, time);
  return time;
}

function evaluatedTime(expr: Expr): Constant | undefined {
  const time = literalTime(expr);
  return time && { type: isMessage(time, TimestampSchema) ? "time" : "span", value: nanosOf(time) };
}

const nanosOf = ({ seconds, nanos }: Timestamp | Duration): bigint => seconds * 1_000_000_000n + BigInt(nanos);
