import type { TraceEvent } from "../../../../src/commit/core/trace.ts";
import type { Check } from "../../check.ts";
import type { Tlc } from "../../tlc.ts";
import { checkCorrupted } from "../corrupted.ts";
import { checkSessionTraces, rejectionText, sizeOf } from "./check.ts";
import { chosenEvents } from "./chosen.ts";
import { recordSessions } from "./collect.ts";
import { corruptions, corruptSessions } from "./corrupt.ts";
import { type Merged, mergeSessions } from "./merge.ts";
import { actions, type Step, type Trace } from "./steps.ts";

/** Enough for every line many times, in half a minute; of the server, those transactions that most processes had to do with. */
const traced = { worlds: 70, serverTransactions: 16, eachCorruption: 2 } as const;

/** What is larger takes as long as all others together: the log is claimed, or a participant connects, every moment. */
const sizeMax = 20;

/** What happens around the cores in simulated worlds, and around those of a real server, held against specs/Sessions.tla; and the same with one thing false in it. */
export async function traceSessions(tlc: Tlc, served: readonly TraceEvent[]): Promise<readonly Check[]> {
  const recorded = await recordSessions(Array.from({ length: traced.worlds }, (_, index) => index + 1));
  const walked = recorded.filter(({ trace }) => sizeOf(trace) <= sizeMax);
  const server = mergeSessions("the server", chosenEvents(served, traced.serverTransactions));
  const traces = [...walked, server].map(({ trace }) => trace);
  const corrupted = corruptSessions(traces, traced.eachCorruption);
  const rejections = await checkSessionTraces(tlc, [...traces, ...corrupted]);
  const rejectedOf = (some: readonly Trace[]): readonly string[] =>
    rejections.filter(({ trace }) => some.includes(trace)).map(rejectionText);

  const counts = countsOf(traces.flatMap(({ steps }) => steps));
  const never = actions.filter((action) => counts.get(action) === 0).map((action) => `${action} never happened`);
  return [
    {
      name: "traces of sessions",
      problems: [...rejectedOf(walked.map(({ trace }) => trace)), ...never],
      remark: `${walked.length} of ${traced.worlds} worlds, ${totals(walked)}; all lines: ${[...counts].map(([action, count]) => `${action} ${count}`).join(", ")}`,
    },
    { name: "traces of the server's sessions", problems: rejectedOf([server.trace]), remark: totals([server]) },
    checkCorrupted("corrupted traces of sessions", corrupted, { corruptions, rejections, nameOf: (trace) => trace.name }),
  ];
}

function countsOf(steps: readonly Step[]): ReadonlyMap<Step["action"], number> {
  const counts = new Map(actions.map((action) => [action, 0]));
  for (const { action } of steps) counts.set(action, (counts.get(action) ?? 0) + 1);
  return counts;
}

function totals(merged: readonly Merged[]): string {
  const transactions = merged.reduce((sum, each) => sum + each.transactions, 0);
  const lines = merged.reduce((sum, { trace }) => sum + trace.steps.length, 0);
  const left = new Map<string, number>();
  for (const [why, count] of merged.flatMap(({ leftOut }) => [...leftOut])) left.set(why, (left.get(why) ?? 0) + count);
  const reasons = [...left].map(([why, count]) => `${count} ${why}`).join(", ");
  return `${transactions} transactions, ${lines.toLocaleString("en")} lines; left out: ${reasons || "none"}`;
}
