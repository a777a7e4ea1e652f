import { atLines, type Corrupted, type Corruption, corruptEach } from "../corrupted.ts";
import type { Step, Trace } from "./steps.ts";

type Of<Action extends Step["action"]> = Extract<Step, { readonly action: Action }>;

const is = <Action extends Step["action"]>(step: Step | undefined, action: Action): step is Of<Action> => step?.action === action;

const { on, lie } = atLines<Step>();

/** A line comes before the one that it needs: noticed there. */
const early = <Action extends Step["action"]>(
  kind: string,
  action: Action,
  isNeeded: (step: Of<Action>, needed: Step) => boolean,
): Corruption<Step> =>
  on(kind, action, (step, steps, at) => {
    const needed = steps.findLastIndex((each, index) => index < at && isNeeded(step, each));
    return needed < 0 ? undefined : { steps: steps.toSpliced(at, 1).toSpliced(needed, 0, step), at: needed };
  });

/** A line is missing: noticed at the next one that needs it, if it is not there twice. */
const drop = <Action extends Step["action"]>(
  kind: string,
  action: Action,
  isNeededBy: (dropped: Of<Action>, step: Step) => boolean,
): Corruption<Step> =>
  on(kind, action, (step, steps, at) => {
    const left = steps.toSpliced(at, 1);
    const noticed = left.findIndex((each, index) => index >= at && isNeededBy(step, each));
    const isThere = (each: Step): boolean =>
      is(each, action) && "participant" in each && "participant" in step && "transaction" in each && "transaction" in step
        ? each.participant === step.participant && each.transaction === step.transaction
        : is(each, "PartCrash");
    return noticed < 0 || left.slice(0, noticed).some(isThere) ? undefined : { steps: left, at: noticed };
  });

/** A line comes that may not: noticed there. */
const insert = <Action extends Step["action"]>(
  kind: string,
  after: Action,
  make: (step: Of<Action>, before: readonly Step[]) => Step | undefined,
): Corruption<Step> =>
  on(kind, after, (step, steps, at) => {
    const made = make(step, steps.slice(0, at));
    return made && { steps: steps.toSpliced(at + 1, 0, made), at: at + 1 };
  });

const isOfSession = (one: { readonly participant: string; readonly session: number }, other: Step): boolean =>
  "session" in other && other.participant === one.participant && other.session === one.session;

const isOf = (one: { readonly transaction: string }, other: Step): boolean =>
  "transaction" in other && other.transaction === one.transaction;

const newestSession = (before: readonly Step[], participant: string): number =>
  before.reduce((max, step) => (is(step, "OpenSession") && step.participant === participant ? step.session : max), 1);

const runOfSession = (before: readonly Step[], participant: string, session: number): number =>
  before.find((step): step is Of<"OpenSession"> => is(step, "OpenSession") && isOfSession({ participant, session }, step))?.run ??
  1;

const claimed = (before: readonly Step[]): number => before.filter((step) => is(step, "Claim")).length + 1;

