import fc from "fast-check";
import type { Clients } from "../../src/cli/client.ts";
import { enumText } from "../../src/cli/output.ts";
import { BatchMode, type BatchTransitionResult } from "../../src/gen/concord/workflow/v1/batch.ts";
import { WorkflowState as WireState, type Workflow } from "../../src/gen/concord/workflow/v1/workflow.ts";
import { IfExists } from "../../src/gen/concord/workflow/v1/workflow_service.ts";
import { unreachable } from "../../src/kernel/assert.ts";
import type { JsonObject } from "../../src/kernel/json.ts";
import { isMove, isTerminal, type WorkflowState, workflowStates } from "../../src/kernel/lifecycle.ts";
import { failureOf } from "./concord.ts";
import type { SequentialModel } from "./linearizable.ts";

// What WorkflowService owes a single caller, written from the contract; and the same verbs, asked of the real one.

type Change = {
  readonly id: string;
  readonly expected?: number | undefined;
  /** The same in two calls of the same request. */
  readonly requestId?: string | undefined;
};

type Item = { readonly id: string; readonly to: WorkflowState; readonly expected?: number | undefined };

export type Verb =
  | ({ readonly type: "create"; readonly locked: boolean; readonly started: boolean; readonly orFind: boolean } & Omit<
      Change,
      "expected"
    >)
  | ({ readonly type: "move"; readonly to: WorkflowState } & Change)
  | ({ readonly type: "recover" } & Change)
  | ({ readonly type: "update"; readonly locked: boolean } & Change)
  /** Cancelled, or set to CANCELLED far from now. */
  | ({ readonly type: "deadline"; readonly set: boolean } & Change)
  /** All of them, or none. */
  | { readonly type: "batch"; readonly items: readonly Item[] }
  | { readonly type: "purge" }
  | { readonly type: "count" }
  | { readonly type: "get"; readonly id: string }
  | { readonly type: "list"; readonly state: WorkflowState };

/** In one word and what belongs to it: `OK PAUSED 3`, `VERSION_MISMATCH 4`. */
export type Heard = string;

type Kept = {
  readonly state: WorkflowState;
  readonly version: number;
  readonly retries: number;
  readonly locked: boolean;
  /** When it was created. */
  readonly wasLocked: boolean;
  readonly hasDeadline: boolean;
  /** A retry of one of its changes has an answer. It stays as long as that. */
  readonly isRemembered: boolean;
};

export type ModelState = {
  readonly workflows: Readonly<Record<string, Kept>>;
  /** The first answer to a request that has one. */
  readonly answers: Readonly<Record<string, { readonly verb: string; readonly heard: Heard }>>;
  /** Their ids are not used again. */
  readonly purged: readonly string[];
};

/** The one rule of the server: what is locked is not completed. */
export const lockRule = {
  ruleId: "locked",
  expression: "!workflow.metadata.locked",
  moves: [{ toState: WireState.COMPLETED }],
  reason: "a test",
  requestedBy: "test",
};

const heardOf = ({ state, version, retries }: Kept): Heard => `OK ${state} ${version} ${retries}`;

function stepOf(state: ModelState, verb: Verb): { readonly state: ModelState; readonly output: Heard } {
  const { workflows } = state;
  switch (verb.type) {
    case "get": {
      const found = workflows[verb.id];
      return { state, output: found === undefined ? missing(state, verb.id) : heardOf(found) };
    }
    case "count": {
      const counts = workflowStates.map((each) => Object.values(workflows).filter((kept) => kept.state === each).length);
      return { state, output: counts.join(" ") };
    }
    case "purge": {
      const gone = Object.keys(workflows).filter((id) => mayGo(workflows[id]));
      const left = Object.fromEntries(Object.entries(workflows).filter(([, kept]) => !mayGo(kept)));
      return { state: { ...state, workflows: left, purged: [...state.purged, ...gone] }, output: gone.toSorted().join(" ") };
    }
    case "batch":
      return batch(state, verb.items);
    case "list": {
      const listed = Object.entries(workflows).filter(([, each]) => each.state === verb.state);
      return {
        state,
        output: listed
          .map(([id, each]) => `${id} ${heardOf(each)}`)
          .toSorted()
          .join("; "),
      };
    }
    default:
      return change(state, verb);
  }
}

const missing = ({ purged }: ModelState, id: string): string => (purged.includes(id) ? "WORKFLOW_PURGED" : "WORKFLOW_NOT_FOUND");

const mayGo = (kept: Kept | undefined): boolean => kept !== undefined && isTerminal(kept.state) && !kept.isRemembered;

