import type { ParticipantId, TransactionId, WorkflowId } from "../../../../src/kernel/ids.ts";
import { err, ok } from "../../../../src/kernel/result.ts";
import { createMemoryWorkflowStore } from "../../../../src/storage/memory/workflow-store.ts";
import { noTerms } from "../../../../src/workflow/core/policy.ts";
import { noWarnings } from "../../../../src/workflow/core/warnings.ts";
import { createFireDeadline } from "../../../../src/workflow/fire-deadline.ts";
import { createManager } from "../../../../src/workflow/manager.ts";
import type { WantedMoves } from "../../../../src/workflow/own-part.ts";
import { createWorkflowParticipant } from "../../../../src/workflow/participant.ts";
import type { PredicateClient, WorkflowStore } from "../../../../src/workflow/ports.ts";
import { ask, ownPartOf, wantedBy } from "../../../../test/exploration/workflow/asked.ts";
import { none } from "../../../../test/exploration/workflow/spec.ts";
import { createDice } from "../../../../test/simulation/random.ts";
import {
  type Body,
  type ManagerEvent,
  recordedPredicates,
  recordedStore,
} from "../../../../test/simulation/workflow/manager-events.ts";
import { bodyOf } from "./bodies.ts";

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
  async function call(request: string, body: Body): Promise<void> {
    happened.push({ type: "submitted", request, body });
    const code = body.kind === "enlist" ? await enlist(request, body) : await ask(running.manager, request, body, caller);
    if (code !== undefined) happened.push({ type: "answered", request, code });
  }

  /** The coordinator: asks for the promise, decides, and says so until it is done. */
  async function enlist(r: string, body: Body): Promise<string | undefined> {
    const transactionId = r as TransactionId;
    const { log, resource } = participantOf(wantedBy(r, body));
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
    void call(request, body).then(() => {
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
