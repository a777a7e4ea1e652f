import { z } from "zod";
import { formatDuration } from "../config.ts";
import { type DeepPartial, PolicyTerms, type WorkflowTypePolicy } from "../gen/concord/workflow/v1/policy.ts";
import { WorkflowState } from "../gen/concord/workflow/v1/workflow.ts";
import { workflowStates } from "../kernel/lifecycle.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import { durationMs, durationToWire } from "../rpc/duration.ts";
import { durationWords, wireDurationMs } from "./arguments.ts";
import { enumText } from "./output.ts";
import { type FileProblem, inOrder } from "./rule-files/problem.ts";
import { textOf } from "./rule-files/read-file.ts";
import { shapeProblems } from "./rule-files/shape-problems.ts";
import { parseYaml } from "./rule-files/yaml-file.ts";
import { yamlText } from "./yaml-text.ts";

/** A policy as a file has it, in the words of the contract. What it may say beyond its shape the server knows. */

const duration = z.string().transform((text, context) => {
  const ms = wireDurationMs(text);
  if (ms !== undefined) return durationToWire(ms);
  context.addIssue({ code: "custom", message: `must be ${durationWords}` });
  return z.NEVER;
});

/** Beyond its bounds, the field of the contract could not even be written. */
const attempts = z.int32("must be a whole number from 0 to 1,000,000");

const state = z.enum(workflowStates);

const policyShape = z.strictObject({
  type: z.string().exactOptional(),
  deadlines: z.array(z.strictObject({ state, after: duration, target_state: state, reason: z.string() })).nullish(),
  recovery: z
    .strictObject({
      max_attempts: attempts.exactOptional(),
      initial_backoff: duration.exactOptional(),
      multiplier: z.number().exactOptional(),
      max_backoff: duration.exactOptional(),
    })
    .nullish(),
  retention: z
    .strictObject({ after: duration, archive: z.boolean().exactOptional(), free_ids: z.boolean().exactOptional() })
    .nullish(),
  indexed_metadata: z.array(z.string()).nullish(),
});

export type PolicyFile = { readonly workflowType: string; readonly terms: PolicyTerms };

export function readPolicyFile(file: string): Result<PolicyFile, readonly FileProblem[]> {
  const text = textOf(file);
  const problem = (message: string) => err([{ severity: "error", place: { file }, message } as const]);
  if (!text.ok) return problem(text.error);
  const yaml = parseYaml(file, text.value);
  if (yaml.problems.length > 0) return err(inOrder(yaml.problems));
  // A file that was never written to the end would take away what holds for all types.
  if (yaml.value === undefined || yaml.value === null) return problem("is empty; a policy that says nothing is {}");
  const parsed = policyShape.safeParse(yaml.value, { reportInput: true });
  if (!parsed.success) return err(inOrder(shapeProblems(yaml, policyShape, parsed.error.issues, (path) => path)));
  const { type = "", deadlines, recovery, retention, indexed_metadata } = parsed.data;
  const terms: DeepPartial<PolicyTerms> = {
    deadlines: (deadlines ?? []).map(({ target_state, ...deadline }) => ({
      ...deadline,
      state: WorkflowState[deadline.state],
      targetState: WorkflowState[target_state],
    })),
    recovery: recovery
      ? {
          maxAttempts: recovery.max_attempts,
          initialBackoff: recovery.initial_backoff,
          multiplier: recovery.multiplier,
          maxBackoff: recovery.max_backoff,
        }
      : undefined,
    retention: retention
      ? { after: retention.after, archive: retention.archive ?? false, freeIds: retention.free_ids ?? false }
      : undefined,
    indexedMetadata: indexed_metadata ?? [],
  };
  return ok({ workflowType: type, terms: PolicyTerms.fromPartial(terms) });
}

/** Read again, it says the same. */
export function policyYaml({ workflowType, terms = PolicyTerms.create() }: WorkflowTypePolicy): string {
  const { deadlines, recovery, retention, indexedMetadata } = terms;
  const text = (wire: Parameters<typeof durationMs>[0]): string => formatDuration(durationMs(wire) ?? 0);
  const shape = {
    ...(workflowType === "" ? {} : { type: workflowType }),
    ...(deadlines.length > 0 && {
      deadlines: deadlines.map(({ state: from, after, targetState, reason }) => ({
        state: stateName(from),
        after: text(after),
        target_state: stateName(targetState),
        reason,
      })),
    }),
    ...(recovery && {
      recovery: {
        ...(recovery.maxAttempts !== undefined && { max_attempts: recovery.maxAttempts }),
        initial_backoff: text(recovery.initialBackoff),
        multiplier: recovery.multiplier,
        max_backoff: text(recovery.maxBackoff),
      },
    }),
    ...(retention && {
      retention: { after: text(retention.after), archive: retention.archive, free_ids: retention.freeIds },
    }),
    ...(indexedMetadata.length > 0 && { indexed_metadata: [...indexedMetadata] }),
  };
  return yamlText(shape);
}

const stateName = (wire: WorkflowState): string => enumText("WORKFLOW_STATE_", wire);
