import { z } from "zod";
import type { QuotaSetting } from "./core/quota.ts";
import { principalsSchema } from "./grants-file.ts";
import { quotaCountMax } from "./limits.ts";

const whole = (most: number) => {
  const words = `must be a whole number from 1 to ${most}`;
  return z.int(words).min(1, words).max(most, words);
};

/** `bytes`: the schema of a size. */
export const quotasSchema = <Bytes extends z.ZodType<number>>(bytes: Bytes) =>
  z
    .array(
      z
        .strictObject({
          principals: principalsSchema,
          calls: whole(1_000_000).optional(),
          streams: whole(1_000_000).optional(),
          rate: whole(1_000_000).optional(),
          burst: whole(1_000_000).optional(),
          bytes_per_second: bytes.optional(),
          rules: whole(1_000_000).optional(),
          workflows: whole(1_000_000_000).optional(),
        })
        .superRefine(({ rate, burst, calls, streams, bytes_per_second, rules, workflows }, context) => {
          const wrong = (key: string, message: string): void => context.addIssue({ code: "custom", path: [key], message });
          if (burst !== undefined && rate === undefined) wrong("burst", "is of the rate, which is left out");
          if ([rate, calls, streams, bytes_per_second, rules, workflows].every((each) => each === undefined))
            wrong("principals", "have a quota of nothing: give calls, streams, rate, bytes_per_second, rules or workflows");
        })
        .transform(
          ({ principals, calls, streams, rate, burst = rate ?? 1, bytes_per_second, rules, workflows }): QuotaSetting => ({
            principals,
            calls,
            streams,
            rate,
            burst,
            bytesPerSecond: bytes_per_second,
            rules,
            workflows,
          }),
        ),
      "must be a list of quotas",
    )
    .max(quotaCountMax, `must have at most ${quotaCountMax} quotas`);
