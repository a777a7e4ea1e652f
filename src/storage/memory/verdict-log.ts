import { isWithin } from "../../kernel/range.ts";
import { ok } from "../../kernel/result.ts";
import { stretchOf } from "../../kernel/stretch.ts";
import type { TimeMs } from "../../kernel/time.ts";
import type { VerdictLog, WantedVerdicts } from "../../predicate/ports.ts";
import { judgementOf, rulesIn, type VerdictRecord } from "../../predicate/verdict-record.ts";

/** For tests. */
export function createMemoryVerdictLog(nowMs: () => TimeMs = Date.now): VerdictLog {
  let records: VerdictRecord[] = [];
  let sequence = 0;
  return {
    keptBeforeMs: (retentionMs) => nowMs() - retentionMs,
    async append(added) {
      for (const record of added) {
        sequence += 1;
        records.push({ ...structuredClone(record), sequence });
      }
      return ok(undefined);
    },
    async list({ beforeSequence = Number.POSITIVE_INFINITY, limit, wanted }) {
      const found = records.toReversed().filter((record) => record.sequence < beforeSequence && isWanted(record, wanted));
      return stretchOf(found.slice(0, limit), limit, (record) => record.sequence);
    },
    usedBytes: () => JSON.stringify(records).length,
    async drop({ olderThanMs = Number.POSITIVE_INFINITY, limit }) {
      const old = records.filter(({ judgedAtMs }) => judgedAtMs < olderThanMs).slice(0, limit);
      records = records.filter((record) => !old.includes(record));
      return ok(old.length);
    },
    close: async () => undefined,
  };
}

/** True if it is not passed over. */
function isWanted(record: VerdictRecord, { workflowId, ruleId, ranges }: WantedVerdicts): boolean {
  const { verdict } = record;
  return (
    (workflowId === undefined || record.workflowId === workflowId) &&
    (ruleId === undefined || rulesIn(verdict).includes(ruleId)) &&
    isWithin(ranges.sequence, record.sequence) &&
    isWithin(ranges.judgedAtMs, record.judgedAtMs) &&
    isWithin(ranges.judgement, judgementOf(verdict)) &&
    isWithin<string>(ranges.workflowId, record.workflowId) &&
    isWithin(ranges.workflowType, record.workflowType) &&
    isWithin<string>(ranges.fromState, record.fromState) &&
    isWithin<string>(ranges.toState, record.toState) &&
    isWithin(ranges.requestedBy, record.requestedBy) &&
    isWithin(ranges.authenticatedAs, record.authenticatedAs) &&
    isWithin(ranges.ruleSetRevision, verdict.ruleSetRevision)
  );
}
