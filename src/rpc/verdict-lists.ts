import { celList } from "@bufbuild/cel";
import { Status } from "nice-grpc-common";
import { scopeKey, type WorkflowScope } from "../access/core/scope.ts";
import { ListVerdictsResponse, type PredicateLogicServiceImplementation } from "../gen/concord/predicate/v1/predicate_logic.ts";
import { VerdictRecord as WireVerdictRecord } from "../gen/concord/predicate/v1/verdict.ts";
import type { Clock } from "../kernel/clock.ts";
import type { RuleId, WorkflowId } from "../kernel/ids.ts";
import { workflowStates } from "../kernel/lifecycle.ts";
import type { Turns } from "../kernel/turns.ts";
import { celRecord, celTime } from "../predicate/core/bindings.ts";
import type { Comparison } from "../predicate/core/comparisons.ts";
import type { Variables } from "../predicate/core/compile.ts";
import type { Bindings } from "../predicate/core/evaluate.ts";
import { enumOf, listOf, recordOf, types } from "../predicate/core/typing/type.ts";
import type { Engine } from "../predicate/engine.ts";
import type { Evaluator, VerdictLog, VerdictRanges, WantedVerdicts } from "../predicate/ports.ts";
import { replay } from "../predicate/replay.ts";
import { judgementOf, rulesIn, type VerdictRecord } from "../predicate/verdict-record.ts";
import type { RpcContext } from "./context.ts";
import { recordToWire, wholeVerdictToWire } from "./convert-verdict.ts";
import { encoded, listAnswer } from "./encoded-answer.ts";
import { rpcError } from "./errors.ts";
import { filterOf, namesOf } from "./filter.ts";
import { createReadPage } from "./list.ts";
import { narrowed } from "./narrowed-filter.ts";
import { sequencePlace } from "./page.ts";
import { judgeError, revisionNotFound } from "./predicate-errors.ts";
import { type KnownFields, rangesOf } from "./ranges.ts";

/** What was decided, and what judges it once more. */
export type Verdicts = { readonly log: VerdictLog; readonly evaluator: Evaluator };

type Methods = Pick<PredicateLogicServiceImplementation<RpcContext>, "listVerdicts" | "replayVerdicts">;

type Wanted = { readonly workflowId: string; readonly ruleId: string; readonly filter: string };

/** The RPCs that read the verdict log. */
export function verdictLists(dependencies: {
  readonly engine: Engine;
  readonly verdicts: Verdicts | undefined;
  readonly turns: Turns;
  readonly clock: Clock;
}): Methods {
  const { engine, turns, clock } = dependencies;
  const readPage = createReadPage(dependencies);

  function verdicts(): Verdicts {
    if (dependencies.verdicts !== undefined) return dependencies.verdicts;
    throw rpcError({
      code: Status.FAILED_PRECONDITION,
      reason: "VERDICT_LOG_OFF",
      message: "this server writes down no verdicts (--verdict-log off)",
    });
  }

  return {
    async listVerdicts(request, context) {
      const { log } = verdicts();
      const { workflows: scope } = context.permission;
      const { matches, wanted } = wantedOf(request, scope);
      const page = await readPage<VerdictRecord>(
        {
          scope: `verdicts ${scopeKey(scope)}${JSON.stringify([request.workflowId, request.ruleId, request.filter])}`,
          place: sequencePlace,
          keyOf: ({ sequence }) => String(sequence),
          read: (before, limit) => log.list({ beforeSequence: before === undefined ? undefined : Number(before), limit, wanted }),
          matches,
          encode: (record) => encoded(WireVerdictRecord, recordToWire(record)),
        },
        request,
        context,
      );
      return listAnswer(ListVerdictsResponse, page.items, { nextPageToken: page.nextPageToken });
    },

    async *replayVerdicts(request, { peer: caller, permission, signal }) {
      const { log, evaluator } = verdicts();
      const { matches, wanted } = wantedOf(request, permission.workflows);
      const breathe = turns(signal);
      const revision = request.revision === undefined ? undefined : Number(request.revision);
      const ruleSet = await engine.ruleSetAt(revision, breathe);
      if (ruleSet === undefined) throw revisionNotFound(Number(revision), engine.ruleSetRevision());
      const limit = request.limit || undefined;
      const asked = { wanted, matches, ruleSet, limit, caller, breathe, signal };
      for await (const message of replay({ log, evaluator, monotonicMs: clock.monotonicMs }, asked)) {
        switch (message.type) {
          case "failed":
            throw judgeError(message.failure);
          case "difference": {
            const { record, verdict, violationsOmitted } = message;
            const value = { record: recordToWire(record), verdict: wholeVerdictToWire(verdict, violationsOmitted) };
            yield { body: { $case: "difference", value } };
            break;
          }
          case "progress": {
            const { ruleSetRevision, judged, skipped, different, complete } = message;
            const value = {
              ruleSetRevision: BigInt(ruleSetRevision),
              judged: BigInt(judged),
              skipped: BigInt(skipped),
              different: BigInt(different),
              complete,
            };
            yield { body: { $case: "progress", value } };
            break;
          }
        }
      }
    },
  };
}

