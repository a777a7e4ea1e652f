import type { CountQuota } from "../../src/kernel/count-quota.ts";
import type { ParticipantId, RequestId, TransactionId, WorkflowId } from "../../src/kernel/ids.ts";
import type { WorkflowState } from "../../src/kernel/lifecycle.ts";
import { ok } from "../../src/kernel/result.ts";
import type { TimeMs } from "../../src/kernel/time.ts";
import type { Turns } from "../../src/kernel/turns.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { createMemoryWorkflowStore } from "../../src/storage/memory/workflow-store.ts";
import type { MoveCommand, Moves } from "../../src/workflow/attempt.ts";
import type { Caller } from "../../src/workflow/calls.ts";
import { noTerms, type PolicyTerms } from "../../src/workflow/core/policy.ts";
import { noWarnings } from "../../src/workflow/core/warnings.ts";
import type { CreateCommand } from "../../src/workflow/creation.ts";
import { createManager } from "../../src/workflow/manager.ts";
import { createOwnPart } from "../../src/workflow/own-part.ts";
import { createWorkflowParticipant } from "../../src/workflow/participant.ts";
import type {
  MetadataQuestion,
  PredicateCheck,
  PredicateClient,
  TransactionClient,
  WorkflowStore,
} from "../../src/workflow/ports.ts";
import type { DeadlineCommand } from "../../src/workflow/set-deadline.ts";
import { pausing } from "./pausing.ts";

export const workflowId = "wf-1" as WorkflowId;
export const requestId = (text: string): RequestId => text as RequestId;

type Verdict = Awaited<ReturnType<PredicateClient["check"]>>;
export const allowed: Verdict = ok({ type: "allowed", ruleSetRevision: 3, warnings: noWarnings });
type MetadataVerdict = Awaited<ReturnType<PredicateClient["checkMetadata"]>>;
type JudgedMovesAnswer = Awaited<ReturnType<PredicateClient["checkMoves"]>>;
export const denied: Verdict = ok({
  type: "rule-denied",
  ruleSetRevision: 3,
  violations: [{ ruleId: "cold", message: "too warm" }],
});

/** A manager and its participant over a store in memory, with an engine and a coordinator that do as the test says. */
export function managerOver(
  store: WorkflowStore = createMemoryWorkflowStore(),
  options: { readonly workflowCountMax?: number; readonly quota?: CountQuota } = {},
  /** Another one than that which goes on with each id. */
  nowMs?: () => TimeMs,
) {
  let count = 0;
  const asked: PredicateCheck[] = [];
  const askedOfMetadata: MetadataQuestion[] = [];
  const engine = {
    answer: async (_check: PredicateCheck): Promise<Verdict> => allowed,
    answerOfMetadata: async (): Promise<MetadataVerdict> => ok({ ruleSetRevision: 3, violations: [] }),
    answerMoves: async (_question: Omit<PredicateCheck, "targetState">): Promise<JudgedMovesAnswer> =>
      ok({ moves: [], ruleSetRevision: 1 }),
  };
  const coordinator: { execute: TransactionClient["execute"] } = {
    execute: () => Promise.reject(new Error("no transaction is expected")),
  };
  const predicates: PredicateClient = {
    check: (check) => {
      asked.push(check);
      return engine.answer(check);
    },
    checkMetadata: (question) => {
      askedOfMetadata.push(question);
      return engine.answerOfMetadata();
    },
    checkMoves: (question) => engine.answerMoves(question),
  };
  const clock = { nowMs: 1_000 };
  const policy: { terms: PolicyTerms } = { terms: noTerms };
  const environment = {
    nowMs: () => nowMs?.() ?? clock.nowMs + count,
    newId: () => `id-${++count}`,
    termsOf: () => policy.terms,
  };
  const transactions: TransactionClient = { execute: (request) => coordinator.execute(request) };
  const participantId = "manager" as ParticipantId;
  const breaths = { count: 0 };
  const pauses = pausing();
  const turns: Turns = (signal) => {
    const breathe = pauses(signal);
    return () => {
      breaths.count += 1;
      return breathe();
    };
  };
  const ownPart = createOwnPart({
    store,
    predicates,
    environment,
    turns,
    participantId,
    transactions,
    newName: () => `part-${++count}`,
  });
  const participant = createWorkflowParticipant({ store, predicates, environment, participantId, ownPart, turns });
  const { workflowCountMax = 100 } = options;
  /** The coordinators that it has a session with, and the transactions that its participant was to look up. */
  const sessions = { connected: [] as string[], reread: [] as TransactionId[] };
  const manager = createManager({
    store,
    predicates,
    environment,
    turns,
    clock: systemClock,
    ownPart,
    sessions: {
      connectedTo: (coordinatorId) => sessions.connected.includes(coordinatorId),
      reread: (transactionId) => void sessions.reread.push(transactionId),
    },
    workflowCountMax,
    ...(options.quota && { quota: options.quota }),
  });
  const patient: Caller = { signal: new AbortController().signal };
  /** Its callers wait, unless a test says otherwise. */
  const forPatientCallers = {
    create: (command: CreateCommand, caller: Partial<Caller> = {}) => manager.create(command, { ...patient, ...caller }),
    move: (command: MoveCommand, caller: Partial<Caller> = {}) => manager.move(command, { ...patient, ...caller }),
    moveTogether: (command: MoveCommand, caller: Partial<Caller> = {}) =>
      manager.moveTogether(command, { parts: [], waitForParticipantsMs: 0, deadlineMs: 61_000 }, { ...patient, ...caller }),
  };
  const { resolve, possibleMoves, setDeadline, moveEach, moveAll } = manager;
  return {
    store,
    manager: {
      ...forPatientCallers,
      resolve,
      possibleMoves,
      moveEach,
      moveAll,
      setDeadline: (command: DeadlineCommand) => setDeadline(command, patient),
    },
    environment,
    predicates,
    participant,
    ownPart,
    breaths,
    engine,
    coordinator,
    sessions,
    asked,
    askedOfMetadata,
    policy,
    clock,
  };
}

