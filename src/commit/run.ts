import type { RequestId, TransactionId } from "../kernel/ids.ts";
import { type Origin, originFields } from "../kernel/origin.ts";
import type { RequestKey } from "../kernel/request-key.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import type { SeldomLog } from "../kernel/seldom.ts";
import type { Span } from "../kernel/spans.ts";
import type { DurationMs } from "../kernel/time.ts";
import { isUsedUp } from "./budgets.ts";
import { stepCoordinator } from "./core/coordinator.ts";
import type { CoordinatorInput, Refusal, Step } from "./core/coordinator-step.ts";
import type { Moment, Transaction } from "./core/types.ts";
import { type CoordinatorEnd, type EndSignal, orEnd } from "./ends.ts";
import { type Environment, momentOf } from "./environment.ts";
import { type Charged, characterBytes } from "./footprint.ts";
import { mailboxBounds, requestCountMax, timelineCountMax, timelineCountMin } from "./limits.ts";
import type { Mailbox } from "./mailbox.ts";
import type { Share } from "./shares.ts";
import { inputLine, type Timeline, type TimelineEntry, withEntry } from "./timeline.ts";
import type { Answer, ExecuteFailure, VerbRefusal } from "./verbs.ts";

/** A transaction that is not over, or whose end is not in the log yet. Each has a mailbox, and none waits for another. */
export type Run = {
  /** As the last step left it. */
  core: Transaction;
  timeline: Timeline;
  /** Of `Runs.bytes`. */
  charged: Charged;
  /** Of the address that began it, while it is undecided. What was taken over belongs to nobody. */
  share: Share | undefined;
  /** Of the call that began it, and of no verb: one id finds all its lines. What was taken over has none. */
  readonly origin: Origin | undefined;
  /** What each log line about it says. */
  readonly about: About;
  /** While a trace is written down: of what participants are asked and have not answered. */
  spans: Map<string, Span> | undefined;
  /** When the phase of `view` began, on the monotonic clock. */
  phaseSinceMs: DurationMs;
  /** As others may see it: what was forced is durable. */
  view: Transaction;
  readonly mailbox: Mailbox<Envelope>;
  readonly timers: Map<string, () => void>;
  /** Callers that wait for the decision. */
  readonly waiters: Set<(answer: Answer) => void>;
  /** Request ids of verbs on it, with their digests. */
  readonly requests: Map<RequestId, string>;
  /** Verbs whose step has not ended. */
  readonly verbs: Set<(answer: VerbAnswer) => void>;
  readonly watchers: Set<() => void>;
  /** Everything that waits for this run hangs on it. */
  readonly ended: EndSignal<RunEnd>;
  readonly end: (why: RunEnd) => void;
};

type About = { readonly transaction: TransactionId; readonly request?: string; readonly trace?: string };

export const aboutOf = (transaction: TransactionId, origin: Origin | undefined): About => ({
  transaction,
  ...originFields(origin),
});

/** Why nothing more is done for a transaction here. "over": its end is in the log. */
export type RunEnd = CoordinatorEnd | Extract<ExecuteFailure, { readonly type: "defect" }> | { readonly type: "over" };

export type VerbAnswer = Result<Transaction, ExecuteFailure | VerbRefusal>;

export type Envelope = {
  readonly step: (transaction: Transaction) => Step;
  readonly refuse: Refuse | undefined;
  /** After the effects of the step. */
  readonly done?: () => void;
};

export type Refuse = (reason: string, code: Refusal["code"]) => void;

/** An input without what every input carries. */
export type Event = CoordinatorInput extends infer Input ? (Input extends Moment ? Omit<Input, keyof Moment> : never) : never;

export function note(environment: Environment, run: Run, line: Omit<TimelineEntry, "atMs">): void {
  const countMax = isUsedUp(environment, run.share) ? timelineCountMin : timelineCountMax;
  run.timeline = withEntry(run.timeline, { atMs: environment.clock.nowMs(), ...line }, countMax);
}

/** With a log for what participants can cause as often as they like. */
export type Surroundings = Environment & { readonly seldom: SeldomLog };

export function post(surroundings: Surroundings, run: Run, event: Event, refuse?: Refuse): void {
  const step = stepOf(surroundings, run, event);
  // What a participant says can be lost; timers and connections cannot.
  const posted = run.mailbox.post({ step, refuse }, refuse && mailboxBounds, eventBytes(event));
  if (posted) return;
  if (run.ended.reason?.type === "defect") refuse?.(defectText, "message");
  else if (!run.ended.aborted) surroundings.seldom.warn(run.core.id, { ...run.about, input: event.type }, "input lost");
}

/** As far as a participant chooses them. */
const eventBytes = (event: Event): number => ("reason" in event ? characterBytes * event.reason.length : 0);

const defectText =
  "a defect of the coordinator has ended this transaction's run: its log has the cause, a restart takes it up again";

/** What nobody foresaw has happened to a step or its effects. This run ends and all the others go on. */
export function endByDefect({ logger }: Environment, run: Run, error: unknown, dropped: readonly Envelope[]): void {
  const { id: transactionId } = run.core;
  logger.error({ ...run.about, err: error }, "a defect: nothing more is done for this transaction before a restart");
  run.end({ type: "defect", transactionId });
  for (const { refuse } of dropped) refuse?.(defectText, "message");
}

const stepOf =
  (environment: Environment, run: Run, event: Event) =>
  (transaction: Transaction): Step => {
    const input = { ...event, ...momentOf(environment) };
    const line = inputLine(input);
    const step = stepCoordinator(transaction, input, environment.trace !== undefined);
    // What is refused, or repeated, is not an event.
    if (line && (step.transaction !== transaction || event.type === "retry")) note(environment, run, line);
    return step;
  };

/** One verb. */
export const ask = (environment: Environment, run: Run, event: Event): Promise<VerbAnswer | RunEnd> =>
  withRun(run, (settle) => {
    let refused: Refusal | undefined;
    run.mailbox.post({
      step: stepOf(environment, run, event),
      refuse: (reason, code) => {
        refused = { reason, code };
      },
      done: () => settle(refused ? err({ type: "refused", transaction: run.view, refusal: refused }) : ok(run.view)),
    });
  });

/** Settled by `start`, else when the run has ended or cannot be written. */
export const withRun = (run: Run, start: (settle: (answer: VerbAnswer) => void) => void): Promise<VerbAnswer | RunEnd> =>
  orEnd<VerbAnswer, RunEnd>(run.ended, (settle) => {
    run.verbs.add(settle);
    start(settle);
    return () => run.verbs.delete(settle);
  });

/** True if the id came with another request before. Whether it did the same, the transaction itself tells. */
export function isMisused({ requests }: Run, request: RequestKey | undefined): boolean {
  if (!request) return false;
  const earlier = requests.get(request.id);
  if (earlier === undefined && requests.size < requestCountMax) requests.set(request.id, request.digest);
  return earlier !== undefined && earlier !== request.digest;
}

export function answer(run: Run, result: Answer): void {
  for (const settle of [...run.waiters]) settle(result);
}

/** The log does not take what the run is waiting for. */
export function cannotWrite(run: Run): void {
  const failure = err({ type: "storage-unavailable", transactionId: run.core.id } as const);
  for (const settle of [...run.waiters, ...run.verbs]) settle(failure);
}
