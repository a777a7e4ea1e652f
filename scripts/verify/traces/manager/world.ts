import type { ParticipantId, RequestId, TransactionId, WorkflowId } from "../../../../src/kernel/ids.ts";
import type { WorkflowState } from "../../../../src/kernel/lifecycle.ts";
import { itemKey } from "../../../../src/kernel/request-key.ts";
import { err, ok } from "../../../../src/kernel/result.ts";
import { createMemoryWorkflowStore } from "../../../../src/storage/memory/workflow-store.ts";
import { type MoveCommand, type Moves, movesOf } from "../../../../src/workflow/attempt.ts";
import { noTerms } from "../../../../src/workflow/core/policy.ts";
import { noWarnings } from "../../../../src/workflow/core/warnings.ts";
import type { MovesError } from "../../../../src/workflow/errors.ts";
import { createFireDeadline } from "../../../../src/workflow/fire-deadline.ts";
import { createManager } from "../../../../src/workflow/manager.ts";
import type { OwnPart, WantedMoves } from "../../../../src/workflow/own-part.ts";
import { createWorkflowParticipant } from "../../../../src/workflow/participant.ts";
import type { PredicateClient, WorkflowStore } from "../../../../src/workflow/ports.ts";
import { createDice } from "../../../../test/simulation/random.ts";
import {
  type Body,
  type ManagerEvent,
  recordedPredicates,
  recordedStore,
} from "../../../../test/simulation/workflow/manager-events.ts";
import { bodyOf, none } from "./bodies.ts";

// A small world: the production manager and its participant over a store in memory, random callers, a coordinator that is played, an engine
// whose rules change, crashes.

const workflowIds = ["a", "b", "c"] as const;
const caller = { signal: new AbortController().signal };

