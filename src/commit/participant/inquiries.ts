import { backoffMs } from "../core/backoff.ts";
import { repeatedly } from "../ends.ts";
import { inquiryAfterMs, inquiryIntervalMs } from "../limits.ts";
import type { Boxes } from "./boxes.ts";
import type { Context } from "./context.ts";

/** Asks about what stays in doubt. Resolves when the participant has closed. */
export function inquireRegularly(context: Context, boxes: Boxes): Promise<void> {
  const { clock, random } = context;
  const jittered = { firstMs: inquiryIntervalMs, maxMs: inquiryIntervalMs };
  let pauses = 0;
  return repeatedly(
    context,
    () => (pauses++ === 0 ? inquiryIntervalMs : backoffMs(jittered, 1, random())),
    () => {
      const nowMs = clock.nowMs();
      for (const { transactionId } of boxes.inDoubt(undefined, inquiryAfterMs)) {
        boxes.post(transactionId, { type: "inquire", nowMs });
      }
    },
  );
}
