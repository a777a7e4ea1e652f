import { isMove, isTerminal, type WorkflowState } from "../../../src/kernel/lifecycle.ts";
import type { WorkflowEvent } from "../../../src/workflow/core/types.ts";
import type { SequentialModel } from "../../support/linearizable.ts";
import type { Request } from "./clients.ts";
import { simulatedRules } from "./rules.ts";
import type { Shown, Verb } from "./verbs.ts";

// What the workflow service owes a single client in these worlds. It is a second model beside test/support/workflow-model.ts, for here rules
// come and go, deadlines fall due, and moves may be held: what was heard says which of several answers it can have been, and the model
// whether that is one of them.

type Deadlines = Readonly<Record<string, WorkflowState | undefined>>;

type Item = { readonly id: string; readonly to: WorkflowState; readonly expected?: number | undefined };

export type Input =
  /** `hint` is what was heard; nothing, if nobody knows. */
  | {
      readonly type: "ask";
      readonly request: Request;
      readonly hint: string | undefined;
      /** Those that it has set, if it was carried out: of the state that a workflow came into. The chronicle says whether it should have. */
      readonly deadlines: Deadlines;
    }
  /** An item of a batch that was refused. */
  | { readonly type: "look"; readonly item: Item; readonly hint: string }
  | { readonly type: "list"; readonly shown: readonly Shown[]; readonly among?: readonly string[] }
  | { readonly type: "fire"; readonly event: WorkflowEvent }
  /** A change of a bulk operation. */
  | { readonly type: "bulk"; readonly event: WorkflowEvent }
  | { readonly type: "purge"; readonly ids: readonly string[] };

/** In one word and what belongs to it: `OK PAUSED 3 0`, `VERSION_MISMATCH 4`. */
export type Output = string;

type Kept = {
  readonly state: WorkflowState;
  readonly version: number;
  readonly retries: number;
  readonly locked: boolean;
  /** When it was created. */
  readonly wasLocked: boolean;
  readonly deadline: WorkflowState | undefined;
};

type State = {
  readonly workflows: Readonly<Record<string, Kept>>;
  readonly purged: readonly string[];
  /** The first answer to a request that has one. */
  readonly answers: Readonly<Record<string, Output>>;
};

type Step = { readonly state: State; readonly output: Output };

const heardOf = ({ state, version, retries }: Kept): Output => `OK ${state} ${version} ${retries}`;

export const sequentialModel: SequentialModel<State, Input, Output> = {
  initial: { workflows: {}, purged: [], answers: {} },
  step,
  key: (state) => JSON.stringify(state),
  isAnswer: (expected, heard) => expected === heard,
};

function step(state: State, input: Input): Step {
  switch (input.type) {
    case "list":
      return { state, output: isAsListed(state, input.shown, input.among ?? []) ? "listed" : "something else" };
    case "purge":
      return purge(state, input.ids);
    case "fire":
      return fire(state, input.event);
    case "bulk":
      return changedInBulk(state, input.event);
    case "look": {
      const found = moved(state, input.item, input.hint);
      return { state, output: typeof found === "string" ? found : heardOf(found) };
    }
    default:
      return ask(state, input);
  }
}

function isAsListed({ workflows }: State, shown: readonly Shown[], among: readonly string[]): boolean {
  return among.every((id) => {
    const kept = workflows[id];
    const listed = shown.find((each) => each.id === id);
    return kept === undefined || listed === undefined
      ? kept === listed
      : heardOf(kept) === `OK ${listed.state} ${listed.version} ${listed.retries}`;
  });
}

function purge(state: State, ids: readonly string[]): Step {
  const mayGo = ids.every((id) => isTerminal(state.workflows[id]?.state ?? "CREATED"));
  const workflows = Object.fromEntries(Object.entries(state.workflows).filter(([id]) => !ids.includes(id)));
  return { state: { ...state, workflows, purged: [...state.purged, ...ids] }, output: mayGo ? "purged" : "kept" };
}

/** The deadline of its state, or that this is dropped. */
function fire(state: State, { workflowId: id, type, toState, deadline }: WorkflowEvent): Step {
  const found = state.workflows[id];
  if (found?.deadline === undefined) return { state, output: "no deadline" };
  const version = found.version + 1;
  if (type === "DEADLINE_REFUSED") return put(state, id, { ...found, version, deadline: undefined });
  const moved = { ...moveTo(found, toState), deadline: deadline?.targetState };
  return found.deadline === toState ? put(state, id, moved) : { state, output: "another deadline" };
}

function changedInBulk(state: State, { workflowId: id, type, toState, metadataPatch, deadline }: WorkflowEvent): Step {
  const found = state.workflows[id];
  if (found === undefined) return { state, output: missing(state, id) };
  if (type === "UPDATED")
    return put(state, id, { ...found, version: found.version + 1, locked: metadataPatch?.["locked"] === true });
  if (!isMove(found.state, toState)) return { state, output: "INVALID_TRANSITION" };
  return put(state, id, { ...moveTo(found, toState), deadline: deadline?.targetState });
}

const put = (state: State, id: string, kept: Kept): Step => ({
  state: { ...state, workflows: { ...state.workflows, [id]: kept } },
  output: heardOf(kept),
});

function moveTo(found: Kept, to: WorkflowState): Kept {
  const retries = found.retries + (found.state === "FAILED" && to === "ACTIVE" ? 1 : 0);
  return { ...found, state: to, version: found.version + 1, retries, deadline: undefined };
}

