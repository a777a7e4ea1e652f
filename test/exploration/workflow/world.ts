import type { ParticipantId, RequestId, TransactionId, WorkflowId } from "../../../src/kernel/ids.ts";
import type { WorkflowState } from "../../../src/kernel/lifecycle.ts";
import { err, ok } from "../../../src/kernel/result.ts";
import { createMemoryWorkflowStore } from "../../../src/storage/memory/workflow-store.ts";
import { type MoveCommand, movesOf } from "../../../src/workflow/attempt.ts";
import { noTerms } from "../../../src/workflow/core/policy.ts";
import { applyMove, create, type Stamp } from "../../../src/workflow/core/step.ts";
import type { Workflow, WorkflowEvent } from "../../../src/workflow/core/types.ts";
import { noWarnings } from "../../../src/workflow/core/warnings.ts";
import { errorOfOne, type ManagerError } from "../../../src/workflow/errors.ts";
import { createManager } from "../../../src/workflow/manager.ts";
import type { OwnPart, WantedMoves } from "../../../src/workflow/own-part.ts";
import { createWorkflowParticipant } from "../../../src/workflow/participant.ts";
import type { CoordinatorSessions, PredicateClient, WorkflowStore } from "../../../src/workflow/ports.ts";
import type { Constants } from "./models.ts";
import {
  absent,
  noBody,
  noDue,
  noHold,
  none,
  type SpecBody,
  type SpecCall,
  type SpecEvent,
  type SpecRecord,
  type SpecState,
} from "./spec.ts";

// The production manager and its participant over a store in memory, one step at a time: each call stops where the spec has a step
// between two others, at its read, at the engine, at its write and before its answer, and goes on when it is told to.

/** A step of the spec that somebody takes: what, who, and what is said. */
export type Step = { readonly action: string; readonly who?: string; readonly body?: SpecBody; readonly outcome?: string };

export type World = {
  /** Throws if the code does what nobody can do with it, such as to assert. */
  readonly take: (step: Step) => Promise<void>;
  readonly look: () => Promise<SpecState>;
  /** What could come next. */
  readonly possible: (state: SpecState) => readonly Step[];
};

type Place = "load" | "check" | "write" | "answer";

/** A call in the code, and where it stands. */
type Running = {
  at: Place | undefined;
  goOn: () => void;
  /** The first read of an attempt is part of the step that begins it. */
  reading: boolean;
  seen: Readonly<Record<string, SpecRecord>>;
  revision: number;
  tries: number;
  code: string | undefined;
  defect: unknown;
};

/** Everything that waits for nobody has happened. */
const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

