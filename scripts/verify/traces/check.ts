import type { Tlc } from "../tlc.ts";
import type { Step, Trace } from "./merge.ts";
import { lastLines, type Rejection, moduleText as recordedText, rejectedOf } from "./recorded.ts";

const invariants = [
  "TypeOK",
  "Agreement",
  "CommitValidity",
  "WriteAheadDecision",
  "WriteAheadVote",
  "WriteAheadAck",
  "AckHonest",
  "LostNeverForgotten",
  "CommitPointDurable",
  "NoStaleCommit",
  "PresumptionSound",
  "ForgetSafe",
  "ClientAckDurable",
  "Reached",
] as const;

/** What is rejected of these traces, and where. Throws if an invariant is violated on the way. */
export function checkTraces(tlc: Tlc, traces: readonly Trace[]): Promise<readonly Rejection<Trace>[]> {
  // A model has one set of participants.
  const groups = [...Map.groupBy(traces, ({ participantCount }) => participantCount).values()];
  return rejectedOf(tlc, (group) => ({ ...walker, config: configText(group) }), groups);
}

const walker = {
  module: "TraceTwoPhaseCommit",
  extended: ["AtomicCommit", "TwoPhaseCommit"],
  name: "Events",
  stepText: recordText,
} as const;

export const moduleText = (traces: readonly Trace[]): string => recordedText(walker, traces);

export const rejectionText = (rejection: Rejection<Trace>): string =>
  lastLines(walker, rejection.trace.transaction, rejection, 20);

/** In TLA+. */
export function recordText(step: Step): string {
  const fields = Object.entries(step).map(([name, value]) => `${name} |-> ${valueText(value)}`);
  return `[${fields.join(", ")}]`;
}

function valueText(value: Step[keyof Step]): string {
  if (Array.isArray(value)) return `{${value.map(valueText).join(", ")}}`;
  return JSON.stringify(value);
}

function configText(traces: readonly Trace[]): string {
  const steps = traces.flatMap((trace) => trace.steps);
  const crashes = traces.map((trace) => trace.steps.filter(({ action }) => action === "PartCrash").length);
  const names = Array.from({ length: traces[0]?.participantCount ?? 0 }, (_, index) => `"p${index + 1}"`);
  // The last epoch does not crash, so there is one more.
  const maxEpoch = steps.reduce((max, { epoch = 1 }) => Math.max(max, epoch), 1) + 1;
  return `CONSTANTS
  Participants = {${names.join(", ")}}
  MaxEpoch = ${maxEpoch}
  MaxPartCrash = ${Math.max(1, ...crashes)}
  MaxLoss = 0
  May = {"no", "readonly", "timeout", "clientAbort", "losePromise"}
SPECIFICATION TraceSpec
INVARIANTS
  ${invariants.join(" ")}
CHECK_DEADLOCK FALSE
`;
}
