import type {
  DeepPartial,
  PolicyTerms as WirePolicyTerms,
  RecoveryPolicy as WireRecoveryPolicy,
  WorkflowTypePolicy,
} from "../../gen/concord/workflow/v1/policy.ts";
import type { WorkflowState } from "../../kernel/lifecycle.ts";
import type { PolicyTerms, RecoveryPolicy, TypePolicy } from "../../workflow/core/policy.ts";
import type { MetadataIndex } from "../../workflow/ports.ts";
import { stateFromWire, stateToWire } from "../convert-workflow.ts";
import { durationMs, durationToWire } from "../duration.ts";
import { invalidField } from "../errors.ts";

const dayMs = 24 * 3_600_000;

/** `field` is where they stand in the request. What is unset has its default from here on. */
export function termsFromWire({ deadlines, recovery, retention, indexedMetadata }: WirePolicyTerms, field: string): PolicyTerms {
  return {
    deadlines: deadlines.map(({ state, after, targetState, reason }, index) => ({
      state: requiredState(state, `${field}.deadlines[${index}].state`),
      afterMs: Math.round(durationMs(after) ?? 0),
      targetState: requiredState(targetState, `${field}.deadlines[${index}].target_state`),
      reason,
    })),
    ...(recovery && { recovery: recoveryFromWire(recovery) }),
    ...(retention && {
      retention: {
        afterMs: Math.round(durationMs(retention.after) ?? 0),
        archive: retention.archive,
        freeIds: retention.freeIds,
      },
    }),
    ...(indexedMetadata.length > 0 && { indexedMetadata }),
  };
}

function recoveryFromWire({ maxAttempts, initialBackoff, multiplier, maxBackoff }: WireRecoveryPolicy): RecoveryPolicy {
  const initialBackoffMs = Math.round(durationMs(initialBackoff) ?? 0);
  const maxBackoffMs = Math.round(durationMs(maxBackoff) ?? Math.max(dayMs, initialBackoffMs));
  return { ...(maxAttempts !== undefined && { maxAttempts }), initialBackoffMs, multiplier: multiplier ?? 2, maxBackoffMs };
}

export function policyToWire(
  { terms, ...policy }: TypePolicy,
  indexes: readonly MetadataIndex[] = [],
): DeepPartial<WorkflowTypePolicy> {
  return {
    workflowType: policy.workflowType,
    revision: BigInt(policy.revision),
    terms: termsToWire(terms),
    updatedAt: new Date(policy.updatedAtMs),
    updatedBy: policy.updatedBy,
    reason: policy.reason,
    authenticatedAs: policy.authenticatedAs ?? "",
    metadataIndexes: indexes.filter(({ workflowType }) => workflowType === policy.workflowType),
  };
}

function termsToWire({ deadlines, recovery, retention, indexedMetadata }: PolicyTerms): DeepPartial<WirePolicyTerms> {
  return {
    deadlines: deadlines.map(({ state, afterMs, targetState, reason }) => ({
      state: stateToWire(state),
      after: durationToWire(afterMs),
      targetState: stateToWire(targetState),
      reason,
    })),
    recovery: recovery && {
      maxAttempts: recovery.maxAttempts,
      initialBackoff: durationToWire(recovery.initialBackoffMs),
      multiplier: recovery.multiplier,
      maxBackoff: durationToWire(recovery.maxBackoffMs),
    },
    retention: retention && {
      after: durationToWire(retention.afterMs),
      archive: retention.archive,
      freeIds: retention.freeIds,
    },
    indexedMetadata: indexedMetadata ?? [],
  };
}

function requiredState(state: Parameters<typeof stateFromWire>[0], field: string): WorkflowState {
  const known = stateFromWire(state, field);
  if (known === undefined) throw invalidField(field, "is required");
  return known;
}