function batch(state: ModelState, items: readonly Item[]): { readonly state: ModelState; readonly output: Heard } {
  const results = items.map((item) => changeOf(state, { type: "move", ...item }));
  const isRefused = results.some((result) => typeof result === "string");
  const heard = results.map((result) => (typeof result === "string" ? result : isRefused ? "BATCH_ABORTED" : heardOf(result)));
  const moved = results.flatMap((result, index) =>
    typeof result === "string" ? [] : [[items[index]?.id ?? "", result] as const],
  );
  const workflows = isRefused ? state.workflows : { ...state.workflows, ...Object.fromEntries(moved) };
  return { state: { ...state, workflows }, output: heard.join("; ") };
}

type Changing = Exclude<Verb, { readonly type: "get" | "list" | "count" | "purge" | "batch" }>;

function change(state: ModelState, verb: Changing): { readonly state: ModelState; readonly output: Heard } {
  const request = verb.requestId;
  const known = request === undefined ? undefined : state.answers[request];
  const asked = JSON.stringify(verb);
  if (known !== undefined) return { state, output: known.verb === asked ? known.heard : "REQUEST_ID_REUSED" };
  const changed = changeOf(state, verb);
  if (typeof changed === "string") return { state, output: changed };
  const heard = heardOf(changed);
  // What was only found is not remembered: nothing was written.
  if (changed === state.workflows[verb.id]) return { state, output: heard };
  const isRemembered = changed.isRemembered || request !== undefined;
  const workflows = { ...state.workflows, [verb.id]: { ...changed, isRemembered } };
  const answers = request === undefined ? state.answers : { ...state.answers, [request]: { verb: asked, heard } };
  return { state: { ...state, workflows, answers }, output: heard };
}

/** The workflow as it is then, or why it stays as it is. */
function changeOf(state: ModelState, verb: Changing): Kept | string {
  const found = state.workflows[verb.id];
  if (verb.type === "create") {
    const { locked, started, orFind } = verb;
    if (state.purged.includes(verb.id)) return "WORKFLOW_ID_RETIRED";
    if (found === undefined) {
      const born = { retries: 0, locked, wasLocked: locked, hasDeadline: false, isRemembered: false };
      return started ? { ...born, state: "ACTIVE", version: 2 } : { ...born, state: "CREATED", version: 1 };
    }
    const isSame = found.wasLocked === locked && (found.state !== "CREATED" || !started);
    return orFind && isSame ? found : "WORKFLOW_ALREADY_EXISTS";
  }
  if (found === undefined) return missing(state, verb.id);
  if (isTerminal(found.state)) return "TERMINAL_STATE";
  if (verb.expected !== undefined && verb.expected !== found.version) return `VERSION_MISMATCH ${found.version}`;
  if (verb.type === "update") return { ...found, version: found.version + 1, locked: verb.locked };
  if (verb.type === "deadline") {
    if (verb.set && !isMove(found.state, "CANCELLED")) return "INVALID_REQUEST";
    if (!verb.set && !found.hasDeadline) return "DEADLINE_NOT_SET";
    return { ...found, version: found.version + 1, hasDeadline: verb.set };
  }
  if (verb.type === "recover" && found.state !== "FAILED") return "NOT_FAILED";
  const to = verb.type === "recover" ? "ACTIVE" : verb.to;
  if (!isMove(found.state, to)) return "INVALID_TRANSITION";
  if (to === "COMPLETED" && found.locked) return "RULE_DENIED";
  const recovered = found.state === "FAILED" && to === "ACTIVE" ? 1 : 0;
  return { ...found, state: to, version: found.version + 1, retries: found.retries + recovered, hasDeadline: false };
}

export const workflowModel: SequentialModel<ModelState, Verb, Heard> = {
  initial: { workflows: {}, answers: {}, purged: [] },
  step: stepOf,
  key: (state) => JSON.stringify(state),
  isAnswer: (expected, heard) => expected === heard,
};

