import type { CallContext } from "nice-grpc-common";
import type { RuleId } from "../kernel/ids.ts";
import { originFields, usableCallId } from "../kernel/origin.ts";
import { createSeldomLog } from "../kernel/seldom.ts";
import type { DurationMs } from "../kernel/time.ts";
import type { Verdict } from "../predicate/core/types.ts";
import type { Logger } from "../runtime/logger.ts";
import type { RpcContext } from "./context.ts";

type Call = Pick<CallContext, "peer"> & Pick<RpcContext, "origin">;

/** Rules that one line names. Whoever needs all of them reads the verdict log. */
const rulesNamedMax = 10;

const callOf = ({ origin, peer }: Call) => ({ ...originFields(origin), peer });

/** A rule that cannot be evaluated denies whatever it applies to: one line of a rule in a minute. */
export function createFailureLog(logger: Logger, monotonicMs: () => DurationMs) {
  const seldom = createSeldomLog(logger, monotonicMs);
  /** `callIds`: of each verdict, as far as other calls wait for it. */
  return (verdicts: readonly Verdict[], call: Call, callIds: readonly string[] = []): void => {
    const warned = new Set<RuleId>();
    for (const [index, verdict] of verdicts.entries()) {
      if (verdict.type !== "rule-denied") continue;
      for (const { ruleId, message, evaluationFailed } of verdict.violations) {
        if (!evaluationFailed || warned.has(ruleId)) continue;
        warned.add(ruleId);
        const { ruleSetRevision } = verdict;
        const request = usableCallId(callIds[index]) ?? call.origin.requestId;
        const fields = { ...callOf(call), request, rule: ruleId, ruleSetRevision, why: message };
        seldom.warn(ruleId, fields, "rule failed, and denies");
      }
    }
  };
}

/** A move, or whatever `what` says, that rules deny: 100 lines in a minute of the same first rule. */
export function createDenialLog(logger: Logger, monotonicMs: () => DurationMs, what = "transition") {
  const seldom = createSeldomLog(logger, monotonicMs);
  return (
    subject: object,
    denial: { readonly ruleSetRevision: number; readonly violations: readonly { readonly ruleId: string }[] },
    call: Call,
  ): void => {
    const ids = denial.violations.map(({ ruleId }) => ruleId);
    const rules = ids.slice(0, rulesNamedMax);
    const more = ids.length - rules.length;
    const { ruleSetRevision } = denial;
    const fields = { ...callOf(call), ...subject, rules, ...(more > 0 && { moreRules: more }), ruleSetRevision };
    seldom.info(ids[0] ?? "", fields, `${what} refused`);
  };
}