/** What happened in it. */
export async function playManager(seed: number, requests: number): Promise<readonly ManagerEvent[]> {
  const dice = createDice(seed);
  const happened: ManagerEvent[] = [];
  let nowMs = 0;
  let ids = 0;
  let generation = 0;
  const engine = { up: true, revision: 0 };
  const environment = { nowMs: () => nowMs, newId: () => `id-${++ids}`, termsOf: () => noTerms };
  const durable = recordedStore(
    createMemoryWorkflowStore(() => nowMs),
    (event) => void happened.push(event),
  );
  const predicates = recordedPredicates(rulesOf(engine), (event) => void happened.push(event));

  /** Whatever the process asks for takes a while, and never ends once the process has. */
  function through<Port extends object>(port: Port, names: readonly (keyof Port)[]): Port {
    const mine = generation;
    const passes = async (): Promise<void> => {
      for (let turns = dice.between(0, 5); turns > 0; turns -= 1) await turn();
      if (mine !== generation) await new Promise(() => {});
    };
    const slow = names.map((name) => {
      const call = port[name] as (...given: unknown[]) => Promise<unknown>;
      const passed = async (...given: unknown[]): Promise<unknown> => {
        await passes();
        const answer = await call(...given);
        await passes();
        return answer;
      };
      return [name, passed] as const;
    });
    return { ...port, ...Object.fromEntries(slow) };
  }

  const process = () => {
    const ports = {
      store: through<WorkflowStore>(durable, ["apply", "get", "getWithLastEvent", "answer", "outcome", "heldBy"]),
      predicates: through(predicates, ["check"]),
      environment,
      turns: () => () => undefined,
    };
    const manager = createManager({
      ...ports,
      ownPart: ownPartOf(undefined),
      sessions: { connectedTo: () => false, reread: () => {} },
      clock: { setTimer: () => () => {} },
      workflowCountMax: 1_000,
    });
    return { ports, manager, fire: createFireDeadline({ ...ports, move: manager.move }) };
  };
  let running = process();

  const participantOf = (wanted: WantedMoves | undefined) =>
    createWorkflowParticipant({ ...running.ports, participantId: "manager" as ParticipantId, ownPart: ownPartOf(wanted) });

  /** What is asked for once is asked for again under the same id until it is answered. */
  async function ask(request: string, body: Body): Promise<void> {
    happened.push({ type: "submitted", request, body });
    const code = body.kind === "enlist" ? await enlist(request, body) : await perform(request, body);
    if (code !== undefined) happened.push({ type: "answered", request, code });
  }

  async function perform(r: string, body: Body): Promise<string> {
    const { manager } = running;
    const request = { id: r as RequestId, digest: r };
    const workflowId = body.on[0] as WorkflowId;
    const said = { reason: r, requestedBy: "somebody" };
    const expectedVersion = body.expected === 0 ? undefined : body.expected;
    const wanted = dueOf(body.due);
    const deadline = wanted && { deadline: wanted };
    const asked = { ...said, workflowId, expectedVersion, context: {}, request };
    switch (body.kind) {
      case "create":
      case "start": {
        const initialState = body.kind === "start" ? ("ACTIVE" as const) : ("CREATED" as const);
        const creation = { ...said, ...deadline, workflowId, type: "", metadata: {}, initialState, ifExists: "fail" as const };
        return codeOf(await manager.create({ ...creation, request }, caller));
      }
      case "update":
        return codeOf(await manager.update({ ...asked, update: { ...said, patch: { by: r }, eventMetadata: {} } }, caller));
      case "deadline":
        return codeOf(await manager.setDeadline({ ...asked, wanted }, caller));
      default:
        return codeOf(await manager.moveAll(movesFor(r, body), undefined, caller));
    }
  }

  /** The coordinator: asks for the promise, decides, and says so until it is done. */
  async function enlist(r: string, body: Body): Promise<string | undefined> {
    const transactionId = r as TransactionId;
    const wanted: WantedMoves = {
      moves: movesFor(r, body),
      participantIds: [],
      deadlineMs: 0,
      begun: () => {},
      transactionId,
      refusal: undefined,
      ending: Promise.withResolvers(),
    };
    const { log, resource } = participantOf(wanted);
    let isPromised = (await log.get(transactionId))?.state === "prepared";
    if (!decisions.has(r) && !isPromised) {
      const work = { transactionId, payload: new Uint8Array(), coordinatorId: "c", coordinatorEpoch: 1 };
      isPromised = (await resource.prepare(work)).value === "commit";
      happened.push({ type: "voted", request: r, vote: isPromised ? "yes" : "no" });
    }
    for (let turns = dice.between(1, 12); turns > 0; turns -= 1) await turn();
    const decided = decisions.get(r) ?? (isPromised && dice.chance(0.7) ? "commit" : "abort");
    if (!decisions.has(r)) happened.push({ type: "decided", request: r, outcome: decided });
    decisions.set(r, decided);
    if (decided === "commit") await resource.commit({ transactionId });
    else {
      await resource.abort({ transactionId });
      await log.persist({ transactionId, coordinatorId: "c", state: "aborted" });
    }
    happened.push({ type: "acknowledged", request: r, outcome: decided });
    return decided === "commit" ? "OK" : "TRANSACTION_ABORTED";
  }

  const decisions = new Map<string, "commit" | "abort">();
  const waiting = new Map<string, Body>();
  const free = new Set<number>(Array.from({ length: 3 }, (_, index) => index));
  let asked = 0;
  /** Nobody begins anything more before what has ended is purged. */
  let isEnding = false;
  while (asked < requests || waiting.size > 0) {
    nowMs += 1;
    await turn();
    const chance = dice.between(0, 99);
    if (chance < 1 && asked < requests) {
      generation += 1;
      happened.push({ type: "crashed" });
      running = process();
      free.clear();
      for (let index = 0; index < 3; index += 1) free.add(index);
      for (const [request, body] of waiting) begin(request, body);
      continue;
    }
    engine.up = chance > 33 || (engine.up && chance > 4);
    if (chance === 20) engine.revision += 1;
    if (chance > 80)
      for (const due of await durable.due({ upToMs: nowMs, after: undefined, limit: 1 })) void running.fire(due, caller.signal);
    isEnding = isEnding || chance > 97;
    if (isEnding && waiting.size === 0) {
      await purge();
      isEnding = false;
    }
    if (asked < requests && free.size > 0 && chance > 30 && !isEnding) {
      asked += 1;
      const body = await bodyNow();
      waiting.set(`q${asked}`, body);
      begin(`q${asked}`, body);
    }
  }
  return happened;

  /** First there must be something; then mostly what is possible. */
  async function bodyNow(): Promise<Body> {
    const newborn = workflowIds[asked - 1];
    if (newborn !== undefined) return { kind: "start", on: [newborn], to: "ACTIVE", expected: 0, due: none };
    const found = await Promise.all(workflowIds.map((id) => durable.get(id as WorkflowId)));
    return bodyOf(dice, new Map(workflowIds.map((id, index) => [id, found[index]])));
  }

  function begin(request: string, body: Body): void {
    const slot = [...free][0] ?? 0;
    const mine = generation;
    free.delete(slot);
    void ask(request, body).then(() => {
      if (mine !== generation) return;
      free.add(slot);
      waiting.delete(request);
    });
  }

  /** What has ended, and whose answers nobody asks for any more. */
  async function purge(): Promise<void> {
    await durable.purge({ olderThanMs: nowMs + 1, limit: 1_000 });
    const ended = await durable.ended({ type: "", beforeMs: nowMs + 1, limit: 10 });
    const workflows = ended.rows.map(({ id, version }) => ({ id, version }));
    const { newest } = await durable.sequences();
    await durable.purgeWorkflows({ workflows, beforeSequence: newest + 1, eventCountMax: 1_000, freeIds: false, atMs: nowMs });
  }
}

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** At odd revisions some moves are denied. */
const denied: ReadonlySet<string> = new Set(["ACTIVE COMPLETED", "CREATED ACTIVE", "ACTIVE ACTIVE"]);

