import { type CelInput, celList } from "@bufbuild/cel";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { Json, JsonObject } from "../../kernel/json.ts";
import { workflowEventTypes, workflowStates } from "../../kernel/lifecycle.ts";
import type { TimeMs } from "../../kernel/time.ts";
import type { Variables } from "./check.ts";
import { enumNames } from "./enum-names.ts";
import type { Bindings } from "./evaluate.ts";
import { recordOf as celRecordOf } from "./maps.ts";
import { type Check, ruleOperations } from "./types.ts";
import { anyRecord, enumOf, type Fields, listOf, recordOf, type Type, types } from "./typing/type.ts";

const state = enumOf(enumNames("WORKFLOW_STATE_", workflowStates));
const operation = enumOf(enumNames("RULE_OPERATION_", ruleOperations));
const stateOrNone = enumOf(enumNames("WORKFLOW_STATE_", workflowStates, true));

/** The fields of a workflow, in rules and in filters. */
export const workflowType = recordOf({
  id: types.string,
  type: types.string,
  state,
  previous_state: stateOrNone,
  version: types.int,
  retry_count: types.int,
  created_at: types.timestamp,
  created_by: types.string,
  updated_at: types.timestamp,
  updated_by: types.string,
  state_entered_at: types.timestamp,
  recoverable_at: types.timestamp,
  metadata: anyRecord,
});

/** What a rule sees. */
export const ruleVariables: Variables = {
  workflow: workflowType,
  from: state,
  to: state,
  operation,
  proposed: recordOf({ metadata: anyRecord }),
  request: recordOf({
    reason: types.string,
    requested_by: types.string,
    authenticated_as: types.string,
    context: anyRecord,
    transaction: recordOf({ id: types.string, participants: listOf(types.string) }),
  }),
  last_event: recordOf({
    type: enumOf(enumNames("WORKFLOW_EVENT_TYPE_", workflowEventTypes, true)),
    from_state: stateOrNone,
    to_state: stateOrNone,
    occurred_at: types.timestamp,
    requested_by: types.string,
    authenticated_as: types.string,
    reason: types.string,
    metadata: anyRecord,
  }),
  now: types.timestamp,
};

/** The same with what is known besides: the type of the metadata, from its schema, and facts with their types. */
export function variablesWith({ metadata, facts }: { readonly metadata?: Type; readonly facts?: Fields }): Variables {
  return {
    ...ruleVariables,
    ...(metadata && { workflow: recordOf({ ...workflowType.fields, metadata }), proposed: recordOf({ metadata }) }),
    ...(facts === undefined ? {} : { facts: recordOf(facts) }),
  };
}

/** Made once per check, for all rules; each variable only if some rule reads it. */
/** `metadata`: its type, where the schema is known. `facts`: made when one is first read. */
export function bindingsOf(check: Check, metadata?: Type, facts?: () => CelInput): Bindings {
  return new CheckBindings(check, metadata, facts) as unknown as Bindings;
}

/** A class, because getters of a literal are made anew with each literal, which costs more than a rule. */
class CheckBindings {
  readonly #check: Check;
  readonly #metadata: Type | undefined;
  readonly #factsOf: (() => CelInput) | undefined;
  #workflow: CelInput | undefined;
  #proposed: CelInput | undefined;
  #request: CelInput | undefined;
  #lastEvent: CelInput | undefined;
  #facts: CelInput | undefined;

  constructor(check: Check, metadata: Type | undefined, factsOf: (() => CelInput) | undefined) {
    this.#check = check;
    this.#metadata = metadata;
    this.#factsOf = factsOf;
  }

  get workflow(): CelInput {
    this.#workflow ??= celRecord(workflowFields(this.#check.workflow, this.#metadata));
    return this.#workflow;
  }

  get from(): CelInput {
    return this.#check.workflow.state;
  }

  get to(): CelInput {
    return this.#check.targetState;
  }

  get operation(): CelInput {
    return this.#check.proposed === undefined ? "TRANSITION" : "UPDATE";
  }

