import type { TraceEvent } from "../../../../src/commit/core/trace.ts";
import { leftOutOf } from "./left-out.ts";

/**
 * The events of no more than so many transactions, and of all sessions: of those that most processes had to do with. A transaction shares nothing with
 * another but the log and the sessions, so the others can be left out.
 */
export function chosenEvents(events: readonly TraceEvent[], countMax: number): readonly TraceEvent[] {
  const left = leftOutOf(events);
  const processes = new Map<string, Set<string>>();
  for (const event of events) {
    if (!("transaction" in event) || left.has(event.transaction)) continue;
    const known = processes.get(event.transaction) ?? new Set();
    processes.set(event.transaction, known.add("instance" in event ? event.instance : `epoch ${event.epoch}`));
  }
  const byCount = [...processes].sort(([, a], [, b]) => b.size - a.size);
  const chosen = new Set(byCount.slice(0, countMax).map(([transaction]) => transaction));
  return events.filter((event) => !("transaction" in event) || chosen.has(event.transaction));
}
