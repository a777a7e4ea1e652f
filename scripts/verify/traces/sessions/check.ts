import type { Tlc } from "../../tlc.ts";
import { tlaText } from "../manager/check.ts";
import { lastLines, type Rejection, rejectedOf } from "../recorded.ts";
import type { Step, Trace } from "./steps.ts";

const invariants = [
  "TypeOK",
  "Agreement",
  "PresumptionSound",
  "CommitValidity",
  "ClaimDurable",
  "WriteAheadDecision",
  "WriteAheadVote",
  "SessionNumbersUnique",
  "NewestSessionWins",
  "SessionDurable",
  "Reached",
] as const;

/** What each step must be; of the others that Sessions has, what stands in this module otherwise is no step. */
const properties = ["FenceGrows", "OwnerWrites", "HeardInSession", "SeenGrows", "BelievedTruly"] as const;

const walker = {
  module: "TraceSessions",
  extended: ["AtomicCommit", "Sessions"],
  name: "Lines",
  stepText: (step: Step) => tlaText(step),
} as const;

/** Of which one run takes some seconds. */
const groupSize = 25;

/** What is rejected of these traces, and where. Throws if an invariant is violated on the way. */
export function checkSessionTraces(tlc: Tlc, traces: readonly Trace[]): Promise<readonly Rejection<Trace>[]> {
  // What a step costs is the size of the largest state: like with like.
  const bySize = traces.toSorted((a, b) => sizeOf(a) - sizeOf(b));
  const groups = Map.groupBy(bySize.entries(), ([index]) => Math.floor(index / groupSize));
  return rejectedOf(
    tlc,
    (group) => ({ ...walker, config: configText(group) }),
    [...groups.values()].map((group) => group.map(([, trace]) => trace)),
  );
}

const numbersOf = ({ steps }: Trace, field: "run" | "session"): readonly number[] =>
  steps.map((step) => (field in step ? Number(step[field as keyof Step]) : 1));

const largest = (numbers: readonly number[]): number => numbers.reduce((max, number) => Math.max(max, number), 1);

/** Of a state: what was claimed, and what was opened. */
export const sizeOf = (trace: Trace): number => largest(numbersOf(trace, "run")) + largest(numbersOf(trace, "session"));

export const rejectionText = (rejection: Rejection<Trace>): string => lastLines(walker, rejection.trace.name, rejection, 20);

function configText(traces: readonly Trace[]): string {
  const text = JSON.stringify(traces, (_, value) => (value instanceof Set ? [...value] : value));
  const names = (prefix: string): string => {
    const count = largest([...text.matchAll(new RegExp(`"${prefix}(\\d+)"`, "g"))].map(([, digits]) => Number(digits)));
    return Array.from({ length: count }, (_, index) => `"${prefix}${index + 1}"`).join(", ");
  };
  const crashes = traces.map(({ steps }) => steps.filter(({ action }) => action === "PartCrash").length);
  return `CONSTANTS
  Transactions = {${names("t")}}
  Participants = {${names("p")}}
  MaxRun = ${largest(traces.flatMap((trace) => numbersOf(trace, "run")))}
  MaxStream = ${largest(traces.flatMap((trace) => numbersOf(trace, "session")))}
  MaxPartCrash = ${largest(crashes)}
  May = {"readonly"}
  AllVoted <- AllAskedVoted
  Symmetry <- NoSymmetry
SPECIFICATION TraceSpec
INVARIANTS
  ${invariants.join(" ")}
PROPERTIES
  ${properties.join(" ")}

CHECK_DEADLOCK FALSE
`;
}
