import type { CoordinatorEvent, ParticipantEvent, TraceEvent } from "../../../src/commit/core/trace.ts";

/** One event of a trace, in the words of specs/TraceTwoPhaseCommit.tla. Epochs count from the transaction's first; participants are p1, p2, … */
export type Step = {
  readonly action: string;
  readonly epoch?: number;
  readonly participant?: string;
  readonly value?: string;
  readonly phase?: string;
  readonly yes?: readonly string[];
  readonly ro?: readonly string[];
  readonly acks?: readonly string[];
  readonly lost?: readonly string[];
  readonly state?: string;
  /** Of workflows, or of their events. */
  readonly count?: number;
  /** Workflows. */
  readonly on?: readonly string[];
};

/** What a store was told of a transaction by its participant: a step of its trace, at its place. */
export type StoreEvent = {
  readonly action: "Stored";
  readonly transaction: string;
  readonly participant: string;
  readonly step: Step;
};

/** What happened to one transaction. */
export type Trace = { readonly transaction: string; readonly participantCount: number; readonly steps: readonly Step[] };

export type Merged = {
  readonly traces: readonly Trace[];
  /** Why transactions are no trace, and how many. */
  readonly leftOut: ReadonlyMap<string, number>;
};

type Draft = {
  readonly firstEpoch: number;
  readonly names: ReadonlyMap<string, string>;
  readonly steps: Step[];
  /** The newest epoch that its steps know of. */
  epoch: number;
  /** How many happenings its steps know of. */
  seen: number;
};

/** The processes of one participant, in the order of their starts. */
type Known = {
  readonly instances: string[];
  /** What each has said that is not told yet: until it is welcome, a new process hears nothing, so that is nobody's business before. */
  readonly said: Map<string, ParticipantEvent[]>;
  /** Which one has the session, or had the last one. */
  current: number;
};

/**
 * The traces of all transactions, out of what every process has reported, in the order of time. What no process can report is put in: a
 * crash, before the next incarnation; a take-over, where the log was claimed; the recovery of a participant, where its session began.
 */
