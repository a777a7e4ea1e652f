import { unreachable } from "../../kernel/assert.ts";
import type { DurationMs } from "../../kernel/time.ts";
import type { Coordinator } from "../ports.ts";

/** Why something is not waited for any longer: the reason of every AbortSignal here. */
export type End =
  /** The participant has closed. */
  | { readonly type: "closed" }
  /** The coordinator did not say Welcome in time. */
  | { readonly type: "not-welcomed"; readonly afterMs: DurationMs }
  /** A newer process owns the coordinator's log. */
  | { readonly type: "replaced"; readonly coordinator: Coordinator }
  /** Nothing was heard of the coordinator for its session timeout. */
  | { readonly type: "silence"; readonly silentMs: DurationMs };

export function describeEnd(end: End): string {
  switch (end.type) {
    case "closed":
      return "the participant has closed";
    case "not-welcomed":
      return `no Welcome within ${end.afterMs} ms`;
    case "replaced":
      return `coordinator "${end.coordinator.coordinatorId}" with epoch ${end.coordinator.coordinatorEpoch} was replaced by a newer one`;
    case "silence":
      return `nothing was heard for ${end.silentMs} ms`;
    default:
      return unreachable(end);
  }
}