export async function createWorld(constants: Constants, start: Readonly<Record<string, string>>): Promise<World> {
  const { workflows, requests, maxWorkflows, maxRevision, maxCrash } = constants;
  const store = createMemoryWorkflowStore(() => 0);
  let count = 0;
  const environment = { nowMs: () => 0, newId: () => `id-${++count}`, termsOf: () => noTerms };
  for (const id of workflows) await beginHistory(store, id, start[id] ?? "NONE", environment.newId);

  const engine = { up: true, revision: 0 };
  let isUp = true;
  let crashes = 0;
  const bodies = new Map<string, SpecBody>();
  const decided = new Map<string, string>();
  const running = new Map<string, Running>();
  const codes = new Map<string, string>();

  const idle = (): Running => ({
    at: undefined,
    goOn: () => {},
    reading: false,
    seen: {},
    revision: 0,
    tries: 0,
    code: undefined,
    defect: undefined,
  });

  /** Until the world goes on. What a crash has ended never does. */
  function stop(call: Running, at: Place): Promise<void> {
    call.at = at;
    return new Promise((resolve) => {
      call.goOn = resolve;
    });
  }

  async function goOn(call: Running): Promise<void> {
    call.at = undefined;
    call.goOn();
    await settled();
    if (call.defect !== undefined) throw call.defect;
  }

  /** The store as one call has it. */
  function storeOf(call: Running): WorkflowStore {
    return {
      ...store,
      getWithLastEvent: async (id) => {
        if (!call.reading) await stop(call, "load");
        call.reading = false;
        const found = await store.getWithLastEvent(id);
        call.seen = { ...call.seen, [id]: recordOf(found?.workflow) };
        return found;
      },
      apply: async (batch) => {
        await stop(call, "write");
        const applied = await store.apply(batch);
        if (applied.ok) {
          call.seen = {};
          call.revision = 0;
          call.tries = 0;
          await stop(call, "answer");
        } else if (batch.puts.every(({ expected }) => expected !== "absent")) {
          call.tries += 1;
          call.seen = {};
          call.revision = 0;
        }
        return applied;
      },
    };
  }

  /** The rule set of the spec. The move is judged as it was when the question was asked, by the revision of when it is answered. */
  function predicatesOf(call: Running): PredicateClient {
    return {
      check: async ({ workflow, targetState }) => {
        await stop(call, "check");
        if (!engine.up) return err({ type: "unavailable", cause: "it is away" });
        const ruleSetRevision = engine.revision;
        call.revision = ruleSetRevision;
        const move = `${workflow.state} ${targetState}`;
        return ruleSetRevision % 2 === 1 && denied.has(move)
          ? ok({ type: "rule-denied", ruleSetRevision, violations: [] })
          : ok({ type: "allowed", ruleSetRevision, warnings: noWarnings });
      },
      checkMetadata: () => Promise.reject(new Error("no workflow here has a type")),
      checkMoves: () => Promise.reject(new Error("nobody asks what is possible")),
    };
  }

  const sessions: CoordinatorSessions = { connectedTo: () => false, reread: () => {} };

  /** What a request's call has asked its own part for; a call that was sent again asks for it again. */
  function ownPartOf(wanted: WantedMoves | undefined): OwnPart {
    return {
      run: () => Promise.reject(new Error("a transaction is the world's to run")),
      earlier: () => Promise.resolve(undefined),
      take: () => wanted,
      held: () => {},
      counts: { endings: 0, wanted: 0 },
      ended: () => {},
    };
  }

  function participantOf(call: Running, wanted: WantedMoves | undefined) {
    return createWorkflowParticipant({
      store: storeOf(call),
      predicates: predicatesOf(call),
      environment,
      participantId,
      ownPart: ownPartOf(wanted),
      turns: () => () => undefined,
    });
  }

  /** Nothing stops what the coordinator decides. */
  const decisions = createWorkflowParticipant({
    store,
    predicates: predicatesOf(idle()),
    environment,
    participantId,
    ownPart: ownPartOf(undefined),
    turns: () => () => undefined,
  });

  const caller = { signal: new AbortController().signal };

  async function perform(call: Running, r: string, body: SpecBody): Promise<string | undefined> {
    const request = { id: r as RequestId, digest: r };
    const workflowId = body.on[0] as WorkflowId;
    const said = { reason: r, requestedBy: "somebody", request };
    const codeOf = (answer: { readonly ok: boolean; readonly error?: ManagerError }): string =>
      answer.error === undefined ? "OK" : answer.error.type.toUpperCase().replaceAll("-", "_");
    const manager = createManager({
      store: storeOf(call),
      predicates: predicatesOf(call),
      environment,
      turns: () => () => undefined,
      ownPart: ownPartOf(undefined),
      sessions,
      workflowCountMax: maxWorkflows,
    });
    if (body.kind === "create" || body.kind === "start") {
      const initialState = body.kind === "start" ? "ACTIVE" : "CREATED";
      return codeOf(
        await manager.create({ ...said, workflowId, type: "", metadata: {}, initialState, ifExists: "fail" }, caller),
      );
    }
    const expectedVersion = body.expected === 0 ? undefined : body.expected;
    if (body.kind === "update") {
      const { reason, requestedBy } = said;
      const update = { reason, requestedBy, patch: { by: r }, eventMetadata: {} };
      return codeOf(await manager.update({ workflowId, expectedVersion, context: {}, update, request }, caller));
    }
    const command: MoveCommand = {
      workflowId,
      expectedVersion,
      mustRecover: body.kind === "recover",
      context: {},
      move: { ...said, targetState: body.to as WorkflowState, eventMetadata: {} },
    };
    if (body.kind !== "enlist") return codeOf(await manager.move(command, caller));
    return prepare(call, r as TransactionId, command);
  }

  /** As the participant's protocol does: what is known of a transaction is not prepared again. */
  async function prepare(call: Running, transactionId: TransactionId, command: MoveCommand): Promise<string | undefined> {
    const wanted: WantedMoves = {
      moves: movesOf(command),
      participantIds: [],
      deadlineMs: 0,
      begun: () => {},
      transactionId,
      refusal: undefined,
      ending: Promise.withResolvers(),
    };
    const { log, resource } = participantOf(call, wanted);
    const record = await log.get(transactionId);
    if (record?.state === "aborted") return "TRANSACTION_ABORTED";
    if (record?.state === "committed") return "OK";
    if (record === undefined) {
      const payload = new Uint8Array();
      const vote = await resource.prepare({ transactionId, payload, coordinatorId: "c", coordinatorEpoch: 1 });
      if (vote.value === "abort") {
        const { refusal } = wanted;
        if (refusal === undefined || refusal.ok) throw new Error(`refused without an error: ${vote.reason}`);
        return errorOfOne(refusal.error).type.toUpperCase().replaceAll("-", "_");
      }
    }
    return undefined;
  }

  /** Held: its answer is the end of its transaction. */
  const isHeld = (call: Running | undefined, body: SpecBody): boolean =>
    body.kind === "enlist" && call !== undefined && call.at === undefined && call.code === undefined;

  async function load(r: string): Promise<void> {
    const known = running.get(r);
    if (known !== undefined) {
      known.reading = false;
      return goOn(known);
    }
    const call = { ...idle(), reading: true };
    running.set(r, call);
    perform(call, r, bodies.get(r) as SpecBody).then(
      (code) => {
        call.code = code;
        if (code !== undefined) codes.set(r, code);
      },
      (error: unknown) => {
        call.defect = error;
      },
    );
    await settled();
    // The promise is the participant's answer; the caller's is the outcome.
    if (call.at === "answer" && bodies.get(r)?.kind === "enlist") await goOn(call);
    if (call.defect !== undefined) throw call.defect;
  }

  async function write(r: string): Promise<void> {
    const call = running.get(r) as Running;
    await goOn(call);
    if (call.at === "answer" && bodies.get(r)?.kind === "enlist") await goOn(call);
    if (call.code !== undefined) codes.set(r, call.code);
  }

  async function answer(r: string): Promise<void> {
    const call = running.get(r) as Running;
    if (call.at === "answer") await goOn(call);
    else codes.set(r, (await answeredOf(r)) as string);
    if (call.code !== undefined) codes.set(r, call.code);
  }

  async function answeredOf(r: string): Promise<string> {
    if ((await store.answer(r as RequestId)) !== undefined) return "OK";
    return (await store.outcome(r as TransactionId))?.outcome === "aborted" ? "TRANSACTION_ABORTED" : none;
  }

  function crash(): void {
    isUp = false;
    crashes += 1;
    running.clear();
  }

  async function abort(r: string): Promise<void> {
    const transactionId = r as TransactionId;
    await decisions.resource.abort({ transactionId });
    await decisions.log.persist({ transactionId, coordinatorId: "c", state: "aborted" });
  }

  async function take({ action, who = "", body, outcome }: Step): Promise<void> {
    switch (action) {
      case "Submit":
        bodies.set(who, body as SpecBody);
        return;
      case "Load":
        return load(who);
      case "AskEngine":
        await goOn(running.get(who) as Running);
        return;
      case "Apply":
        return write(who);
      case "Reply":
        return answer(who);
      case "TxDecide":
        decided.set(who, outcome as string);
        return;
      case "TxCommit":
        await decisions.resource.commit({ transactionId: who as TransactionId });
        return;
      case "TxAbort":
        return abort(who);
      case "EngineDown":
        engine.up = false;
        return;
      case "EngineUp":
        engine.up = true;
        return;
      case "ChangeRules":
        engine.revision += 1;
        return;
      case "Crash":
        return crash();
      case "Restart":
        isUp = true;
        return;
      default:
        throw new Error(`no step: ${action}`);
    }
  }

  // ---- What it is in the terms of the spec.

  function callOf(r: string): SpecCall {
    const empty = Object.fromEntries(workflows.map((id) => [id, absent]));
    const nothing: SpecCall = { phase: "idle", seen: empty, revision: 0, tries: 0, code: none };
    const body = bodies.get(r);
    const call = running.get(r);
    const code = codes.get(r);
    if (body === undefined) return nothing;
    if (code !== undefined) return { ...nothing, phase: "answered", code };
    if (call === undefined) return { ...nothing, phase: "sent" };
    const { tries } = call;
    if (call.at === "answer" || isHeld(call, body)) return { ...nothing, phase: "waiting" };
    if (call.at === "load") return { ...nothing, phase: "sent", tries };
    const phase = call.at === "check" ? "loaded" : "judged";
    return { phase, seen: { ...empty, ...call.seen }, revision: call.revision, tries, code: none };
  }

  async function look(): Promise<SpecState> {
    const { rows } = await store.listEvents({ afterSequence: 0, limit: 1_000 });
    const wf: Record<string, SpecRecord> = {};
    for (const id of workflows) wf[id] = recordOf(await store.get(id as WorkflowId));
    const answered: Record<string, string> = {};
    for (const r of requests) answered[r] = await answeredOf(r);
    return {
      wf,
      events: rows.map((event) => eventOf(event, bodies)),
      answered,
      tx: Object.fromEntries(requests.map((r) => [r, decided.get(r) ?? none])),
      body: Object.fromEntries(requests.map((r) => [r, bodies.get(r) ?? noBody])),
      call: Object.fromEntries(requests.map((r) => [r, callOf(r)])),
      engine: { ...engine },
      up: isUp,
      crashes,
    };
  }

  const bodiesToSend = bodiesOf(constants);

  /** Where the world has a say. What comes of it is the code's. */
  function possible(state: SpecState): readonly Step[] {
    const steps: Step[] = [];
    for (const r of requests) {
      const { phase, tries } = state.call[r] as SpecCall;
      const { kind } = state.body[r] as SpecBody;
      const isHolding = Object.values(state.wf).some(({ hold }) => hold.request === r);
      if (kind === none) steps.push(...bodiesToSend.map((body) => ({ action: "Submit", who: r, body })));
      if (state.up && phase === "sent") steps.push({ action: "Load", who: r });
      if (state.up && phase === "loaded") steps.push({ action: "AskEngine", who: r });
      if (state.up && phase === "judged") steps.push({ action: "Apply", who: r });
      if (state.up && phase === "waiting" && state.answered[r] !== none) steps.push({ action: "Reply", who: r });
      if (kind !== "enlist") continue;
      if (state.tx[r] === none) steps.push({ action: "TxDecide", who: r, outcome: "abort" });
      if (state.tx[r] === none && isHolding) steps.push({ action: "TxDecide", who: r, outcome: "commit" });
      if (state.up && state.tx[r] === "commit" && isHolding) steps.push({ action: "TxCommit", who: r });
      // Of a transaction the participant does one thing after the other.
      const isPreparing = phase === "loaded" || phase === "judged" || (phase === "sent" && tries > 0);
      if (state.up && !isPreparing && state.tx[r] === "abort" && state.answered[r] === none)
        steps.push({ action: "TxAbort", who: r });
    }
    steps.push({ action: state.engine.up ? "EngineDown" : "EngineUp" });
    if (state.engine.revision < maxRevision) steps.push({ action: "ChangeRules" });
    if (!state.up) steps.push({ action: "Restart" });
    else if (state.crashes < maxCrash) steps.push({ action: "Crash" });
    return steps;
  }

  return { take, look, possible };
}