export function mergeTraces(events: readonly (TraceEvent | StoreEvent)[]): Merged {
  /** To all transactions at once. */
  const happenings: ((draft: Draft) => void)[] = [];
  const drafts = new Map<string, Draft>();
  const left = new Map<string, string>();
  const participants = new Map<string, Known>();
  let newestEpoch = 0;

  function leave(transaction: string, why: string): void {
    drafts.delete(transaction);
    left.set(transaction, why);
  }

  /** The draft, up to date with what happened to all. */
  function draftOf(transaction: string): Draft | undefined {
    const draft = drafts.get(transaction);
    if (!draft) {
      if (!left.has(transaction)) left.set(transaction, "begun before the trace");
      return undefined;
    }
    for (const happen of happenings.slice(draft.seen)) happen(draft);
    draft.seen = happenings.length;
    return draft;
  }

  /** Also by those between: a coordinator may claim the log and die before it can say so. */
  function takeOver(draft: Draft, epoch: number): void {
    while (draft.epoch < epoch) {
      draft.epoch += 1;
      draft.steps.push({ action: "TakeOver", epoch: draft.epoch - draft.firstEpoch + 1 });
    }
  }

  /** Unless it has said what it has found. */
  function foundNothing(draft: Draft, epoch: number): void {
    const own = epoch - draft.firstEpoch + 1;
    const index = draft.steps.findLastIndex((step) => step.action === "TakeOver" && step.epoch === own);
    const step = draft.steps[index];
    if (step && step.phase === undefined) draft.steps[index] = { ...step, value: "nothing" };
  }

  function restart(draft: Draft, participant: string): void {
    const name = draft.names.get(participant);
    if (name === undefined) return;
    draft.steps.push({ action: "PartCrash", participant: name }, { action: "PartRecover", participant: name, state: "working" });
  }

  /** A step that was put in is reported after all, with what was found there. */
  function amend(draft: Draft, action: string, isIt: (step: Step) => boolean, found: Partial<Step>): void {
    const index = draft.steps.findLastIndex((step) => step.action === action && isIt(step));
    const step = draft.steps[index];
    if (!step) throw new Error(`${action} is reported where there is none: ${JSON.stringify(found)}`);
    draft.steps[index] = { ...step, ...found };
  }

  function begin({ transaction, epoch, participants: enlisted = [], state }: CoordinatorEvent): void {
    const names = new Map(enlisted.map((id, index) => [id, `p${index + 1}`]));
    const draft: Draft = { firstEpoch: epoch, names, steps: [], epoch, seen: happenings.length };
    drafts.set(transaction, draft);
    draft.steps.push({ action: "Begin", epoch: 1, ...named(draft, state) });
    // Begun by a coordinator that is replaced already, and does not know it.
    takeOver(draft, newestEpoch);
  }

  function onCoordinatorEvent(event: CoordinatorEvent): void {
    const { action, transaction, epoch, participant, value, state } = event;
    const draft = draftOf(transaction);
    if (!draft) return;
    const own = epoch - draft.firstEpoch + 1;
    if (action === "TakeOver") {
      amend(draft, action, (step) => step.epoch === own, named(draft, state));
      return;
    }
    const name = participant && draft.names.get(participant);
    draft.steps.push({
      action,
      epoch: own,
      ...(name !== undefined && { participant: name }),
      ...(value !== undefined && { value }),
      ...named(draft, state),
    });
  }

  function onParticipantEvent({ action, transaction, participant, state }: ParticipantEvent): void {
    const draft = draftOf(transaction);
    const name = draft?.names.get(participant);
    if (!draft || name === undefined) return;
    if (action === "PartRecover") {
      amend(draft, action, (step) => step.participant === name, { state });
      return;
    }
    draft.steps.push({ action, participant: name, state });
  }

  /** Of its participant: all processes, and the place of this one among them. */
  function place(participant: string, instance: string): readonly [Known, number] {
    const its: Known = participants.get(participant) ?? { instances: [], said: new Map(), current: 0 };
    participants.set(participant, its);
    if (!its.instances.includes(instance)) its.instances.push(instance);
    return [its, its.instances.indexOf(instance)];
  }

  function hear(event: ParticipantEvent): void {
    const { participant, instance } = event;
    const [its, number] = place(participant, instance);
    if (number === its.current) onParticipantEvent(event);
    else if (number < its.current) leave(event.transaction, "two processes with one participant id");
    else its.said.set(instance, [...(its.said.get(instance) ?? []), event]);
  }

  /** Also the Hello of a process that is gone may come, late. */
  function welcome(participant: string, instance: string): void {
    const [its, number] = place(participant, instance);
    while (its.current < number) {
      its.current += 1;
      happenings.push((draft) => restart(draft, participant));
      for (const event of its.said.get(its.instances[its.current] ?? "") ?? []) onParticipantEvent(event);
    }
  }

  function onStored({ transaction, participant, step }: StoreEvent): void {
    const draft = draftOf(transaction);
    const name = draft?.names.get(participant);
    if (draft && name !== undefined) draft.steps.push({ ...step, participant: name });
  }

  function onEvent(event: TraceEvent | StoreEvent): void {
    switch (event.action) {
      case "Claim":
        newestEpoch = Math.max(newestEpoch, event.epoch);
        happenings.push((draft) => takeOver(draft, event.epoch));
        break;
      case "Recovered":
        happenings.push((draft) => foundNothing(draft, event.epoch));
        break;
      case "Start":
        place(event.participant, event.instance);
        break;
      case "Welcome":
        welcome(event.participant, event.instance);
        break;
      case "Begin":
        begin(event);
        break;
      case "Stored":
        onStored(event);
        break;
      case "Stop":
      case "OpenSession":
      case "HearVote":
      case "Admit":
      case "HearPrepare":
      case "HearDecision":
      case "SayVote":
        // Of sessions, which are another spec's.
        break;
      case "Resolve":
        leave(event.transaction, "resolved by an operator");
        break;
      default:
        if ("instance" in event) hear(event);
        else onCoordinatorEvent(event);
    }
  }

  for (const event of events) onEvent(event);
  for (const [participant, { instances }] of participants) {
    for (const instance of instances) welcome(participant, instance);
  }

  const leftOut = new Map<string, number>();
  for (const why of left.values()) leftOut.set(why, (leftOut.get(why) ?? 0) + 1);
  const traces = [...drafts].map(([transaction, { names, steps }]) => ({
    transaction,
    participantCount: names.size,
    steps: withCrashes(steps),
  }));
  return { traces, leftOut };
}

/** A coordinator that is silent after its replacement has begun was gone before. */
function withCrashes(steps: readonly Step[]): readonly Step[] {
  return steps.flatMap((step, index) => {
    if (step.action !== "TakeOver" || step.epoch === undefined) return [step];
    const before = step.epoch - 1;
    const livesOn = steps.slice(index).some(({ epoch }) => epoch === before);
    return livesOn ? [step] : [{ action: "CoordCrash", epoch: before }, step];
  });
}

function named({ names }: Draft, state: CoordinatorEvent["state"]): Partial<Step> {
  if (!state) return {};
  const all = (ids: readonly string[]): string[] => ids.map((id) => names.get(id) ?? id).sort();
  return { phase: state.phase, yes: all(state.yes), ro: all(state.ro), acks: all(state.acks), lost: all(state.lost) };
}
