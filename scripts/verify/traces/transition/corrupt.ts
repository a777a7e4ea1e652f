import { type Corrupted, type Corruption, corruptEach } from "../corrupted.ts";
import type { Step, Trace } from "../merge.ts";

/** Of the manager. */
const isOwn =
  (action: string, wanted: Partial<Step> = {}) =>
  (step: Step): boolean =>
    step.action === action &&
    step.participant === "m" &&
    Object.entries(wanted).every(([field, value]) => step[field as keyof Step] === value);

/** An event of the manager is false: noticed there. */
const lie = (kind: string, is: (step: Step) => boolean, change: (step: Step) => Step): Corruption<Step> => ({
  kind,
  apply(steps) {
    const at = steps.findIndex(is);
    const step = steps[at];
    return step && { steps: steps.with(at, change(step)), at };
  },
});

/** An event is missing: noticed at the first one that needs it. */
const drop = (kind: string, is: (step: Step) => boolean, needs: (step: Step) => boolean): Corruption<Step> => ({
  kind,
  apply(steps) {
    const at = steps.findIndex(is);
    const left = steps.toSpliced(at, 1);
    const noticed = left.findIndex((step, index) => index >= at && needs(step));
    return at < 0 || noticed < 0 ? undefined : { steps: left, at: noticed };
  },
});

/** An event comes before the last one that it needs: noticed there. */
const early = (kind: string, is: (step: Step) => boolean, needed: (step: Step) => boolean): Corruption<Step> => ({
  kind,
  apply(steps) {
    const at = steps.findIndex(is);
    const before = steps.findLastIndex((step, index) => index < at && needed(step));
    const step = steps[at];
    return !step || before < 0 ? undefined : { steps: steps.toSpliced(at, 1).toSpliced(before, 0, step), at: before };
  },
});

/** An event comes that may not: noticed there. */
const insert = (kind: string, after: (step: Step) => boolean, make: Step): Corruption<Step> => ({
  kind,
  apply(steps) {
    const at = steps.findIndex(after) + 1;
    return at === 0 ? undefined : { steps: steps.toSpliced(at, 0, { ...make, participant: "m" }), at };
  },
});

const held = isOwn("Hold");
const voted = isOwn("RecvPrepare", { state: "prepared" });
const refused = isOwn("RecvPrepare", { state: "refused" });
const committed = isOwn("Committed");
const released = isOwn("Released");
const less = (step: Step): Step => ({ ...step, count: (step.count ?? 0) - 1 });

export const corruptions: readonly Corruption<Step>[] = [
  drop("a yes without a hold", held, voted),
  early("a yes before the hold", voted, held),
  early("a hold before it is asked for", held, isOwn("SendPrepare")),
  lie("workflows held in part", held, less),
  insert("a hold of what was refused", refused, { action: "Hold", count: 1 }),
  lie("a hold that says no", voted, (step) => ({ ...step, state: "refused" })),
  drop(
    "a commit that was not decided",
    ({ action }) => action === "ForceCommit",
    ({ action }) => action === "AckClient" || action === "SendDecision",
  ),
  early("a move before its decision comes", committed, isOwn("SendDecision")),
  lie("workflows moved in part", committed, less),
  lie("a commit carried out as a release", committed, () => ({ action: "Released", participant: "m" })),
  insert("a move of what is to be released", isOwn("SendDecision", { value: "aborted" }), { action: "Committed", count: 1 }),
  insert("a promise released unasked", voted, { action: "Released" }),
  insert("a move made twice", committed, { action: "Committed", count: 1 }),
  drop("a move acknowledged that was not made", committed, isOwn("RecvCommit")),
  {
    kind: "a release acknowledged that was not made",
    // Of what is held; and who was told before has ended it before.
    apply: (steps) =>
      steps.some(held)
        ? drop("", released, (step) => /RecvAbort/.test(step.action) && step.participant === "m").apply(steps)
        : undefined,
  },
  lie("a hold forgotten in a crash", isOwn("PartRecover", { state: "prepared" }), (step) => ({ ...step, state: "working" })),
  insert("a question about what has ended", committed, { action: "Inquire", state: "committed" }),
];

export const corruptTransitions = (traces: readonly Trace[], countMax: number): readonly Corrupted<Trace>[] =>
  corruptEach(traces, corruptions, countMax);