const participantId = "manager" as ParticipantId;

/** At odd revisions. */
const denied: ReadonlySet<string> = new Set(["ACTIVE COMPLETED", "CREATED ACTIVE", "ACTIVE ACTIVE"]);

/** Every way in which the workflows may begin. */
export function startsOf({ workflows, startStates, maxWorkflows }: Constants): readonly Readonly<Record<string, string>>[] {
  let starts: readonly Readonly<Record<string, string>>[] = [{}];
  for (const id of workflows) starts = starts.flatMap((start) => startStates.map((state) => ({ ...start, [id]: state })));
  return starts.filter((start) => Object.values(start).filter((state) => state !== "NONE").length <= maxWorkflows);
}

/** What a request may ask for. */
function bodiesOf({ workflows, kinds, targets, expected }: Constants): readonly SpecBody[] {
  const expectedBy = (kind: string): readonly number[] => (kind === "create" || kind === "start" ? [0] : expected);
  const fixed: Readonly<Record<string, readonly string[]>> = {
    create: ["CREATED"],
    start: ["ACTIVE"],
    recover: ["ACTIVE"],
    update: [none],
  };
  return kinds.flatMap((kind) =>
    workflows.flatMap((id) =>
      (fixed[kind] ?? targets).flatMap((to) =>
        expectedBy(kind).map((version) => ({ kind, on: [id], to, expected: version, due: none })),
      ),
    ),
  );
}

