import { unreachable } from "../../kernel/assert.ts";
import type { DurationMs } from "../../kernel/time.ts";

/** Why something is not waited for any longer: the reason of every AbortSignal here. */
export type End =
  /** The participant has closed. */
  | { readonly type: "closed" }
  /** The coordinator did not say Welcome in time. */
  | { readonly type: "not-welcomed"; readonly afterMs: DurationMs }
  /** The coordinator is not believed, and had a moment to read why. */
  | { readonly type: "not-believed"; readonly coordinatorId: string }
  /** Nothing was heard of the coordinator for its session timeout. */
  | { readonly type: "silence"; readonly silentMs: DurationMs };

export function describeEnd(end: End): string {
  switch (end.type) {
    case "closed":
      return "the participant has closed";
    case "not-welcomed":
      return `no Welcome within ${end.afterMs} ms`;
    case "not-believed":
      return `coordinator "${end.coordinatorId}" is not believed`;
    case "silence":
      return `nothing was heard for ${end.silentMs} ms`;
    default:
      return unreachable(end);
  }
}