function rulesOf(engine: { readonly up: boolean; readonly revision: number }): PredicateClient {
  return {
    check: async ({ workflow, targetState }) => {
      if (!engine.up) return err({ type: "unavailable", cause: "it is away" });
      const ruleSetRevision = engine.revision;
      return ruleSetRevision % 2 === 1 && denied.has(`${workflow.state} ${targetState}`)
        ? ok({ type: "rule-denied", ruleSetRevision, violations: [] })
        : ok({ type: "allowed", ruleSetRevision, warnings: noWarnings });
    },
    checkMetadata: () => Promise.reject(new Error("no workflow here has a type")),
    checkMoves: () => Promise.reject(new Error("nobody asks what is possible")),
  };
}

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

function dueOf(target: string) {
  return target === none ? undefined : { due: { afterMs: 0 }, targetState: target as WorkflowState, reason: "in time" };
}

function movesFor(r: string, body: Body): Moves {
  const request = { id: r as RequestId, digest: r };
  const isBatch = body.kind === "batch" || body.on.length > 1;
  const said = { reason: r, requestedBy: "somebody" };
  const deadline = dueOf(body.due);
  const commands = body.on.map((id, index): MoveCommand => {
    const asked = { ...said, ...(deadline && { deadline }), request: isBatch ? itemKey(request, index) : request };
    return {
      workflowId: id as WorkflowId,
      expectedVersion: body.expected === 0 ? undefined : body.expected,
      mustRecover: body.kind === "recover",
      context: {},
      move: { ...asked, targetState: body.to as WorkflowState, eventMetadata: {} },
    };
  });
  return isBatch ? { commands, request, ...said } : movesOf(commands[0] as MoveCommand);
}

/** Of several workflows, the first that is refused speaks for all. */
function codeOf(answer: { readonly ok: boolean; readonly error?: MovesError }): string {
  const { error } = answer;
  const refused = error?.type === "items-refused" ? error.errors.find((each) => each !== undefined) : error;
  return refused === undefined ? "OK" : refused.type.toUpperCase().replaceAll("-", "_");
}