function ask(state: State, { request: { id: requestId, verb }, hint, deadlines }: Extract<Input, { type: "ask" }>): Step {
  if (verb.type === "get" || verb.type === "wait") {
    const found = state.workflows[verb.id];
    return { state, output: found === undefined ? missing(state, verb.id) : heardOf(found) };
  }
  const known = requestId === "" ? undefined : state.answers[requestId];
  if (known !== undefined) return { state, output: known };
  const changed = verb.type === "batch" ? batch(state, verb.items, hint, deadlines) : one(state, verb, hint, deadlines);
  if (changed.state === state || requestId === "") return changed;
  return { ...changed, state: { ...changed.state, answers: { ...state.answers, [requestId]: changed.output } } };
}

function batch(state: State, items: readonly Item[], hint: string | undefined, deadlines: Deadlines): Step {
  let next = state;
  const outputs: Output[] = [];
  for (const item of items) {
    const result = moved(state, item, hint);
    if (typeof result === "string") return { state, output: "refused" };
    next = put(next, item.id, { ...result, deadline: deadlines[item.id] }).state;
    outputs.push(heardOf(result));
  }
  return { state: next, output: outputs.join("; ") };
}

function one(state: State, verb: Verb, hint: string | undefined, deadlines: Deadlines): Step {
  if (!("id" in verb)) return { state, output: "nothing" };
  const result = changeOf(state, verb, hint);
  if (typeof result === "string") return { state, output: result };
  // What was only found is not written.
  if (result === state.workflows[verb.id]) return { state, output: heardOf(result) };
  const isInPlace = verb.type === "update" || verb.type === "deadline";
  return put(state, verb.id, isInPlace ? result : { ...result, deadline: deadlines[verb.id] });
}

const missing = ({ purged }: State, id: string): Output => (purged.includes(id) ? "WORKFLOW_PURGED" : "WORKFLOW_NOT_FOUND");

type Changing = Extract<Verb, { readonly id: string }>;

/** The workflow as it is then, or why it stays as it is. */
function changeOf(state: State, verb: Changing, hint: string | undefined): Kept | Output {
  const found = state.workflows[verb.id];
  switch (verb.type) {
    case "create":
      return created(state, verb);
    case "move":
      if (verb.deadlineMs !== undefined && !isMove(verb.to, "CANCELLED")) return "INVALID_REQUEST";
      return moved(state, verb, hint);
    case "recover":
      return moved(state, { ...verb, to: "ACTIVE" }, hint, true);
    case "update":
      return admitted(state, verb) ?? changedInPlace(found, { locked: verb.locked });
    case "deadline": {
      const refused = admitted(state, verb);
      if (refused !== undefined || found === undefined) return refused ?? "";
      if (verb.afterMs !== undefined && !isMove(found.state, verb.to)) return "INVALID_REQUEST";
      if (verb.afterMs === undefined && found.deadline === undefined) return "DEADLINE_NOT_SET";
      return changedInPlace(found, { deadline: verb.afterMs === undefined ? undefined : verb.to });
    }
    default:
      return "nothing";
  }
}

function changedInPlace(found: Kept | undefined, change: Partial<Kept>): Kept | Output {
  return found === undefined ? "" : { ...found, ...change, version: found.version + 1 };
}

function created(state: State, { id, locked, started, orFind }: Extract<Verb, { type: "create" }>): Kept | Output {
  if (state.purged.includes(id)) return "WORKFLOW_ID_RETIRED";
  const found = state.workflows[id];
  if (found === undefined) {
    const born = { retries: 0, locked, wasLocked: locked, deadline: undefined };
    return started ? { ...born, state: "ACTIVE", version: 2 } : { ...born, state: "CREATED", version: 1 };
  }
  const isSame = found.wasLocked === locked && (found.state !== "CREATED" || !started);
  return orFind && isSame ? found : "WORKFLOW_ALREADY_EXISTS";
}

/** The checks that come before the rules. Nothing: it passes. */
function admitted(
  state: State,
  { id, expected }: { readonly id: string; readonly expected?: number | undefined },
): Output | undefined {
  const found = state.workflows[id];
  if (found === undefined) return missing(state, id);
  if (isTerminal(found.state)) return "TERMINAL_STATE";
  return expected !== undefined && expected !== found.version ? `VERSION_MISMATCH ${found.version}` : undefined;
}

const recoveryRefusals: ReadonlySet<string> = new Set(["RECOVERY_TOO_EARLY", "RECOVERIES_EXHAUSTED"]);

function moved(state: State, item: Item, hint: string | undefined, mustRecover = false): Kept | Output {
  const refused = admitted(state, item);
  const found = state.workflows[item.id];
  if (refused !== undefined || found === undefined) return refused ?? "";
  if (mustRecover && found.state !== "FAILED") return "NOT_FAILED";
  if (!isMove(found.state, item.to)) return "INVALID_TRANSITION";
  // What the policy says of recoveries, the chronicle knows.
  if (hint !== undefined && recoveryRefusals.has(hint) && found.state === "FAILED" && item.to === "ACTIVE") return hint;
  // Others were faster each time.
  if (hint?.startsWith("VERSION_MISMATCH") && item.expected === undefined) return hint;
  const { locked, retries: retryCount } = found;
  const judged = { metadata: { locked }, retryCount, to: item.to, reason: "a world" };
  const mayDeny = simulatedRules.some((rule) => rule.to === item.to && !rule.holds(judged));
  // Whether the rule was active then, the chronicle says.
  if (hint === "RULE_DENIED" && mayDeny) return hint;
  return moveTo(found, item.to);
}
