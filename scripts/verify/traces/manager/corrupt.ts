import { atLines, type Corrupted, type Corruption, corruptEach } from "../corrupted.ts";
import type { Step, Trace } from "./steps.ts";

type Of<Action extends Step["action"]> = Extract<Step, { readonly action: Action }>;

const { on, lie } = atLines<Step>();

/** A line is missing: noticed at the next line that it takes to be there. */
const drop = <Action extends Step["action"]>(
  kind: string,
  action: Action,
  needs: (dropped: Of<Action>, step: Step) => boolean,
  isExcused: (dropped: Of<Action>, between: readonly Step[]) => boolean = () => false,
): Corruption<Step> =>
  on(kind, action, (step, steps, at) => {
    const left = steps.toSpliced(at, 1);
    const noticed = left.findIndex((each, index) => index >= at && needs(step, each));
    return noticed < 0 || isExcused(step, left.slice(0, noticed)) ? undefined : { steps: left, at: noticed };
  });

/** A line comes that may not: noticed there. */
const insert = <Action extends Step["action"]>(
  kind: string,
  after: Action,
  make: (step: Of<Action>, steps: readonly Step[], at: number) => readonly Step[] | undefined,
): Corruption<Step> =>
  on(kind, after, (step, steps, at) => {
    const made = make(step, steps, at);
    return made && { steps: steps.toSpliced(at + 1, 0, ...made), at: at + made.length };
  });

const bodyOf = (steps: readonly Step[], request: string) =>
  steps.find((step): step is Of<"Submit"> => step.action === "Submit" && step.request === request)?.body;

const touches = (step: Step, workflow: string): boolean =>
  "after" in step && step.after.some((after) => after.workflow === workflow);

const isAllowed = (before: readonly Step[], workflow: string, revision: number): boolean =>
  before.some(
    (step) => step.action === "Ask" && step.verdict === "allowed" && step.workflow === workflow && step.revision === revision,
  );

const moves = ["move", "recover", "update", "batch"];