async function beginHistory(store: WorkflowStore, id: string, state: string, newId: () => string): Promise<void> {
  const path = { NONE: [], CREATED: ["CREATED"], ACTIVE: ["CREATED", "ACTIVE"] }[state] ?? ["CREATED", "ACTIVE", state];
  const stamp = (): Stamp => ({ nowMs: 0, eventId: newId(), terms: noTerms });
  const said = { reason: none, requestedBy: "somebody" };
  let workflow: Workflow | undefined;
  for (const to of path as readonly WorkflowState[]) {
    const expected = workflow === undefined ? ("absent" as const) : { version: workflow.version, heldBy: undefined };
    const change =
      workflow === undefined
        ? create({ id: id as WorkflowId, type: "", metadata: {}, ruleSetRevision: 0, ...said }, stamp())
        : applyMove(
            workflow,
            { targetState: to, eventMetadata: {}, request: undefined, ...said },
            { ruleSetRevision: 0, warnings: noWarnings },
            stamp(),
            undefined,
          );
    const applied = await store.apply({ puts: [{ workflow: change.workflow, expected }], events: [change.event] });
    if (!applied.ok) throw new Error(JSON.stringify(applied.error));
    workflow = change.workflow;
  }
}

function recordOf(workflow: Workflow | undefined): SpecRecord {
  if (workflow === undefined) return absent;
  const { state, version, hold } = workflow;
  const held = hold && {
    request: hold.move.request?.id ?? none,
    to: hold.move.targetState,
    revision: hold.ruleSetRevision,
    due: none,
  };
  return { state, version, hold: held ?? noHold, due: noDue, ripe: true };
}

function eventOf(event: WorkflowEvent, bodies: ReadonlyMap<string, SpecBody>): SpecEvent {
  const { workflowId, fromState, toState, version, reason, ruleSetRevision } = event;
  const kind = bodies.get(reason)?.kind;
  const isCreation = event.type === "CREATED";
  return {
    workflow: workflowId,
    from: fromState ?? "NONE",
    to: toState,
    version,
    request: reason,
    kind: isCreation ? "create" : kind === undefined || kind === "start" ? "move" : kind,
    revision: ruleSetRevision,
    due: noDue,
  };
}
