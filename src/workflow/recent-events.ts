import { assert } from "../kernel/assert.ts";
import type { WorkflowEvent } from "./core/types.ts";

/** The newest events in memory, without a gap. Older ones are in the store. */
export type RecentEvents = {
  /** The sequence of the newest. */
  readonly newest: number;
  at(sequence: number): WorkflowEvent | undefined;
  add(event: WorkflowEvent): void;
  /** Forgets them all; the next one comes after this. */
  restart(afterSequence: number): void;
};

export type RecentBounds = { readonly countMax: number; readonly bytesMax: number };

export function createRecentEvents({ countMax, bytesMax }: RecentBounds): RecentEvents {
  let kept: { readonly event: WorkflowEvent; readonly bytes: number }[] = [];
  let bytes = 0;
  let newest = 0;
  return {
    get newest() {
      return newest;
    },
    at: (sequence) => kept[kept.length - 1 - (newest - sequence)]?.event,
    add: (event) => {
      assert(event.sequence === newest + 1, "NoEventSkipped");
      newest = event.sequence;
      const added = { event, bytes: bytesOf(event) };
      kept.push(added);
      bytes += added.bytes;
      while (kept.length > countMax || bytes > bytesMax) bytes -= kept.shift()?.bytes ?? 0;
    },
    restart: (afterSequence) => {
      kept = [];
      bytes = 0;
      newest = afterSequence;
    },
  };
}

/** Besides its texts, an event has a few hundred bytes. */
const bytesOf = ({ metadata, metadataPatch = {}, reason, warnings }: WorkflowEvent): number =>
  JSON.stringify(metadata).length +
  JSON.stringify(metadataPatch).length +
  reason.length +
  warnings.first.reduce((sum, { message }) => sum + message.length + 200, 500);
