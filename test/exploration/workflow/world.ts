import type { ParticipantId, RequestId, TransactionId } from "../../../src/kernel/ids.ts";
import { itemKey } from "../../../src/kernel/request-key.ts";
import { createMemoryWorkflowStore } from "../../../src/storage/memory/workflow-store.ts";
import { createFireDeadline } from "../../../src/workflow/fire-deadline.ts";
import { createManager } from "../../../src/workflow/manager.ts";
import type { WantedMoves } from "../../../src/workflow/own-part.ts";
import { createWorkflowParticipant } from "../../../src/workflow/participant.ts";
import type { CoordinatorSessions } from "../../../src/workflow/ports.ts";
import { ask, codeOf, ownPartOf, wantedBy } from "./asked.ts";
import { beginning, begun, goOn, predicatesOf, type Running, storeOf } from "./gates.ts";
import { eventsIn, recordIn } from "./look.ts";
import type { Constants } from "./models.ts";
import {
  absent,
  enlisted,
  noBody,
  none,
  type SpecBody,
  type SpecCall,
  type SpecRecord,
  type SpecState,
  type SpecTimer,
} from "./spec.ts";
import { backoffMs, beginHistory, bodiesOf, termsOf } from "./start.ts";

// The production manager and its participant over a store in memory, one step of specs/WorkflowManager.tla at a time.

/** A step that somebody takes: what, who, and what is said. */
export type Step = { readonly action: string; readonly who?: string; readonly body?: SpecBody; readonly outcome?: string };

export type World = {
  /** Throws if the code does what nobody can do with it, such as to assert. */
  readonly take: (step: Step) => Promise<void>;
  readonly look: () => Promise<SpecState>;
  /** What could come next. */
  readonly possible: (state: SpecState) => readonly Step[];
};

const participantId = "manager" as ParticipantId;
/** Whose turn takes too long is a matter of time, and there is none. */
const noTimers = { setTimer: () => () => {} };
const sessions: CoordinatorSessions = { connectedTo: () => false, reread: () => {} };

