import { Status } from "nice-grpc-common";
import type { RichServerError } from "nice-grpc-error-details";
import { assert, unreachable } from "../kernel/assert.ts";
import { explainCompileError } from "../predicate/core/compile.ts";
import { unknownMoveWords } from "../predicate/core/rule-set/rule-changes.ts";
import type { RuleSetProblem } from "../predicate/core/rule-set.ts";
import type { ChangeFailure, JudgeFailure } from "../predicate/errors.ts";
import { invalidField, known, overloaded, quotaReached, requestIdReused, rpcError, storageUnavailable } from "./errors.ts";

/** The one table from the engine's failures to what proto/concord/error/v1 promises. */
export function changeError(error: ChangeFailure, requestId = ""): RichServerError {
  switch (error.type) {
    case "rule-invalid":
      return invalidRule(error.problems);
    case "move-unknown":
      return invalidField(error.field, unknownMoveWords);
    case "duplicate":
      return invalidField(listOf[error.kind], `has "${error.name}" twice`);
    case "rule-exists":
      return rpcError({
        code: Status.ALREADY_EXISTS,
        reason: "RULE_ALREADY_EXISTS",
        message: `a rule "${error.ruleId}" exists already; UpdateRule writes a new version of it`,
        metadata: { rule_id: error.ruleId },
      });
    case "rule-limit":
      return rpcError({
        code: Status.RESOURCE_EXHAUSTED,
        reason: "RULE_LIMIT_REACHED",
        message: `there are ${error.limit} ${error.what} already, as many as the engine allows`,
        metadata: { what: error.what, limit: String(error.limit) },
      });
    case "rule-quota":
      return quotaReached("rule", error, { more: String(error.wanted), room: "delete drafts" });
    case "rule-not-found":
      return ruleNotFound(error.ruleId, error.version);
    case "rule-state":
      return rpcError({
        code: Status.FAILED_PRECONDITION,
        reason: "RULE_STATE",
        message: `rule "${error.ruleId}" is ${error.state}`,
        metadata: { rule_id: error.ruleId, state: error.state },
      });
    case "rule-version-mismatch":
      return rpcError({
        code: Status.ABORTED,
        reason: "RULE_VERSION_MISMATCH",
        message: `the newest version of rule "${error.ruleId}" is ${error.current}, not ${error.expected}`,
        metadata: { rule_id: error.ruleId, expected: String(error.expected), current: String(error.current) },
      });
    case "revision-mismatch":
      return rpcError({
        code: Status.ABORTED,
        reason: "RULE_VERSION_MISMATCH",
        message: `the rule set is at revision ${error.current}, not ${error.expected}`,
        metadata: { expected: String(error.expected), current: String(error.current) },
      });
    case "revision-not-found":
      return revisionNotFound(error.revision, error.newest);
    case "item-not-found":
      return rpcError({
        code: Status.NOT_FOUND,
        reason: "RULE_SET_ITEM_NOT_FOUND",
        message: `the rule set has no ${kindWords[error.kind]} "${error.name}"`,
        metadata: { kind: error.kind, name: error.name },
      });
    case "tests-failed":
      return testsFailed(error);
    case "request-id-reused":
      return requestIdReused(error.requestId);
    case "storage-unavailable":
      return storageUnavailable(known({ requestId }));
    default:
      return unreachable(error);
  }
}

const listOf = { RULE: "rules", FACT: "facts", WORKFLOW_TYPE: "workflow_types", TEST: "tests" } as const;

const kindWords = { RULE: "rule", FACT: "fact", WORKFLOW_TYPE: "workflow type", TEST: "test" } as const;

/** More are not read by people, and find no room in the trailers. */
const problemCountMax = 50;

/** Of a change that has to do with one rule, the field is that of the request; of others, it has the name before it. */
function invalidRule(problems: readonly RuleSetProblem[]): RichServerError {
  const names = new Set(problems.map(({ kind, name }) => `${kind} ${name}`));
  const [first] = problems;
  assert(first !== undefined, "what is invalid has a problem");
  const fieldOf = ({ kind, name, field }: RuleSetProblem): string =>
    names.size === 1 ? field : `${kindWords[kind]} "${name}" ${field}`;
  const fields = problems.slice(0, problemCountMax).flatMap((problem) =>
    [problem.error, ...problem.error.others].map((each) => ({
      field: fieldOf(problem),
      description: explainCompileError(each),
    })),
  );
  const more = problems.length > 1 ? `; and ${problems.length - 1} more` : "";
  return rpcError({
    code: Status.INVALID_ARGUMENT,
    reason: "RULE_INVALID",
    message: `${fields[0]?.field}: ${fields[0]?.description}${more}`,
    metadata: {
      [first.kind === "RULE" ? "rule_id" : "name"]: first.name,
      line: String(first.error.line),
      column: String(first.error.column),
    },
    fields,
  });
}

function testsFailed({ failures, total }: Extract<ChangeFailure, { type: "tests-failed" }>): RichServerError {
  const [first] = failures;
  const more = failures.length > 1 ? `; and ${failures.length - 1} more` : "";
  return rpcError({
    code: Status.FAILED_PRECONDITION,
    reason: "RULE_TESTS_FAILED",
    message: `test "${first?.name}" would fail: ${first?.why}${more}`,
    metadata: { failed: String(failures.length), total: String(total) },
    preconditions: failures.slice(0, 20).map(({ name, why }) => ({ type: "TEST", subject: name, description: why })),
  });
}

export function ruleNotFound(ruleId: string, version = 0): RichServerError {
  return rpcError({
    code: Status.NOT_FOUND,
    reason: "RULE_NOT_FOUND",
    message: version === 0 ? `no rule "${ruleId}"` : `no version ${version} of a rule "${ruleId}"`,
    metadata: { rule_id: ruleId, ...(version > 0 && { version: String(version) }) },
  });
}

export function revisionNotFound(revision: number, newest: number): RichServerError {
  return rpcError({
    code: Status.NOT_FOUND,
    reason: "REVISION_NOT_FOUND",
    message: `there was no rule set with revision ${revision}; the newest is ${newest}`,
    metadata: { revision: String(revision), newest: String(newest) },
  });
}

/** Of a change that is only tried. */
export function impactError(error: ChangeFailure | JudgeFailure): RichServerError {
  switch (error.type) {
    case "overloaded":
    case "call-cost-limit":
    case "revision-not-reached":
      return judgeError(error);
    default:
      return changeError(error);
  }
}

export function judgeError(error: JudgeFailure): RichServerError {
  switch (error.type) {
    case "overloaded":
      return overloaded(error.limit, `${error.what} wait for their rules`);
    case "call-cost-limit":
      return rpcError({
        code: Status.RESOURCE_EXHAUSTED,
        reason: "CHECKS_TOO_EXPENSIVE",
        message: `the checks of this call cost more than ${error.limit} units together; ask for fewer in one call`,
        metadata: { limit: String(error.limit) },
      });
    case "revision-not-reached":
      return rpcError({
        code: Status.FAILED_PRECONDITION,
        reason: "REVISION_NOT_REACHED",
        message: `the rule set is at revision ${error.newest}, not yet at ${error.wanted}`,
        metadata: { min_revision: String(error.wanted), newest: String(error.newest) },
      });
    default:
      return unreachable(error);
  }
}
