import type { TraceEvent } from "../../../../src/commit/core/trace.ts";
import type { ParticipantId } from "../../../../src/kernel/ids.ts";
import { managerId } from "../../../../test/simulation/workflow/manager.ts";
import type { Logged } from "../manager/log-steps.ts";
import type { Recording } from "../manager/record.ts";
import { mergeTraces, type Step, type StoreEvent, type Trace } from "../merge.ts";

// Traces of specs/TraceAtomicTransition.tla: of each transaction that moves workflows beside the work of others, the events of all cores, and between them what the
// manager's store was told. The manager is m, the others are p1, p2, …

export function transitionsOf({ name, happened }: Recording): readonly Trace[] {
  const begun = new Map<string, readonly ParticipantId[]>();
  for (const each of happened) {
    if (each.type === "core" && each.event.action === "Begin") begun.set(each.event.transaction, each.event.participants ?? []);
  }
  return mergeTraces(happened.flatMap(eventOf)).traces.flatMap((trace) => {
    const participants = begun.get(trace.transaction) ?? [];
    const place = participants.indexOf(managerId) + 1;
    if (place === 0 || participants.length < 2 || !isHeld(trace)) return [];
    const own = trace.steps.find(({ action }) => action === "Hold")?.count ?? 1;
    const on = Array.from({ length: own }, (_, index) => `w${index + 1}`);
    const steps = withoutUndone(trace.steps.map((step) => renamed(step, `p${place}`)));
    if (isKeptByCrash(steps)) return [];
    return [{ ...trace, transaction: `${trace.transaction} of ${name}`, steps: [{ action: "Enlist", on }, ...steps] }];
  });
}

/** It has been asked to promise; and nothing of it was lost, which is for TwoPhaseCommit. */
const isHeld = ({ steps }: Trace): boolean =>
  steps.some(({ action }) => action === "SendPrepare") && !steps.some(({ action }) => /Lost$/.test(action));

const isOwn = ({ participant }: Step): boolean => participant === "m";
const isRefusal = ({ action, state }: Step): boolean =>
  action === "UnilateralAbort" || (action === "RecvPrepare" && state !== "prepared");

/**
 * A hold that is released before anybody was told of it was never promised: nobody knew whether a write that was not answered had made it, or it came when
 * the time to vote was over. It counts as a refusal from the start, and its release as the one that the abort asks for.
 */
function withoutUndone(steps: readonly Step[]): readonly Step[] {
  const holdAt = steps.findIndex((step) => isOwn(step) && step.action === "Hold");
  const releaseAt = steps.findIndex((step, index) => index > holdAt && isOwn(step) && step.action === "Released");
  const release = steps[releaseAt];
  if (holdAt < 0 || release === undefined) return steps;
  const between = steps.slice(holdAt + 1, releaseAt).filter(isOwn);
  const isPromised = between.some((step) => step.action === "PartCrash" || (step.action === "RecvPrepare" && !isRefusal(step)));
  const isRefused = steps.slice(0, releaseAt).some((step) => isOwn(step) && isRefusal(step));
  const isTold = between.some(({ action }) => action === "SendDecision" || action === "AnswerInquiry");
  if (isPromised || (isTold && !isRefused)) return steps;
  const left = steps.filter((_, index) => index !== holdAt && index !== releaseAt);
  const askedAt = left.findIndex((step, index) => index >= releaseAt - 1 && isOwn(step) && /^RecvAbort/.test(step.action));
  return askedAt < 0 ? left : left.toSpliced(askedAt, 0, release);
}

/** A process that dies after its refusal, and finds the hold that came later, asks how it ended, as one that has promised: that is no step of the spec. */
function isKeptByCrash(steps: readonly Step[]): boolean {
  const refusedAt = steps.findIndex((step) => isOwn(step) && isRefusal(step));
  return refusedAt >= 0 && steps.some((step, index) => index > refusedAt && isOwn(step) && step.action === "Hold");
}

function eventOf(each: Logged): readonly (TraceEvent | StoreEvent)[] {
  if (each.type === "core") return [each.event];
  if (each.type !== "written") return [];
  const { batch, events } = each;
  const stored = (transaction: string, step: Step): readonly StoreEvent[] => [
    { action: "Stored", transaction, participant: managerId, step },
  ];
  if (batch.outcome !== undefined) {
    const { transactionId, outcome } = batch.outcome;
    return stored(
      transactionId,
      outcome === "committed" ? { action: "Committed", count: events.length } : { action: "Released" },
    );
  }
  const hold = batch.puts[0]?.workflow.hold;
  return hold === undefined ? [] : stored(hold.transactionId, { action: "Hold", count: batch.puts.length });
}

/** The manager is m, and those behind it move up. */
function renamed(step: Step, manager: string): Step {
  const nameOf = (name: string): string => {
    if (name === manager) return "m";
    return Number(name.slice(1)) > Number(manager.slice(1)) ? `p${Number(name.slice(1)) - 1}` : name;
  };
  const fields = Object.entries(step).map(([field, value]) => {
    if (field === "participant") return [field, nameOf(String(value))];
    return [field, Array.isArray(value) ? value.map(nameOf).sort() : value];
  });
  return Object.fromEntries(fields);
}