export type ManagerUnderTest = ReturnType<typeof managerOver>;

export function creation(id: string | undefined = workflowId, request?: { readonly id: RequestId; readonly digest: string }) {
  return {
    workflowId: id as WorkflowId | undefined,
    type: "sample",
    metadata: {},
    initialState: "CREATED",
    ifExists: "fail",
    reason: "",
    requestedBy: "ada",
    request,
  } as const;
}

export function moveTo(
  targetState: WorkflowState,
  changes: Partial<MoveCommand & { request: MoveCommand["move"]["request"] }> = {},
): MoveCommand {
  const { request, ...rest } = changes;
  return {
    workflowId,
    expectedVersion: undefined,
    mustRecover: false,
    context: {},
    move: { targetState, reason: "because", requestedBy: "ada", eventMetadata: {}, request },
    ...rest,
  };
}

type Request = Parameters<TransactionClient["execute"]>[0];
type Answer = Awaited<ReturnType<TransactionClient["execute"]>>;

/** A move together whose coordinator has begun a transaction, and answers when the test says so. */
export const beginTogether = (under: ManagerUnderTest, command: MoveCommand, caller: Partial<Caller> = {}) =>
  begin(under, () => under.manager.moveTogether(command, caller));

/** The same of several moves. */
export const beginAllTogether = (under: ManagerUnderTest, moves: Moves) =>
  begin(under, () =>
    under.manager.moveAll(
      moves,
      { parts: [], waitForParticipantsMs: 0, deadlineMs: 61_000 },
      { signal: new AbortController().signal },
    ),
  );

async function begin<Moved>(under: ManagerUnderTest, move: () => Promise<Moved>) {
  const asked = Promise.withResolvers<Request>();
  const answered = Promise.withResolvers<Answer>();
  under.coordinator.execute = (request) => {
    asked.resolve(request);
    return answered.promise;
  };
  const moved = move();
  const request = await Promise.race([asked.promise, moved.then((early) => Promise.reject(new Error(JSON.stringify(early))))]);
  const payload = request.parts[0]?.payload ?? new Uint8Array();
  return { request, payload, moved, answer: answered.resolve, prepare: (id: TransactionId) => prepare(under, id, payload) };
}

export const prepare = ({ participant }: ManagerUnderTest, transactionId: TransactionId, payload: Uint8Array) =>
  participant.resource.prepare({ transactionId, payload, coordinatorId: "c", coordinatorEpoch: 1 });

export const tx = (text: string): TransactionId => text as TransactionId;
