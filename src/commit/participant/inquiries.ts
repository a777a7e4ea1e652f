import { backoffMs } from "../../kernel/backoff.ts";
import { repeatedly } from "../ends.ts";
import { inquiryAfterMs, inquiryIntervalMs } from "../limits.ts";
import type { Boxes } from "./boxes.ts";
import type { Context } from "./context.ts";
import { isOpen, type Link } from "./link.ts";

/** Asks about what stays in doubt. Resolves when the participant has closed. */
export function inquireRegularly(context: Context, boxes: Boxes, links: readonly Link[]): Promise<void> {
  const { clock, random } = context;
  const jittered = { firstMs: inquiryIntervalMs, maxMs: inquiryIntervalMs };
  let pauses = 0;
  return repeatedly(
    context,
    () => (pauses++ === 0 ? inquiryIntervalMs : backoffMs(jittered, 1, random())),
    () => {
      const nowMs = clock.nowMs();
      // Who is not there hears nothing, and says in its Welcome that it is back.
      const present = new Set(links.filter(isOpen).map(({ coordinator }) => coordinator?.coordinatorId));
      for (const coordinatorId of present) {
        for (const { transactionId } of boxes.inDoubt(coordinatorId, inquiryAfterMs)) {
          boxes.post(transactionId, { type: "inquire", nowMs });
        }
      }
    },
  );
}