export const corruptions: readonly Corruption<Step>[] = [
  lie("a claim that takes an epoch twice", "Claim", (step) => ({ ...step, epoch: step.epoch - 1 })),
  lie("a session number that goes back", "OpenSession", (step) => ({ ...step, session: step.session - 1 })),
  lie("a session number that is left out", "OpenSession", (step) => ({ ...step, session: step.session + 1 })),
  insert("a session opened by a coordinator that was replaced", "Claim", ({ run }, before) => {
    const { participant } = before.find((step) => is(step, "OpenSession")) ?? {};
    if (participant === undefined) return undefined;
    return { action: "OpenSession", run: run - 1, participant, session: newestSession(before, participant) + 1 };
  }),
  early(
    "a Welcome before its number is durable",
    "Welcome",
    (step, needed) => is(needed, "OpenSession") && isOfSession(step, needed),
  ),
  lie("a Welcome by another than who has opened the session", "Welcome", (step) =>
    step.run > 2 ? { ...step, run: step.run - 1 } : undefined,
  ),
  insert("a Welcome in a session that was superseded", "Welcome", ({ run, participant, session }, before) => {
    const isOlder = (step: Step): boolean => is(step, "Welcome") && step.run === run && step.participant === participant;
    const older = before.findLast(isOlder);
    return older && is(older, "Welcome") && older.session < session ? older : undefined;
  }),
  early("a Welcome believed before it is said", "Admit", (step, needed) => is(needed, "Welcome") && isOfSession(step, needed)),
  lie("a claim remembered that was not told", "Admit", (step) => ({ ...step, run: step.run - 1 })),
  lie("a claim remembered with another epoch", "Admit", (step) => ({ ...step, epoch: step.epoch + 1 })),
  lie("a vote taken from an older session", "HearVote", (step) => ({ ...step, session: step.session - 1 })),
  lie("a vote that changes on its way", "HearVote", (step) => ({ ...step, value: step.value === "yes" ? "readonly" : "yes" })),
  drop(
    "a vote that nobody cast",
    "RecvPrepare",
    (dropped, step) => is(step, "HearVote") && isOf(dropped, step) && isOfSession(dropped, step),
  ),
  drop(
    "a vote counted that was not heard",
    "HearVote",
    (dropped, step) => is(step, "RecvVote") && isOf(dropped, step) && step.participant === dropped.participant,
  ),
  early("a commit before the last vote", "ForceCommit", (step, needed) => is(needed, "HearVote") && isOf(step, needed)),
  on("a commit written under an old fence", "ForceCommit", (_, steps, at) => {
    const run = claimed(steps.slice(0, at)) + 1;
    return { steps: steps.toSpliced(at, 0, { action: "Claim", run, epoch: run }), at: at + 1 };
  }),
  lie("a commit that names another voter", "ForceCommit", (step) => ({ ...step, voters: new Set() })),
  early("a decision told before it is durable", "Decided", (step, needed) => is(needed, "ForceCommit") && isOf(step, needed)),
  lie("a record taken up without a voter", "TakeUp", (step) => ({ ...step, voters: new Set() })),
  insert("an answer about a transaction that a successor has begun", "RecvPrepare", (step, before) => {
    const begin = before.find((each) => is(each, "Begin") && isOf(step, each));
    if (!is(begin, "Begin") || begin.run === 2 || step.value !== "yes") return undefined;
    const { participant, transaction } = step;
    return { action: "AnswerInquiry", run: begin.run - 1, participant, transaction, value: "aborted" };
  }),
  insert("a commit that is presumed aborted", "ForceCommit", ({ run, transaction, voters }) => {
    const [participant = ""] = voters;
    return { action: "AnswerInquiry", run, participant, transaction, value: "aborted" };
  }),
  insert("a coordinator that goes on when it knows that it was replaced", "Stop", ({ run }, before) => {
    const { parties } = before[0] as Of<"World">;
    const begun = new Set(before.flatMap((step) => (is(step, "Begin") ? [step.transaction] : [])));
    const transaction = Object.keys(parties).find((name) => !begun.has(name));
    return transaction === undefined ? undefined : { action: "Begin", run, transaction };
  }),
  lie("a decision heard from one that knows of none", "RecvCommit", (step, before) => {
    const session = step.session - 1;
    const ended = before.some((each) => is(each, "RecvCommit") && isOf(step, each) && each.participant === step.participant);
    const isOther = runOfSession(before, step.participant, session) !== runOfSession(before, step.participant, step.session);
    return isOther && !ended ? { ...step, session } : undefined;
  }),
  lie("a commit that ends as an abort", "RecvCommit", (step) => ({ ...step, action: "RecvAbort" })),
];

export const corruptSessions = (traces: readonly Trace[], countMax: number): readonly Corrupted<Trace>[] =>
  corruptEach(traces, corruptions, countMax);