  /** A move leaves the metadata as it is. */
  get proposed(): CelInput {
    const { proposed, workflow } = this.#check;
    this.#proposed ??= celRecord({ metadata: celJson(proposed ?? workflow.metadata, this.#metadata) });
    return this.#proposed;
  }

  get request(): CelInput {
    this.#request ??= celRecord(requestFields(this.#check));
    return this.#request;
  }

  get last_event(): CelInput {
    this.#lastEvent ??= celRecord(eventFields(this.#check.lastEvent));
    return this.#lastEvent;
  }

  get facts(): CelInput | undefined {
    this.#facts ??= this.#factsOf?.();
    return this.#facts;
  }

  get now(): CelInput {
    return celTime(this.#check.atMs);
  }
}

function requestFields({ reason, requestedBy, authenticatedAs, context, transaction }: Check) {
  return {
    reason,
    requested_by: requestedBy,
    authenticated_as: authenticatedAs,
    context: celJson(context),
    transaction: celRecord({ id: transaction.id, participants: celList(transaction.participantIds) }),
  };
}

function eventFields(event: Check["lastEvent"]) {
  return {
    type: event?.type ?? "",
    from_state: event?.fromState ?? "",
    to_state: event?.toState ?? "",
    occurred_at: celTime(event?.occurredAtMs ?? 0),
    requested_by: event?.requestedBy ?? "",
    authenticated_as: event?.authenticatedAs ?? "",
    reason: event?.reason ?? "",
    metadata: celJson(event?.metadata ?? {}),
  };
}

/** A workflow as expressions see it, in rules and in filters. */
export function workflowFields(workflow: Check["workflow"], metadata?: Type): Readonly<Record<string, CelInput>> {
  return {
    id: workflow.id,
    type: workflow.type,
    state: workflow.state,
    previous_state: workflow.previousState ?? "",
    version: BigInt(workflow.version),
    retry_count: BigInt(workflow.retryCount),
    created_at: celTime(workflow.createdAtMs),
    created_by: workflow.createdBy,
    updated_at: celTime(workflow.updatedAtMs),
    updated_by: workflow.updatedBy,
    state_entered_at: celTime(workflow.stateEnteredAtMs),
    recoverable_at: celTime(workflow.recoverableAtMs ?? 0),
    metadata: celJson(workflow.metadata, metadata),
  };
}

/** The library would convert a plain object anew with each access, and stumble over a key named "constructor". */
export function celRecord(fields: Readonly<Record<string, CelInput>>): CelInput {
  const entries = new Map<string, CelInput>();
  for (const [name, value] of Object.entries(fields)) entries.set(name, value);
  return celRecordOf(entries);
}

/** A message as the library makes it, without the cost of its general constructor. */
export function celTime(atMs: TimeMs): CelInput {
  const seconds = Math.floor(atMs / 1000);
  const nanos = Math.round((atMs - seconds * 1000) * 1e6);
  const timestamp: Timestamp = { $typeName: "google.protobuf.Timestamp", seconds: BigInt(seconds), nanos };
  return timestamp;
}

/**
 * As CEL reads a `Struct`: each number is a double, unless it is known to be an int. A double still compares with an int:
 * `metadata.temperature < 8`. A field that is null is present.
 */
export function celJson(json: Json, type?: Type): CelInput {
  if (typeof json !== "object" || json === null) return type?.kind === "int" ? intOf(json) : json;
  if (isArray(json)) {
    const element = type?.kind === "list" ? type.element : undefined;
    return celList(json.map((each) => celJson(each, element)));
  }
  const entries = new Map<string, CelInput>();
  for (const [key, value] of Object.entries(json)) entries.set(key, celJson(value, type && typeOfKey(type, key)));
  return celRecordOf(entries);
}

/** What is none stays as it is: it was there before the schema. */
const intOf = (json: CelInput): CelInput => (Number.isSafeInteger(json) ? BigInt(json as number) : json);

/** What a value has under a key. */
function typeOfKey(type: Type, key: string): Type | undefined {
  if (type.kind !== "record") return undefined;
  return Object.hasOwn(type.fields, key) ? type.fields[key] : type.rest;
}

function isArray(json: readonly Json[] | JsonObject): json is readonly Json[] {
  return Array.isArray(json);
}
