import type { LinkEvent } from "../../../../src/commit/core/session-trace.ts";
import type { CoordinatorEvent, ParticipantEvent, TraceEvent } from "../../../../src/commit/core/trace.ts";
import type { VoteValue } from "../../../../src/commit/core/types.ts";
import type { LogEvent } from "../../../../test/simulation/log-events.ts";
import { names } from "../names.ts";
import { leftOutOf } from "./left-out.ts";
import type { Step, Trace } from "./steps.ts";

/** What each process has said, in the order of time; and what became durable in the log, if somebody has watched it. */
export type Recorded = TraceEvent | LogEvent;

export type Merged = {
  readonly trace: Trace;
  readonly transactions: number;
  /** Why transactions are not in it, and how many. */
  readonly leftOut: ReadonlyMap<string, number>;
};

const values: Readonly<Record<VoteValue, string>> = { commit: "yes", abort: "no", "read-only": "readonly" };

/**
 * The trace of one log. A write of it is where it became durable, if that is known, and else where it was told: of processes that are never beside
 * each other, that is the same order.
 */
export function mergeSessions(name: string, events: readonly Recorded[]): Merged {
  const left = leftOutOf(events);
  const own = events.find((event) => event.action === "Claim");
  const isWatched = events.some(({ action }) => action === "claimed");
  const steps: Step[] = [];
  const participants = names("p");
  const transactions = names("t");
  const parties: { [transaction: string]: ReadonlySet<string> } = {};
  let firstEpoch: number | undefined;
  let claimed = 0;
  /** By epoch, claim, and process. */
  const runs = new Map<number | string, number>();
  /** By whom. */
  const begun = new Map<string, number>();
  const forced = new Set<string>();
  const firstSessions = new Map<string, number>();
  /** The newest session of each participant. */
  const opened = new Map<string, number>();
  /** The process of each participant. */
  const instances = new Map<string, string>();
  /** Of a transaction at a participant: the session in which its Prepare, or its decision, was heard last. */
  const heard = new Map<string, number>();
  const promised = new Set<string>();

  const all = (ids: readonly string[]): ReadonlySet<string> => new Set(ids.map(participants).sort());
  const isKept = (transaction: string): boolean => begun.has(transaction) && !left.has(transaction);

  function sessionOf(participant: string, session: number): number {
    const first = firstSessions.get(participant) ?? session;
    firstSessions.set(participant, first);
    return session - first + 2;
  }

  const runOf = (name: number | string): number => runs.get(name) ?? 0;

  function claim(epoch: number, id: string, by: string): void {
    firstEpoch ??= epoch;
    const own = epoch - firstEpoch + 2;
    // Who has died before it could say so has claimed it all the same.
    while (!isWatched && claimed + 2 < own) pushClaim(claimed + 2);
    const run = pushClaim(own);
    runs.set(epoch, run).set(`claim ${id}`, run).set(`process ${by}`, run);
  }

  function pushClaim(epoch: number): number {
    claimed += 1;
    const run = claimed + 1;
    steps.push({ action: "Claim", run, epoch });
    return run;
  }

  /** What is found there was written before, by one that died before it could say so. */
  function pushBeforeClaim(run: number, step: Step): void {
    const claim = steps.findIndex((each) => each.action === "Claim" && each.run === run);
    steps.splice(claim, 0, step);
  }

  function open(run: number, id: string, number: number): void {
    const participant = participants(id);
    const session = sessionOf(id, number);
    for (let missing = (opened.get(id) ?? 1) + 1; missing < session && !isWatched; missing += 1)
      pushBeforeClaim(run, { action: "OpenSession", run: run - 1, participant, session: missing });
    opened.set(id, session);
    steps.push({ action: "OpenSession", run, participant, session });
  }

  function onLog(event: LogEvent): void {
    if (event.action === "claimed") claim(event.epoch, event.claim, event.by);
    if (event.action === "numbered") open(runOf(`process ${event.by}`), event.participant, event.session);
    if (event.action !== "recorded") return;
    const { id, outcome, parts } = event.transaction;
    const voters = parts.filter(({ vote }) => vote === "commit").map(({ participantId }) => participantId);
    // What nobody had to undo is written when it is over, as history.
    if (outcome === "committed" && voters.length > 0) force(id, runOf(`process ${event.by}`), voters);
  }

  function force(id: string, run: number, voters: readonly string[]): void {
    if (!isKept(id) || forced.has(id)) return;
    forced.add(id);
    steps.push({ action: "ForceCommit", run, transaction: transactions(id), voters: all(voters) });
  }

  function onCoordinator(event: CoordinatorEvent): void {
    const { action, epoch, transaction: id, participant, value, state } = event;
    if (action === "Begin" && !left.has(id)) {
      begun.set(id, runOf(epoch));
      parties[transactions(id)] = all(event.participants ?? []);
      steps.push({ action, run: runOf(epoch), transaction: transactions(id) });
    }
    if (!isKept(id)) return;
    const ofRun = { run: runOf(epoch), transaction: transactions(id) };
    switch (action) {
      case "RecvVote":
      case "AnswerInquiry":
        steps.push({ action, ...ofRun, participant: participants(participant ?? ""), value: String(value) });
        break;
      case "ForceCommit":
        if (!isWatched) force(id, runOf(epoch), state?.yes ?? []);
        break;
      case "SendDecision":
      case "AckClient":
        // Of what has no yes nothing is written.
        if (state?.yes.length !== 0) steps.push({ action: "Decided", ...ofRun });
        break;
      case "TakeOver":
        if (state?.phase !== "committing") break;
        if (!forced.has(id) && !isWatched) {
          forced.add(id);
          pushBeforeClaim(ofRun.run, { action: "ForceCommit", ...ofRun, run: begun.get(id) ?? 0, voters: all(state.yes) });
        }
        steps.push({ action: "TakeUp", ...ofRun, voters: all(state.yes) });
    }
  }

  function onLink(event: LinkEvent): void {
    // Others have sessions and transactions of their own.
    if (event.coordinatorId !== own?.coordinatorId) return;
    const participant = participants(event.participant);
    const session = sessionOf(event.participant, event.session);
    if (event.action === "Admit") {
      steps.push({ action: "Admit", participant, run: runOf(`claim ${event.claim}`), epoch: runOf(event.epoch), session });
      return;
    }
    if (!isKept(event.transaction)) return;
    const transaction = transactions(event.transaction);
    if (event.action === "SayVote") {
      const value = values[event.value];
      if (value === "yes") promised.add(`${participant} ${transaction}`);
      steps.push({ action: "RecvPrepare", participant, session, transaction, value });
      return;
    }
    heard.set(`${event.action} ${participant} ${transaction}`, session);
  }

  function onParticipant(event: ParticipantEvent, at: number): void {
    if (!isKept(event.transaction)) return;
    const participant = participants(event.participant);
    const transaction = transactions(event.transaction);
    const of = `${participant} ${transaction}`;
    switch (event.action) {
      case "RecvPrepare": {
        // Where it goes out. If there is no session, or no time, it has been written down all the same.
        const session = heard.get(`HearPrepare ${of}`);
        if (session === undefined || isSaid(event, at)) return;
        if (event.state === "prepared") promised.add(of);
        const value = event.state === "prepared" ? "yes" : "readonly";
        steps.push({ action: "RecvPrepare", participant, session, transaction, value });
        break;
      }
      case "RecvCommit":
      case "RecvAbort": {
        const session = heard.get(`HearDecision ${of}`);
        if (session !== undefined) steps.push({ action: event.action, participant, session, transaction });
        break;
      }
      case "PartRecover":
        if (event.state === "prepared") recover(participant, transaction);
    }
  }

  function isSaid({ instance, transaction }: ParticipantEvent, at: number): boolean {
    const next = events.find(
      (event, index) =>
        index > at &&
        (event.action === "SayVote" || event.action === "RecvPrepare") &&
        event.instance === instance &&
        event.transaction === transaction,
    );
    return next?.action === "SayVote";
  }

  /** It may have died when the promise was durable, before it could say so. */
  function recover(participant: string, transaction: string): void {
    const of = `${participant} ${transaction}`;
    const session = heard.get(`HearPrepare ${of}`);
    if (!promised.has(of) && session !== undefined) {
      promised.add(of);
      const crash = steps.findLastIndex((step) => step.action === "PartCrash" && step.participant === participant);
      steps.splice(crash, 0, { action: "RecvPrepare", participant, session, transaction, value: "yes" });
    }
    steps.push({ action: "PartRecover", participant, transaction });
  }

  function onEvent(event: Recorded, at: number): void {
    switch (event.action) {
      case "claimed":
      case "numbered":
      case "recorded":
      case "dropped":
        onLog(event);
        break;
      case "Claim":
        if (!isWatched) claim(event.epoch, event.claim, "");
        break;
      case "Stop":
        steps.push({ action: "Stop", run: runOf(event.epoch) });
        break;
      case "Recovered":
        break;
      case "Start":
        if (instances.has(event.participant)) steps.push({ action: "PartCrash", participant: participants(event.participant) });
        instances.set(event.participant, event.instance);
        break;
      case "OpenSession":
        if (!isWatched) open(runOf(event.epoch), event.participant, event.session);
        break;
      case "Welcome":
        steps.push({
          ...{ action: "Welcome", run: runOf(event.epoch), participant: participants(event.participant) },
          session: sessionOf(event.participant, event.session),
        });
        break;
      case "HearVote":
        if (!isKept(event.transaction)) break;
        steps.push({
          ...{ action: "HearVote", run: runOf(event.epoch), transaction: transactions(event.transaction) },
          ...{ participant: participants(event.participant), session: sessionOf(event.participant, event.session) },
          value: values[event.value],
        });
        break;
      default:
        if ("coordinatorId" in event) onLink(event);
        else if ("instance" in event) onParticipant(event, at);
        else onCoordinator(event);
    }
  }

  for (const [at, event] of events.entries()) onEvent(event, at);
  const leftOut = new Map<string, number>();
  for (const why of left.values()) leftOut.set(why, (leftOut.get(why) ?? 0) + 1);
  const trace = { name, steps: [{ action: "World", parties } as const, ...steps] };
  return { trace, transactions: Object.keys(parties).length, leftOut };
}
