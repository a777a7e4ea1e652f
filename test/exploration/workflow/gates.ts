import { err, ok } from "../../../src/kernel/result.ts";
import { noWarnings } from "../../../src/workflow/core/warnings.ts";
import type { PredicateClient, WorkflowStore } from "../../../src/workflow/ports.ts";
import { recordIn } from "./look.ts";
import type { SpecRecord } from "./spec.ts";

// A call of the code goes from one place to the next, where it stops until the world lets it go on: those are the steps of the spec.

export type Place = "load" | "check" | "write" | "answer";

/** What is under way, and where it stands. Several of its workflows may stand there at once. */
export type Running = {
  at: Place | undefined;
  goOn: (() => void)[];
  /** The first reads of an attempt are part of the step that begins it. */
  reading: boolean;
  seen: Readonly<Record<string, SpecRecord>>;
  revision: number;
  tries: number;
  code: string | undefined;
  defect: unknown;
};

export const beginning = (): Running => ({
  at: undefined,
  goOn: [],
  reading: true,
  seen: {},
  revision: 0,
  tries: 0,
  code: undefined,
  defect: undefined,
});

/** What waits for nobody has happened then. */
export const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** Until the world goes on. What a crash has ended never does. */
function stop(call: Running, at: Place): Promise<void> {
  call.at = at;
  return new Promise((resolve) => {
    call.goOn.push(resolve);
  });
}

export async function goOn(call: Running): Promise<void> {
  const waiting = call.goOn;
  call.at = undefined;
  call.goOn = [];
  for (const each of waiting) each();
  await settled();
  if (call.defect !== undefined) throw call.defect;
}

/** The first reads of an attempt have been made. */
export async function begun(call: Running): Promise<void> {
  await settled();
  call.reading = false;
  if (call.defect !== undefined) throw call.defect;
}

/** The store as one call has it. `get` is what it is judged by, unless it is something else. */
export function storeOf(store: WorkflowStore, nowMs: () => number, call: Running, isJudgedByGet = false): WorkflowStore {
  const load = async (id: Parameters<WorkflowStore["get"]>[0]): Promise<void> => {
    if (!call.reading) await stop(call, "load");
    const record = await recordIn(store, id, nowMs());
    call.seen = { ...call.seen, [id]: record };
  };
  return {
    ...store,
    get: async (id) => {
      if (isJudgedByGet) await load(id);
      return store.get(id);
    },
    getWithLastEvent: async (id) => {
      await load(id);
      return store.getWithLastEvent(id);
    },
    apply: async (batch) => {
      await stop(call, "write");
      const applied = await store.apply(batch);
      const isCreation = batch.puts.some(({ expected }) => expected === "absent");
      if (applied.ok || !isCreation) {
        call.tries = applied.ok ? 0 : call.tries + 1;
        call.seen = {};
        call.revision = 0;
      }
      if (applied.ok) await stop(call, "answer");
      return applied;
    },
  };
}

/** At odd revisions. specs/WorkflowManager.tla: Denied. */
const denied: ReadonlySet<string> = new Set(["ACTIVE COMPLETED", "FAILED ACTIVE", "CREATED ACTIVE", "ACTIVE ACTIVE"]);

/** The rule set of the spec. A move is judged as it was when the question was asked, by the revision of when it is answered. */
export function predicatesOf(engine: { readonly up: boolean; readonly revision: number }, call: Running): PredicateClient {
  return {
    check: async ({ workflow, targetState }) => {
      await stop(call, "check");
      if (!engine.up) return err({ type: "unavailable", cause: "it is away" });
      const ruleSetRevision = engine.revision;
      call.revision = ruleSetRevision;
      return ruleSetRevision % 2 === 1 && denied.has(`${workflow.state} ${targetState}`)
        ? ok({ type: "rule-denied", ruleSetRevision, violations: [] })
        : ok({ type: "allowed", ruleSetRevision, warnings: noWarnings });
    },
    checkMetadata: () => Promise.reject(new Error("no workflow here has a type")),
    checkMoves: () => Promise.reject(new Error("nobody asks what is possible")),
  };
}
