import type { Check } from "../../check.ts";
import type { Tlc } from "../../tlc.ts";
import { checkCorrupted } from "../corrupted.ts";
import type { Recording } from "../manager/record.ts";
import { checkTransitions, rejectionText } from "./check.ts";
import { corruptions, corruptTransitions } from "./corrupt.ts";
import { transitionsOf } from "./merge.ts";

/** Of each kind. */
const corruptedCountMax = 3;

/** What must have happened to the manager. */
const wanted = ["Hold", "RecvPrepare", "Committed", "Released", "RecvCommit", "RecvAbort", "Inquire", "PartCrash", "PartRecover"];

/** Transactions that move workflows beside the work of others, in the simulated worlds, held against specs/AtomicTransition.tla. */
export async function traceTransitions(tlc: Tlc, recordings: readonly Recording[]): Promise<readonly Check[]> {
  const traces = recordings.flatMap(transitionsOf);
  const corrupted = corruptTransitions(traces, corruptedCountMax);
  const rejections = await checkTransitions(tlc, [...traces, ...corrupted]);
  const own = traces.flatMap(({ steps }) => steps.filter(({ participant }) => participant === "m"));
  const counts = wanted.map((action) => [action, own.filter((step) => step.action === action).length] as const);
  return [
    {
      name: "traces of transitions",
      problems: [
        ...rejections.filter(({ trace }) => traces.some((each) => each === trace)).map(rejectionText),
        ...counts.filter(([, count]) => count === 0).map(([action]) => `${action} of the manager never happened`),
      ],
      remark:
        `${recordings.length} worlds, ${traces.length} transactions, ${traces.reduce((sum, { steps }) => sum + steps.length, 0).toLocaleString("en")} events; ` +
        `of the manager: ${counts.map(([action, count]) => `${action} ${count}`).join(", ")}`,
    },
    checkCorrupted("corrupted traces of transitions", corrupted, {
      corruptions,
      rejections,
      nameOf: (trace) => trace.transaction,
    }),
  ];
}
