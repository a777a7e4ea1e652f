import type { ParticipantRecord } from "../../../src/commit/core/participant-step.ts";
import type { RequestId, TransactionId, WorkflowId } from "../../../src/kernel/ids.ts";
import type { TimeMs } from "../../../src/kernel/time.ts";
import type { Workflow, WorkflowEvent } from "../../../src/workflow/core/types.ts";
import type { TransactionOutcome } from "../../../src/workflow/ports.ts";
import type { Ledger } from "../ledger.ts";
import { checkPut, type Demand, type Rules, timer } from "./change-checks.ts";
import type { Heard, Request } from "./clients.ts";
import { checkTerms, type PolicyBook } from "./policy-checks.ts";
import { checkHonest } from "./request-checks.ts";
import type { ManagerWrite, WorkflowDisk } from "./workflow-disk.ts";

/** What became durable at the workflow manager, in its order, and what must hold of it at every moment. */
export type Chronicle = {
  onWrite(written: ManagerWrite): void;
  /** Before it is asked for the first time. */
  onRequest(request: Request): void;
  /** A client is answered: what it is told of is durable, and the same as before. */
  onHeard(request: Request | undefined, heard: Heard): void;
  /** All that was ever written, also what was purged. */
  readonly events: readonly WorkflowEvent[];
  readonly oldest: number;
  requestOf(by: string): Request | undefined;
};