/** Asks the real service. Throws what is no answer of it. `scope` keeps the ids of one history apart from those of others. */
export async function ask({ workflows }: Clients, verb: Verb, scope: string): Promise<Heard> {
  const by = { reason: "a test", requestedBy: "test" };
  const common = (change: Change) => ({
    ...by,
    workflowId: `${scope}.${change.id}`,
    requestId: change.requestId === undefined ? "" : `${scope}.${change.requestId}`,
    expectedVersion: change.expected === undefined ? undefined : BigInt(change.expected),
  });
  switch (verb.type) {
    case "create": {
      const metadata: JsonObject = { locked: verb.locked };
      const more = {
        initialState: verb.started ? WireState.ACTIVE : WireState.UNSPECIFIED,
        ifExists: verb.orFind ? IfExists.RETURN : IfExists.FAIL,
      };
      return heard(workflows.createWorkflow({ ...common(verb), ...more, metadata, type: scope }));
    }
    case "move":
      return heard(workflows.transitionWorkflow({ ...common(verb), targetState: WireState[verb.to] }));
    case "recover":
      return heard(workflows.recoverWorkflow(common(verb)));
    case "update":
      return heard(workflows.updateWorkflowMetadata({ ...common(verb), metadataPatch: { locked: verb.locked } }));
    case "deadline": {
      const after = { $case: "after", value: { seconds: 3600n, nanos: 0 } } as const;
      const deadline = verb.set ? { due: after, targetState: WireState.CANCELLED, reason: "a test" } : undefined;
      return heard(workflows.setWorkflowDeadline({ ...common(verb), deadline }));
    }
    case "batch": {
      const items = verb.items.map((item) => ({ ...common(item), targetState: WireState[item.to] }));
      const { results } = await workflows.batchTransitionWorkflows({ ...by, mode: BatchMode.ALL_OR_NOTHING, items });
      return results.map(({ result }) => itemHeard(result)).join("; ");
    }
    case "purge": {
      const { workflowIds } = await workflows.purgeWorkflows({
        ...by,
        filter: `workflow.type == "${scope}"`,
        olderThan: { seconds: 0n },
      });
      return workflowIds
        .map((id) => id.slice(scope.length + 1))
        .toSorted()
        .join(" ");
    }
    case "count": {
      const { groups } = await workflows.countWorkflows({ filter: `workflow.type == "${scope}"`, groupBy: ["state"] });
      return workflowStates.map((state) => groups.find((group) => group.state === WireState[state])?.count ?? 0n).join(" ");
    }
    case "get":
      return heard(workflows.getWorkflow({ workflowId: `${scope}.${verb.id}` }));
    case "list": {
      const filter = `workflow.type == "${scope}" && workflow.state == "${verb.state}"`;
      const { workflows: listed } = await workflows.listWorkflows({ filter });
      return listed.map((each) => `${each.workflowId.slice(scope.length + 1)} ${wordsOf(each)}`).join("; ");
    }
    default:
      return unreachable(verb);
  }
}

const wordsOf = ({ state, version, retryCount }: Pick<Workflow, "state" | "version" | "retryCount">): Heard =>
  `OK ${enumText("WORKFLOW_STATE_", state)} ${version} ${retryCount}`;

function itemHeard(result: BatchTransitionResult["result"]): Heard {
  if (result?.$case === "moved") {
    const { toState, version, retryCount } = result.value;
    return wordsOf({ state: toState, version, retryCount });
  }
  if (result === undefined) return "no result";
  const { reason, metadata } = result.value;
  return reason === "VERSION_MISMATCH" ? `${reason} ${metadata["current_version"]}` : reason;
}

async function heard(call: Promise<{ readonly workflow?: Workflow | undefined }>): Promise<Heard> {
  const [answer] = await Promise.allSettled([call]);
  if (answer.status === "fulfilled") return wordsOf(answer.value.workflow as Workflow);
  const { reason, metadata } = await failureOf(call);
  if (reason === undefined) throw answer.reason;
  return reason === "VERSION_MISMATCH" ? `${reason} ${metadata["current_version"]}` : reason;
}

const ids = fc.constantFrom("a", "b");
const expected = fc.option(fc.integer({ min: 1, max: 6 }), { nil: undefined });
const requestId = fc.option(fc.constantFrom("r1", "r2", "r3"), { nil: undefined, freq: 3 });

const targets = fc.constantFrom<WorkflowState>("ACTIVE", "ACTIVE", "PAUSED", "FAILED", "COMPLETED", "CANCELLED");

/** Few workflows, versions and request ids: so that callers meet. */
export const verbArbitrary: fc.Arbitrary<Verb> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      ...{ type: fc.constant("create" as const), id: ids, requestId },
      ...{ locked: fc.boolean(), started: fc.boolean(), orFind: fc.boolean() },
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      ...{ type: fc.constant("move" as const), id: ids, expected, requestId },
      to: targets,
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("recover" as const), id: ids, expected, requestId }) },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant("update" as const), id: ids, expected, requestId, locked: fc.boolean() }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant("deadline" as const), id: ids, expected, requestId, set: fc.boolean() }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("batch" as const),
      items: fc.uniqueArray(fc.record({ id: ids, to: targets, expected }), {
        minLength: 1,
        maxLength: 2,
        selector: ({ id }) => id,
      }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ type: "purge" as const }) },
  { weight: 1, arbitrary: fc.constant({ type: "count" as const }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("get" as const), id: ids }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("list" as const), state: fc.constantFrom(...workflowStates) }) },
);

/** Another request with the id of one that is under way is refused before that is done: no order of the calls tells that. */
export const withOwnRequestId = (verb: Verb): Verb =>
  "requestId" in verb && verb.requestId !== undefined ? { ...verb, requestId: JSON.stringify(verb) } : verb;
