import type { Tlc } from "../../tlc.ts";
import { recordText } from "../check.ts";
import type { Trace } from "../merge.ts";
import { lastLines, type Rejection, rejectedOf } from "../recorded.ts";

const invariants = [
  "TypeOK",
  "InTransitionIffPrepared",
  "CommittedMovesOnce",
  "AbortedMovesNothing",
  "CommitAgreement",
  "WorkflowConsistency",
  "Reached",
] as const;

const walker = {
  module: "TraceAtomicTransition",
  extended: ["AtomicCommit", "TwoPhaseCommit", "WorkflowManager", "AtomicTransition", "TraceTwoPhaseCommit"],
  name: "Events",
  stepText: recordText,
} as const;

/** What is rejected of these traces, and where. Throws if an invariant is violated on the way. */
export function checkTransitions(tlc: Tlc, traces: readonly Trace[]): Promise<readonly Rejection<Trace>[]> {
  // A model has one set of participants.
  const groups = [...Map.groupBy(traces, ({ participantCount }) => participantCount).values()];
  return rejectedOf(tlc, (group) => ({ ...walker, config: configText(group) }), groups);
}

export const rejectionText = (rejection: Rejection<Trace>): string =>
  lastLines(walker, rejection.trace.transaction, rejection, 20);

function configText(traces: readonly Trace[]): string {
  const steps = traces.flatMap((trace) => trace.steps);
  const names = (prefix: string, count: number): string =>
    Array.from({ length: count }, (_, index) => `"${prefix}${index + 1}"`).join(", ");
  const workflows = steps.reduce((max, { on = [] }) => Math.max(max, on.length), 1);
  const crashes = (isManager: boolean): number =>
    traces.reduce((max, trace) => {
      const own = trace.steps.filter(({ action, participant }) => action === "PartCrash" && (participant === "m") === isManager);
      return Math.max(max, own.length);
    }, 1);
  return `CONSTANTS
  Manager = "m"
  Others = {${names("p", (traces[0]?.participantCount ?? 1) - 1)}}
  Transition = "r1"
  Requests = {"r1"}
  Workflows = {${names("w", workflows)}}
  Watchers = {}
  Targets = {"COMPLETED"}
  Expected = {0}
  StartStates = {"ACTIVE"}
  MaxWorkflows = ${workflows}
  MaxTogether = ${workflows}
  MaxTries = 1
  MaxRevision = 0
  MaxEpoch = ${steps.reduce((max, { epoch = 1 }) => Math.max(max, epoch), 1) + 1}
  MaxOtherCrash = ${crashes(false) * ((traces[0]?.participantCount ?? 1) - 1)}
  MaxCrash = ${crashes(true)}
  May = {"no", "readonly", "timeout", "clientAbort"}
  EngineFails = TRUE
SPECIFICATION TraceSpec
INVARIANTS
  ${invariants.join(" ")}
CHECK_DEADLOCK FALSE
`;
}