/** Reads the durable store after each write. What is wrong goes to `fail`, with its name in specs/WorkflowManager.tla. */
export function createChronicle(options: {
  readonly disk: Pick<WorkflowDisk, "oldest">;
  readonly rules: Rules;
  readonly newestRevision: () => number;
  readonly ledger: Ledger;
  readonly managerId: string;
  /** Of the change of the rules that was acknowledged last. */
  readonly acknowledgedRevision: () => number;
  readonly policies: PolicyBook;
  /** When what is kept for a time may be old enough to be purged. Undefined: this world does not last so long. */
  readonly keptBeforeMs: (() => TimeMs) | undefined;
  readonly fail: (text: string) => void;
}): Chronicle {
  const { disk, rules, newestRevision, ledger, managerId, acknowledgedRevision, policies, keptBeforeMs, fail } = options;
  const workflows = new Map<WorkflowId, Workflow>();
  const purged = new Set<string>();
  const events: WorkflowEvent[] = [];
  const answered = new Map<RequestId, { readonly text: string; readonly atMs: TimeMs }>();
  const requests = new Map<string, { readonly request: Request; readonly revision: number; readonly policy: number }>();
  const made = new Map<string, readonly WorkflowEvent[]>();
  const told = new Map<string, string>();
  const outcomes = new Map<TransactionId, TransactionOutcome>();
  const fired = new Set<string>();
  let oldest = 1;

  const demand: Demand = (holds, invariant, detail) => {
    if (!holds) fail(`${invariant}: ${detail}`);
  };

  function onBatch({ batch, after: left, events: stored, latestMs }: Extract<ManagerWrite, { type: "batch" }>): void {
    demand(
      stored.length === batch.events.length,
      "EventPerChange",
      `${stored.length} of ${batch.events.length} events are in the log`,
    );
    for (const event of stored) {
      demand(event.sequence === events.length + 1, "SequenceGapless", `event ${event.sequence} follows ${events.length}`);
      demand(
        event.ruleSetRevision <= newestRevision(),
        "PredicateLogicDependency",
        `${event.workflowId}: a revision of the future`,
      );
      events.push(event);
    }
    for (const { workflow: wanted, expected } of batch.puts) {
      const before = workflows.get(wanted.id);
      const after = left.get(wanted.id);
      const own = stored.filter(({ workflowId }) => workflowId === wanted.id);
      if (after === undefined) {
        demand(false, "StateConsistency", `${wanted.id} was written, and is not there`);
        continue;
      }
      const isAsExpected =
        expected === "absent"
          ? before === undefined && !purged.has(wanted.id)
          : before?.version === expected.version && before.hold?.transactionId === expected.heldBy;
      demand(isAsExpected, "ConcurrentSafety", `${wanted.id} is written over version ${before?.version}`);
      checkPut(demand, { before, after, events: own, batch }, rules);
      for (const event of own) checkDeadline(before, event, latestMs);
      // Who is not asked about now has been told of no policy.
      const asked = requests.get(own[0]?.requestedBy ?? "");
      checkTerms(demand, { before, after, events: own, latestMs }, asked?.request, policies.since(asked?.policy));
      if (after.hold && before?.hold === undefined) record(after.hold.transactionId, "prepared");
      workflows.set(wanted.id, after);
    }
    if (batch.outcome) onOutcome(batch.outcome.transactionId, batch.outcome.outcome);
    for (const { id, put, event, shared, atMs } of batch.answers ?? []) {
      const text = `${batch.puts[put]?.workflow.id} by event ${stored[event]?.sequence}`;
      demand(shared === true || !answered.has(id), "AtMostOncePerRequestId", `${id} is ${answered.get(id)?.text}, and ${text}`);
      answered.set(id, { text, atMs });
    }
    onMade(stored);
  }

  const record = (transactionId: TransactionId, state: ParticipantRecord["state"]): void =>
    ledger.onRecord(managerId, { transactionId, state } as ParticipantRecord);

  function onOutcome(transactionId: TransactionId, outcome: TransactionOutcome): void {
    const known = outcomes.get(transactionId);
    demand(known === undefined || known === outcome, "DecisionStable", `${transactionId} was ${known} here, and is ${outcome}`);
    outcomes.set(transactionId, outcome);
    record(transactionId, outcome);
    const left = [...workflows.values()].find(({ hold }) => hold?.transactionId === transactionId);
    demand(left === undefined, "AllOrNothing", `${left?.id} is still held by ${transactionId}, which is ${outcome}`);
  }

  /** One request is carried out once at most, whole, and as it was asked. */
  function onMade(stored: readonly WorkflowEvent[]): void {
    for (const by of new Set(stored.map(({ requestedBy }) => requestedBy))) {
      const asked = requests.get(by);
      if (asked === undefined) continue;
      const own = stored.filter(({ requestedBy }) => requestedBy === by);
      const before = made.get(by);
      demand(
        before === undefined,
        "AtMostOncePerRequestId",
        `${by} was carried out by event ${before?.[0]?.sequence}, and again`,
      );
      made.set(by, own);
      checkHonest(demand, asked.request, own);
      const judged = own.filter(({ type }) => type !== "DEADLINE_SET");
      const isFresh = judged.every(({ ruleSetRevision }) => ruleSetRevision >= asked.revision);
      demand(isFresh, "PredicateLogicDependency", `${by} was asked at revision ${asked.revision}, and judged by an older one`);
    }
  }

  /** A deadline is made once, for the workflow that has it, and not before it is due. */
  function checkDeadline(before: Workflow | undefined, event: WorkflowEvent, latestMs: number): void {
    if (event.requestedBy !== timer) return;
    const { workflowId, toState, type } = event;
    const deadline = before?.deadline;
    const isIts = deadline !== undefined && (type === "DEADLINE_REFUSED" || deadline.targetState === toState);
    demand(isIts, "DeadlineHonest", `${workflowId} goes to ${toState} by a deadline that it has not`);
    demand(deadline === undefined || deadline.atMs <= latestMs, "DeadlineHonest", `${workflowId}: it was not due`);
    const name = `${workflowId} ${JSON.stringify(deadline)} ${before?.stateEnteredAtMs}`;
    demand(!fired.has(name), "DeadlineOnce", name);
    fired.add(name);
  }

  /** Only by age: a retry is answered for a time. */
  function onForgotten(left: ReadonlySet<string>): void {
    for (const [id, { atMs }] of answered) {
      if (left.has(id)) continue;
      demand(
        keptBeforeMs !== undefined && atMs < keptBeforeMs(),
        "AtMostOncePerRequestId",
        `the answer to ${id} is forgotten too early`,
      );
      answered.delete(id);
    }
  }

  function onPurge({ workflows: ids, byPolicy, latestMs }: Extract<ManagerWrite, { type: "purge" }>): void {
    for (const id of ids) {
      const workflow = workflows.get(id as WorkflowId);
      const mayGo = workflow !== undefined && ["COMPLETED", "CANCELLED"].includes(workflow.state) && workflow.hold === undefined;
      demand(mayGo, "PurgeHonest", `${id} is purged, and ${workflow?.state}`);
      const endedMs = workflow?.stateEnteredAtMs ?? Number.POSITIVE_INFINITY;
      const isOld = policies.since(undefined).some(({ retention }) => retention && endedMs + retention.afterMs <= latestMs);
      demand(!byPolicy || isOld, "PurgeHonest", `${id} is purged by a policy that there is not, or too early`);
      const remembered = [...answered.values()].some(({ text }) => text.startsWith(`${id} `));
      demand(!remembered, "PurgeHonest", `${id} is purged, and a request of it has an answer`);
      workflows.delete(id as WorkflowId);
      purged.add(id);
    }
    oldest = disk.oldest();
  }

  return {
    onWrite(written) {
      if (written.type === "batch") onBatch(written);
      if (written.type === "purge") onPurge(written);
      if (written.type === "policy") policies.onPolicy(written.terms);
      if (written.type === "forgotten") onForgotten(written.left);
    },
    onRequest: (request) =>
      void requests.set(request.by, { request, revision: acknowledgedRevision(), policy: policies.answered }),
    onHeard(request, heard) {
      if (request === undefined || heard === "unknown") return;
      if ("refused" in heard) {
        const mayRefuse =
          !heard.refused.startsWith("RECOVER") || policies.since(0).some(({ recovery }) => recovery !== undefined);
        demand(mayRefuse, "RecoveryHonest", `${request.by} is refused with ${heard.refused}, and no policy says so`);
        return;
      }
      const { answer } = heard;
      for (const told of answer.events) {
        const event = events[Number(told.sequence) - 1];
        const isIt = event?.id === told.eventId && event.workflowId === told.workflowId && event.version === Number(told.version);
        demand(isIt, "ResponseHonest", `${request.by} is told of event ${told.sequence}, which is not in the log`);
      }
      if (request.id === "" || request.verb.type === "wait") return;
      const said = JSON.stringify([answer.shown, answer.items]);
      const before = told.get(request.by);
      // What was only found is not remembered.
      const isRemembered = made.has(request.by);
      demand(
        !isRemembered || before === undefined || before === said,
        "AtMostOncePerRequestId",
        `${request.by}: ${before}, then ${said}`,
      );
      if (isRemembered) told.set(request.by, said);
    },
    events,
    get oldest() {
      return oldest;
    },
    requestOf: (by) => requests.get(by)?.request,
  };
}