function wantedOf(
  { workflowId, ruleId, filter }: Wanted,
  scope: WorkflowScope,
): {
  readonly matches: ((record: VerdictRecord) => boolean) | undefined;
  readonly wanted: WantedVerdicts;
} {
  const knownOf = (comparisons: readonly Comparison[]): VerdictRanges => rangesOf(comparisons, knownOfVerdicts);
  const filtered = narrowed(filterOf(filter, verdictVariables, bindingsOf, knownOf), scope, {
    fields: { type: "verdict.workflow_type", id: "verdict.workflow_id" },
    namedOf: ({ workflowId: id, workflowType: type }) => ({ id, type }),
    knownOf,
  });
  const wanted = {
    workflowId: (workflowId || undefined) as WorkflowId | undefined,
    ruleId: (ruleId || undefined) as RuleId | undefined,
    ranges: filtered?.known ?? {},
  };
  return { matches: filtered?.matches, wanted };
}

const judgementNames = namesOf("concord.predicate.v1.Judgement");

const verdictVariables: Variables = {
  verdict: recordOf({
    sequence: types.int,
    judged_at: types.timestamp,
    judgement: enumOf(judgementNames),
    workflow_id: types.string,
    workflow_type: types.string,
    from: enumOf(namesOf("concord.workflow.v1.WorkflowState")),
    to: enumOf(namesOf("concord.workflow.v1.WorkflowState")),
    requested_by: types.string,
    authenticated_as: types.string,
    rules: listOf(types.string),
    rule_set_revision: types.int,
    cost: types.int,
    input_digest: types.string,
  }),
};

const bindingsOf = (record: VerdictRecord): Bindings => ({
  verdict: celRecord({
    sequence: BigInt(record.sequence),
    judged_at: celTime(record.judgedAtMs),
    judgement: judgementOf(record.verdict),
    workflow_id: record.workflowId,
    workflow_type: record.workflowType,
    from: record.fromState,
    to: record.toState,
    requested_by: record.requestedBy,
    authenticated_as: record.authenticatedAs,
    rules: celList(rulesIn(record.verdict)),
    rule_set_revision: BigInt(record.verdict.ruleSetRevision),
    cost: BigInt("cost" in record.verdict ? record.verdict.cost : 0),
    input_digest: record.inputDigest,
  }),
});

const knownOfVerdicts: KnownFields<VerdictRanges> = {
  "verdict.sequence": { as: "sequence", kind: "number" },
  "verdict.judged_at": { as: "judgedAtMs", kind: "time" },
  "verdict.judgement": { as: "judgement", kind: [...new Set(judgementNames.values())] },
  "verdict.workflow_id": { as: "workflowId", kind: "text" },
  "verdict.workflow_type": { as: "workflowType", kind: "text" },
  "verdict.from": { as: "fromState", kind: workflowStates },
  "verdict.to": { as: "toState", kind: workflowStates },
  "verdict.requested_by": { as: "requestedBy", kind: "text" },
  "verdict.authenticated_as": { as: "authenticatedAs", kind: "text" },
  "verdict.rule_set_revision": { as: "ruleSetRevision", kind: "number" },
};