export async function createWorld(constants: Constants, start: Readonly<Record<string, string>>): Promise<World> {
  const { workflows, requests, maxWorkflows, maxRevision, maxCrash } = constants;
  const caller = { signal: new AbortController().signal };
  let clockMs = 0;
  const nowMs = (): number => clockMs;
  const store = createMemoryWorkflowStore(nowMs);
  let count = 0;
  const terms = termsOf(constants);
  const environment = { nowMs, newId: () => `id-${++count}`, termsOf: () => terms };
  const noDeadlines = { ...terms, deadlines: [] };
  for (const id of workflows) {
    await beginHistory(store, id, start[id] ?? "NONE", () => ({ nowMs: 0, eventId: environment.newId(), terms: noDeadlines }));
  }

  const engine = { up: true, revision: 0 };
  let isUp = true;
  let crashes = 0;
  const bodies = new Map<string, SpecBody>();
  const decided = new Map<string, string>();
  const running = new Map<string, Running>();
  const timers = new Map<string, Running>();
  const codes = new Map<string, string>();

  const portsOf = (call: Running, isJudgedByGet = false) => ({
    store: storeOf(store, nowMs, call, isJudgedByGet),
    predicates: predicatesOf(engine, call),
    environment,
    turns: () => () => undefined,
  });

  const managerOf = (call: Running, isJudgedByGet = false) =>
    createManager({
      ...portsOf(call, isJudgedByGet),
      ownPart: ownPartOf(undefined),
      sessions,
      clock: noTimers,
      workflowCountMax: maxWorkflows,
    });

  const participantOf = (call: Running, wanted: WantedMoves | undefined) =>
    createWorkflowParticipant({ ...portsOf(call), participantId, ownPart: ownPartOf(wanted) });

  /** Nothing stops what the coordinator decides. */
  const decisions = createWorkflowParticipant({
    ...portsOf(beginning()),
    store,
    participantId,
    ownPart: ownPartOf(undefined),
  });

  const perform = (call: Running, r: string, body: SpecBody): Promise<string | undefined> =>
    enlisted.has(body.kind) ? prepare(call, wantedBy(r, body)) : ask(managerOf(call, body.kind === "deadline"), r, body, caller);

  /** As the participant's protocol does: what is known of a transaction is not prepared again. */
  async function prepare(call: Running, wanted: WantedMoves): Promise<string | undefined> {
    const transactionId = wanted.transactionId as TransactionId;
    const { log, resource } = participantOf(call, wanted);
    const record = await log.get(transactionId);
    if (record?.state === "aborted") return "TRANSACTION_ABORTED";
    if (record?.state === "committed") return "OK";
    if (record !== undefined) return undefined;
    const payload = new Uint8Array();
    const vote = await resource.prepare({ transactionId, payload, coordinatorId: "c", coordinatorEpoch: 1 });
    if (vote.value === "commit") return undefined;
    if (wanted.refusal === undefined) throw new Error(`refused without an error: ${vote.reason}`);
    return codeOf(wanted.refusal);
  }

  /** Held: its answer is the end of its transaction. */
  const isHeld = (call: Running | undefined, body: SpecBody): boolean =>
    enlisted.has(body.kind) && call !== undefined && call.at === undefined && call.code === undefined;

  function keep(r: string, call: Running): void {
    if (call.code !== undefined) codes.set(r, call.code);
  }

  async function load(r: string): Promise<void> {
    const known = running.get(r);
    if (known !== undefined) {
      await goOn(known);
      keep(r, known);
      return;
    }
    const call = beginning();
    running.set(r, call);
    perform(call, r, bodies.get(r) as SpecBody).then(
      (code) => {
        call.code = code;
      },
      (error: unknown) => {
        call.defect = error;
      },
    );
    await begun(call);
    keep(r, call);
  }

  async function write(r: string): Promise<void> {
    const call = running.get(r) as Running;
    await goOn(call);
    // The promise is the participant's answer; the caller's is the outcome.
    if (call.at === "answer" && enlisted.has(bodies.get(r)?.kind ?? none)) await goOn(call);
    keep(r, call);
  }

  async function answer(r: string): Promise<void> {
    const call = running.get(r) as Running;
    if (call.at === "answer") await goOn(call);
    else call.code = await answeredOf(r);
    keep(r, call);
  }

  async function answeredOf(r: string): Promise<string> {
    const key = { id: r as RequestId, digest: r };
    for (const { id } of [key, itemKey(key, 0)]) if ((await store.answer(id)) !== undefined) return "OK";
    return (await store.outcome(r as TransactionId))?.outcome === "aborted" ? "TRANSACTION_ABORTED" : none;
  }

  async function abort(r: string): Promise<void> {
    const transactionId = r as TransactionId;
    await decisions.resource.abort({ transactionId });
    await decisions.log.persist({ transactionId, coordinatorId: "c", state: "aborted" });
  }

  async function fire(id: string): Promise<void> {
    const due = (await store.due({ upToMs: clockMs, after: undefined, limit: 100 })).find(({ workflowId }) => workflowId === id);
    if (due === undefined) throw new Error(`the deadline of ${id} is not due`);
    const call = beginning();
    timers.set(id, call);
    const { store: own } = portsOf(call);
    const { move } = managerOf(call);
    createFireDeadline({ store: own, environment, move })(due, caller.signal).then(
      ({ type }) => {
        call.code = type;
      },
      (error: unknown) => {
        call.defect = error;
      },
    );
    await begun(call);
  }

  /** What it lost to, it looks at and leaves alone; what it wrote, it has heard of. */
  async function fireOn(id: string): Promise<void> {
    const call = timers.get(id) as Running;
    await goOn(call);
    while (call.at === "load" || call.at === "answer") await goOn(call);
    if (call.code !== undefined) timers.delete(id);
  }

  function crash(): void {
    isUp = false;
    crashes += 1;
    running.clear();
    timers.clear();
  }

  async function take({ action, who = "", body, outcome }: Step): Promise<void> {
    switch (action) {
      case "Submit":
        bodies.set(who, body as SpecBody);
        return;
      case "Load":
        return load(who);
      case "AskEngine": {
        const call = running.get(who) as Running;
        await goOn(call);
        return keep(who, call);
      }
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
      case "Fire":
        return fire(who);
      case "TimerAsks":
      case "TimerActs":
        return fireOn(who);
      case "Ripen":
        clockMs += backoffMs;
        return;
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

  const empty = Object.fromEntries(workflows.map((id) => [id, absent]));

  function callOf(r: string): SpecCall {
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

  function timerOf(id: string): SpecTimer {
    const call = timers.get(id);
    if (call === undefined) return { phase: "idle", seen: absent, revision: 0 };
    return { phase: call.at === "check" ? "loaded" : "judged", seen: call.seen[id] ?? absent, revision: call.revision };
  }

  async function look(): Promise<SpecState> {
    const wf: Record<string, SpecRecord> = {};
    for (const id of workflows) wf[id] = await recordIn(store, id, clockMs);
    const answered: Record<string, string> = {};
    for (const r of requests) answered[r] = await answeredOf(r);
    const ofRequests = <Value>(of: (r: string) => Value) => Object.fromEntries(requests.map((r) => [r, of(r)]));
    return {
      wf,
      events: await eventsIn(store, bodies),
      answered,
      tx: ofRequests((r) => decided.get(r) ?? none),
      body: ofRequests((r) => bodies.get(r) ?? noBody),
      call: ofRequests(callOf),
      timer: Object.fromEntries(workflows.map((id) => [id, timerOf(id)])),
      engine: { ...engine },
      up: isUp,
      crashes,
    };
  }

  const bodiesToSend = bodiesOf(constants);

  function possibleOf(state: SpecState, r: string): readonly Step[] {
    const { phase, tries } = state.call[r] as SpecCall;
    const { kind } = state.body[r] as SpecBody;
    const steps: Step[] = [];
    if (kind === none) steps.push(...bodiesToSend.map((body) => ({ action: "Submit", who: r, body })));
    if (state.up && phase === "sent") steps.push({ action: "Load", who: r });
    if (state.up && phase === "loaded") steps.push({ action: "AskEngine", who: r });
    if (state.up && phase === "judged") steps.push({ action: "Apply", who: r });
    if (state.up && phase === "waiting" && state.answered[r] !== none) steps.push({ action: "Reply", who: r });
    if (!enlisted.has(kind)) return steps;
    const isHolding = Object.values(state.wf).some(({ hold }) => hold.request === r);
    if (state.tx[r] === none) steps.push({ action: "TxDecide", who: r, outcome: "abort" });
    if (state.tx[r] === none && isHolding) steps.push({ action: "TxDecide", who: r, outcome: "commit" });
    if (state.up && state.tx[r] === "commit" && isHolding) steps.push({ action: "TxCommit", who: r });
    // Of a transaction the participant does one thing after the other.
    const isPreparing = phase === "loaded" || phase === "judged" || (phase === "sent" && tries > 0);
    if (state.up && !isPreparing && state.tx[r] === "abort" && state.answered[r] === none)
      steps.push({ action: "TxAbort", who: r });
    return steps;
  }

  function possibleTo(state: SpecState, id: string): readonly Step[] {
    const { state: at, due, hold, ripe } = state.wf[id] as SpecRecord;
    const { phase } = state.timer[id] as SpecTimer;
    const steps: Step[] = ripe ? [] : [{ action: "Ripen", who: id }];
    if (!state.up) return steps;
    const isDue = due.to !== none && hold.request === none && (ripe || at !== "FAILED" || due.to !== "ACTIVE");
    if (phase === "idle" && isDue) steps.push({ action: "Fire", who: id });
    if (phase === "loaded") steps.push({ action: "TimerAsks", who: id });
    if (phase === "judged") steps.push({ action: "TimerActs", who: id });
    return steps;
  }

  /** Where the world has a say. What comes of it is the code's. */
  function possible(state: SpecState): readonly Step[] {
    const steps = [...requests.flatMap((r) => possibleOf(state, r)), ...workflows.flatMap((id) => possibleTo(state, id))];
    steps.push({ action: state.engine.up ? "EngineDown" : "EngineUp" });
    if (state.engine.revision < maxRevision) steps.push({ action: "ChangeRules" });
    if (!state.up) steps.push({ action: "Restart" });
    else if (state.crashes < maxCrash) steps.push({ action: "Crash" });
    return steps;
  }

  return { take, look, possible };
}
