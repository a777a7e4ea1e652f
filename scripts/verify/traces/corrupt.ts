import { type Corrupted, type Corruption, corruptEach } from "./corrupted.ts";
import type { Step, Trace } from "./merge.ts";

/** The place of the first such event, if there is one. */
const find = (steps: readonly Step[], wanted: Partial<Step>, from = 0): number | undefined => {
  const index = steps.findIndex((step, at) => at >= from && isLike(step, wanted));
  return index < 0 ? undefined : index;
};

const isLike = (step: Step, wanted: Partial<Step>): boolean =>
  Object.entries(wanted).every(([field, value]) => step[field as keyof Step] === value);

/** One field is false: noticed there, unless what came before makes it possible. */
const lie = (
  kind: string,
  wanted: Partial<Step>,
  change: (step: Step) => Partial<Step>,
  isPossible: (before: readonly Step[], step: Step) => boolean = () => false,
): Corruption<Step> => ({
  kind,
  apply(steps) {
    const at = find(steps, wanted);
    const step = at === undefined ? undefined : steps[at];
    if (at === undefined || !step || isPossible(steps.slice(0, at), step)) return undefined;
    return { steps: steps.with(at, { ...step, ...change(step) }), at };
  },
});

/** One event is missing: noticed at the first event that needs it. */
const drop = (kind: string, wanted: Partial<Step>, needs: (dropped: Step) => Partial<Step>): Corruption<Step> => ({
  kind,
  apply(steps) {
    const at = find(steps, wanted);
    if (at === undefined) return undefined;
    const left = steps.toSpliced(at, 1);
    const noticed = find(left, needs(steps[at] as Step), at);
    // Told again, or lost in a crash, it is not missed.
    const excused = left
      .slice(0, noticed)
      .some((step, index) => isLike(step, wanted) || (index >= at && /Crash/.test(step.action)));
    return noticed === undefined || excused ? undefined : { steps: left, at: noticed };
  },
});

/** Two neighbours change places: noticed at the one that comes too early. */
const swap = (kind: string, first: Partial<Step>, second: Partial<Step>): Corruption<Step> => ({
  kind,
  apply(steps) {
    const at = steps.findIndex((step, index) => isLike(step, first) && isLike(steps[index + 1] ?? { action: "" }, second));
    return at < 0 ? undefined : { steps: steps.toSpliced(at, 2, steps[at + 1] as Step, steps[at] as Step), at };
  },
});

/** Something comes after an event that may not: noticed there. */
const insert = (kind: string, after: Partial<Step>, make: (before: Step) => Step): Corruption<Step> => ({
  kind,
  apply(steps) {
    const at = find(steps, after);
    return at === undefined ? undefined : { steps: steps.toSpliced(at + 1, 0, make(steps[at] as Step)), at: at + 1 };
  },
});

export const corruptions: readonly Corruption<Step>[] = [
  drop("a commit that was not forced", { action: "ForceCommit" }, ({ epoch = 1 }) => ({ action: "AckClient", epoch })),
  swap("a client told before the force", { action: "ForceCommit" }, { action: "AckClient" }),
  swap("a decision before the last vote", { action: "RecvVote" }, { action: "ForceCommit" }),
  drop("a delegation that was not forced", { action: "ForceDelegate" }, ({ epoch = 1 }) => ({ action: "SendPrepare", epoch })),
  drop("a vote that nobody cast", { action: "RecvPrepare", state: "prepared" }, ({ participant = "" }) => ({
    action: "RecvVote",
    participant,
  })),
  drop("an acknowledgement of nothing", { action: "RecvCommit" }, ({ participant = "" }) => ({ action: "RecvAck", participant })),
  drop("a loss that nobody told", { action: "RecvCommitLost" }, ({ participant = "" }) => ({ action: "RecvLost", participant })),
  swap("a record forgotten before the last acknowledgement", { action: "RecvAck", phase: "committing" }, { action: "Forget" }),
  lie("a vote that changes on its way", { action: "RecvVote", value: "yes" }, () => ({ value: "no" })),
  lie("a vote counted for another", { action: "RecvVote", value: "yes", phase: "preparing" }, () => ({ yes: [] })),
  lie("a client told the contrary", { action: "AckClient", value: "committed" }, () => ({ value: "aborted" })),
  lie("a commit that ends as an abort", { action: "RecvCommit" }, () => ({ state: "aborted" })),
  lie(
    "a promise forgotten in a crash",
    { action: "PartRecover", state: "prepared" },
    () => ({ state: "working" }),
    // It may have received the decision, and died before it could say so.
    (before, { participant }) =>
      before.some((step) => step.participant === participant && /SendDecision|AnswerInquiry/.test(step.action)),
  ),
  lie(
    "a record not found by the next coordinator",
    { action: "TakeOver", phase: "committing" },
    () => ({ phase: "unknown" }),
    // It may not have been forced, or be forgotten: what is found then is history.
    (before) => find(before, { action: "ForceCommit" }) === undefined || find(before, { action: "Forget" }) !== undefined,
  ),
  lie("an event of another epoch", { action: "ForceCommit" }, ({ epoch = 1 }) => ({ epoch: epoch + 1 })),
  insert("a decision sent with both outcomes", { action: "SendDecision", value: "committed" }, (sent) => ({
    ...sent,
    value: "aborted",
  })),
  insert("an abort after the commit", { action: "ForceCommit" }, ({ epoch = 1 }) => ({ action: "TimeoutAbort", epoch })),
  insert("a participant that decides in doubt", { action: "RecvPrepare", state: "prepared" }, ({ participant = "" }) => ({
    action: "RecvCommit",
    participant,
    state: "committed",
  })),
];

export const corrupt = (traces: readonly Trace[], countMax: number): readonly Corrupted<Trace>[] =>
  corruptEach(traces, corruptions, countMax);
