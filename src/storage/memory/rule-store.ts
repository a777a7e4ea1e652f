import type { RequestId, RuleId } from "../../kernel/ids.ts";
import { err, ok } from "../../kernel/result.ts";
import type { TimeMs } from "../../kernel/time.ts";
import type { Rule } from "../../predicate/core/types.ts";
import type { RuleBatch, RuleChange, RuleConflict, RuleStore } from "../../predicate/ports.ts";

/** For tests. */
export function createMemoryRuleStore(nowMs: () => TimeMs = Date.now): RuleStore {
  const rules = new Map<RuleId, Rule>();
  const answers = new Map<RequestId, RuleChange & { readonly digest: string; readonly atMs: TimeMs }>();
  let revision = 0;
  let closed = false;

  const conflictOf = (batch: RuleBatch): RuleConflict | undefined => {
    if (batch.request !== undefined && answers.has(batch.request.id)) return { type: "request-exists" };
    const stored = rules.get(batch.rule.id);
    const asExpected =
      batch.expected === "absent"
        ? stored === undefined
        : stored?.version === batch.expected.version && stored.state === batch.expected.state;
    return asExpected && revision === batch.revision.expected ? undefined : { type: "stale" };
  };

  return {
    writable: true,
    onWritableChange: () => () => {},
    keptBeforeMs: (retentionMs) => nowMs() - retentionMs,
    load: async () => ({ rules: [...rules.values()], revision }),
    answer: async (requestId) => {
      const stored = answers.get(requestId);
      return stored && { digest: stored.digest, rule: stored.rule, ruleSetRevision: stored.ruleSetRevision };
    },
    apply: async (batch) => {
      if (closed) return err(closedFailure);
      // A store answers later, never at once.
      await undefined;
      const conflict = conflictOf(batch);
      if (conflict !== undefined) return err({ type: "conflict", conflict });
      rules.set(batch.rule.id, batch.rule);
      revision = batch.revision.next;
      if (batch.request !== undefined) {
        const { id, digest, atMs } = batch.request;
        answers.set(id, { digest, atMs, rule: batch.rule, ruleSetRevision: revision });
      }
      return ok(undefined);
    },
    purge: async ({ olderThanMs, limit }) => {
      if (closed) return err(closedFailure);
      const old = [...answers].filter(([, { atMs }]) => atMs < olderThanMs).sort(([, a], [, b]) => a.atMs - b.atMs);
      const purged = old.slice(0, limit);
      for (const [id] of purged) answers.delete(id);
      return ok(purged.length);
    },
    close: async () => {
      closed = true;
    },
  };
}

const closedFailure = { type: "storage-unavailable", cause: "the store is closed", outcomeUnknown: false } as const;
