import type { Tlc } from "../../../scripts/verify/tlc.ts";
import { type Graph, readGraph, type Value } from "../tlc-graph.ts";
import type { Constants } from "./models.ts";
import { type SpecBody, type SpecCall, type SpecRecord, type SpecState, specKey } from "./spec.ts";

/** The whole state graph of specs/WorkflowManager.tla. */
export function readWorkflowGraph(tlc: Tlc, constants: Constants): Promise<Graph> {
  return readGraph(tlc, {
    module: "WorkflowManager",
    cfg: configOf(constants),
    keyOf: (read) => specKey(toState(read, constants)),
  });
}

const setOf = (items: readonly (string | number)[]): string =>
  `{${items.map((item) => (typeof item === "string" ? `"${item}"` : item)).join(", ")}}`;

export function configOf(constants: Constants): string {
  const { workflows, requests, kinds, targets, expected, startStates } = constants;
  const { maxWorkflows, maxTogether, maxRevision, maxCrash, dues, defaults, maxRecoveries, backoff } = constants;
  return `CONSTANTS
  Workflows = {${workflows.join(", ")}}
  Requests = {${requests.join(", ")}}
  Watchers = {}
  Sinks = {}
  Attempts = 1
  Kinds = ${setOf(kinds)}
  Targets = ${setOf(targets)}
  Expected = ${setOf(expected)}
  StartStates = ${setOf(startStates)}
  Slow = {}
  MaxWorkflows = ${maxWorkflows}
  MaxTogether = ${maxTogether}
  MaxTries = 16
  MaxRevision = ${maxRevision}
  MaxCrash = ${maxCrash}
  Dues = ${setOf(dues)}
  Defaults = ${setOf(defaults)}
  MaxRecoveries = ${maxRecoveries}
  Backoff = ${backoff ? "TRUE" : "FALSE"}
  MayPurge = FALSE
SPECIFICATION Spec
CHECK_DEADLOCK FALSE
`;
}

type Fields = { readonly [field: string]: Value };

function toState(of: (variable: string) => Value, { requests }: Constants): SpecState {
  const calls = of("call") as Fields;
  return {
    wf: of("wf") as Readonly<Record<string, SpecRecord>>,
    events: of("events") as unknown as SpecState["events"],
    answered: of("answered") as Readonly<Record<string, string>>,
    tx: of("tx") as Readonly<Record<string, string>>,
    body: Object.fromEntries(Object.entries(of("body") as Fields).map(([r, body]) => [r, bodyOf(body as Fields)])),
    call: Object.fromEntries(requests.map((r) => [r, calls[`${r} 1`] as unknown as SpecCall])),
    timer: of("timer") as unknown as SpecState["timer"],
    engine: of("engine") as SpecState["engine"],
    up: of("up") as boolean,
    crashes: of("crashes") as number,
  };
}

const bodyOf = (body: Fields): SpecBody =>
  ({ ...body, on: [...(body["on"] as readonly string[])].sort() }) as unknown as SpecBody;