export const corruptions: readonly Corruption<Step>[] = [
  on("a change that was not written", "Write", ({ request, after }, steps, at) => {
    const left = steps.toSpliced(at, 1);
    const noticed = left.findIndex((step, index) => index >= at && step.action === "Answer" && step.request === request);
    // Whoever has changed it since has noticed before, and so has who was refused.
    const isNoticed = left
      .slice(at, noticed)
      .some((step) => step.action === "Answer" || after.some(({ workflow }) => touches(step, workflow)));
    return noticed < 0 || isNoticed ? undefined : { steps: left, at: noticed };
  }),
  on("an answer before the write", "Write", ({ request }, steps, at) => {
    const answer = steps.findIndex((step, index) => index > at && step.action === "Answer" && step.request === request);
    const told = steps[answer];
    const again = steps.slice(at, answer).some((step) => step.action === "Submit" && step.request === request);
    if (told?.action !== "Answer" || again) return undefined;
    return { steps: steps.toSpliced(answer, 1).toSpliced(at, 0, told), at };
  }),
  lie("a revision that has allowed nothing", "Write", (step, before) => {
    const changed = step.events.map((event) => (moves.includes(event.kind) ? { ...event, revision: event.revision + 2 } : event));
    const isSaid = changed.some(({ workflow, revision }) => isAllowed(before, workflow, revision));
    return isSaid || !step.events.some(({ kind }) => moves.includes(kind)) ? undefined : { ...step, events: changed };
  }),
  lie("an event without a version", "Write", (step) => ({
    ...step,
    events: step.events.map((event) => ({ ...event, version: event.version - 1 })),
  })),
  lie("a workflow that is not what its event says", "Write", (step) => ({
    ...step,
    after: step.after.map((after) => ({ ...after, state: after.state === "PAUSED" ? "ACTIVE" : "PAUSED" })),
  })),
  lie("a batch done in part", "Write", (step) =>
    step.after.length < 2 ? undefined : { ...step, events: step.events.slice(1), after: step.after.slice(1) },
  ),
  insert("a request carried out twice", "Write", (step) => [step]),
  on("a version that was not the expected one", "Write", ({ request }, steps, at) => {
    const submit = steps.findIndex((step) => step.action === "Submit" && step.request === request);
    const body = bodyOf(steps, request);
    if (!body || !moves.includes(body.kind) || body.kind === "batch") return undefined;
    // What was refused on the way might have been refused otherwise.
    if (steps.slice(submit, at).some((step) => step.action === "Answer" && step.request === request)) return undefined;
    const wrong = { ...body, expected: body.expected + 7 };
    const resaid = steps.map((step) => (step.action === "Submit" && step.request === request ? { ...step, body: wrong } : step));
    return { steps: resaid, at };
  }),
  on("a recovery of what has not failed", "Write", ({ request, events }, steps, at) => {
    const body = bodyOf(steps, request);
    if (body?.kind !== "move" || body.to !== "ACTIVE" || events[0]?.from === "FAILED") return undefined;
    if (steps.slice(0, at).some((step) => step.action === "Answer" && step.request === request)) return undefined;
    const resaid = steps.map((step): Step => {
      if (step.action === "Submit" && step.request === request) return { ...step, body: { ...body, kind: "recover" } };
      if (step.action === "Write" && step.request === request) {
        return { ...step, events: events.map((event) => ({ ...event, kind: "recover" })) };
      }
      return step;
    });
    return { steps: resaid, at };
  }),
  on("a consent that was a denial", "Ask", ({ workflow, version, to, revision, verdict }, steps, at) => {
    const isIt = (step: Step): boolean =>
      step.action === "Ask" &&
      step.workflow === workflow &&
      step.version === version &&
      step.to === to &&
      step.revision === revision;
    const write = steps.findIndex(
      (step, index) =>
        index > at &&
        step.action === "Write" &&
        step.events.some(
          (event) =>
            event.workflow === workflow &&
            event.version === version + 1 &&
            event.to === to &&
            event.revision === revision &&
            moves.includes(event.kind),
        ),
    );
    if (verdict !== "allowed" || write < 0) return undefined;
    return { steps: steps.map((step) => (isIt(step) ? ({ ...step, verdict: "denied" } as Step) : step)), at: write };
  }),
  drop(
    "a promise that is not kept anywhere",
    "Hold",
    ({ request }, step) => step.action === "Vote" && step.request === request,
    (_, before) => before.slice(-20).some((step) => step.action === "Answer" && step.code === "IN_TRANSITION"),
  ),
  lie("a promise of another move", "Hold", (step) => ({ ...step, to: step.to === "PAUSED" ? "FAILED" : "PAUSED" })),
  lie("a promise of which nothing was asked", "Hold", (step, before) =>
    step.after.some(({ workflow }) => isAllowed(before, workflow, step.revision + 2))
      ? undefined
      : { ...step, revision: step.revision + 2 },
  ),
  on("a hold that commits on an abort", "Commit", ({ request }, steps, at) => ({
    steps: steps.map((step) =>
      step.action === "Decide" && step.request === request ? ({ ...step, value: "abort" } as const) : step,
    ),
    at,
  })),
  drop(
    "a commit that nobody decided",
    "Decide",
    ({ request, value }, step) => value === "commit" && step.action === "Commit" && step.request === request,
  ),
  on("a hold that is released without a decision", "Hold", ({ request }, steps, at) => {
    const decide = steps.findIndex((step) => step.action === "Decide" && step.request === request && step.value === "abort");
    const release = steps.findIndex((step) => step.action === "Release" && step.request === request);
    return decide < at || release < decide ? undefined : { steps: steps.toSpliced(decide, 1), at: release - 1 };
  }),
  insert("a change of what is held", "Hold", ({ after }, steps, at) => {
    const held = after[0];
    if (held === undefined) return undefined;
    const request = `r${new Set(steps.flatMap((step) => ("request" in step ? [step.request] : []))).size + 1}`;
    const { workflow, version, state } = held;
    const revision = 1;
    const body = { kind: "update", on: new Set([workflow]), to: "none", expected: 0, due: "none" };
    const due = dueOf(steps.slice(0, at), workflow);
    const event = { workflow, from: state, to: state, version: version + 1, request, kind: "update", revision, due };
    return [
      { action: "Submit", request, body },
      { action: "Ask", workflow, from: state, version, to: state, verdict: "allowed", revision },
      { action: "Write", request, events: [event], after: [{ workflow, state, version: version + 1, held: "none" }] },
    ];
  }),
  insert("a hold that commits twice", "Commit", (step) => [step]),
  lie("an acknowledgement of the contrary", "Acknowledge", (step) => ({
    ...step,
    value: step.value === "commit" ? "abort" : "commit",
  })),
  lie("a success that is told as a refusal", "Answer", (step, before) =>
    step.code !== "OK" || bodyOf(before, step.request)?.kind === "recover" ? undefined : { ...step, code: "NOT_FAILED" },
  ),
  lie("a refusal that is told as a success", "Answer", (step) =>
    step.code === "OK" || step.code === "TRANSACTION_ABORTED" ? undefined : { ...step, code: "OK" },
  ),
  lie("a refusal for no reason", "Answer", (step, before) => {
    const isRaced = ["OK", "TRANSACTION_ABORTED", "WORKFLOW_LIMIT_REACHED"].includes(step.code);
    return isRaced || bodyOf(before, step.request) === undefined ? undefined : { ...step, code: "WORKFLOW_LIMIT_REACHED" };
  }),
  insert("a purge of what has not ended", "Write", ({ after }) => {
    const alive = after.find(({ state }) => !["COMPLETED", "CANCELLED"].includes(state));
    return alive && [{ action: "Purge", workflow: alive.workflow }];
  }),
  lie("a deadline that moves elsewhere", "Fire", (step) => {
    const [event] = step.events;
    if (event?.kind !== "deadline") return undefined;
    const to = event.to === "FAILED" ? "CANCELLED" : "FAILED";
    return { ...step, events: [{ ...event, to }], after: step.after.map((after) => ({ ...after, state: to })) };
  }),
  insert("a deadline that is met twice", "Fire", (step) => [step]),
];

function dueOf(before: readonly Step[], workflow: string) {
  const events = before.flatMap((step) => ("events" in step ? step.events : []));
  return events.findLast((event) => event.workflow === workflow)?.due ?? { to: "none", set: 0 };
}

export const corruptManager = (traces: readonly Trace[], countMax: number): readonly Corrupted<Trace>[] =>
  corruptEach(traces, corruptions, countMax);
