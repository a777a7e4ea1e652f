import { plan } from "@bufbuild/cel";
import { isMessage } from "@bufbuild/protobuf";
import { isReflectMessage } from "@bufbuild/protobuf/reflect";
import { type Duration, DurationSchema, type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { withinBudget } from "./budget.ts";
import { meteredEnv } from "./environment.ts";
import type { Expr } from "./expr.ts";
import { evaluationCostMax } from "./limits.ts";

/** What a call with a literal comes to, such as `timestamp("2026-01-31T09:30:00Z")` or `duration("1h")`. Undefined: it is no time, and no span of time. */
export function literalTime(expr: Expr): Timestamp | Duration | undefined {
  const ended = withinBudget({ left: evaluationCostMax }, 0, () => plan(meteredEnv, expr)({}));
  const time = ended.ok && isReflectMessage(ended.value) ? ended.value.message : undefined;
  return isMessage(time, TimestampSchema) || isMessage(time, DurationSchema) ? time : undefined;
}
