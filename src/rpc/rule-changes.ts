import type { CallContext } from "nice-grpc-common";
import type { PredicateLogicServiceImplementation, SetRuleSetItemRequest } from "../gen/concord/predicate/v1/predicate_logic.ts";
import { RuleSetItemKind as WireRuleSetItemKind } from "../gen/concord/predicate/v1/rule_set.ts";
import { assert, unreachable } from "../kernel/assert.ts";
import type { RuleId } from "../kernel/ids.ts";
import { provedBy } from "../kernel/principal.ts";
import type { Result } from "../kernel/result.ts";
import type { RuleSetChange } from "../predicate/core/types.ts";
import type { ChangedRule, Engine, SetItem } from "../predicate/engine.ts";
import type { ChangeFailure } from "../predicate/errors.ts";
import type { CallLog, RpcContext } from "./context.ts";
import {
  appliedRuleFromWire,
  changeToWire,
  factFromWire,
  itemName,
  itemToWire,
  ruleToWire,
  sourceFromWire,
  testFromWire,
  workflowTypeFromWire,
} from "./convert-rule-set.ts";
import { invalidField } from "./errors.ts";
import { checkSetsRules } from "./permission.ts";
import { changeError } from "./predicate-errors.ts";
import { requestKey } from "./request-key.ts";
import { checkRule, checkRuleTypes } from "./rule-permission.ts";

type Methods = Pick<
  PredicateLogicServiceImplementation<RpcContext>,
  | "createRule"
  | "updateRule"
  | "activateRule"
  | "deactivateRule"
  | "shadowRule"
  | "deprecateRule"
  | "deleteRule"
  | "setRuleSetItem"
  | "deleteRuleSetItem"
  | "applyRuleSet"
  | "rollbackRuleSet"
>;

type MutationFields = { readonly reason: string; readonly requestedBy: string; readonly requestId: string };

/** The RPCs that change rules. */
export function ruleChanges(engine: Engine): Methods {
  /** What is the same in all changes: who asks, why, and how a repeat is known. */
  const mutationOf = (method: string, request: MutationFields, context: CallContext & RpcContext) => ({
    // A caller that leaves ends what is not written yet.
    signal: context.signal,
    reason: request.reason,
    requestedBy: request.requestedBy,
    ...provedBy(context.principal),
    request: requestKey(`concord.predicate.v1.${method}Request`, request, context),
  });

  /** Of what changes one rule. */
  async function changedRule(
    what: string,
    change: () => Promise<Result<ChangedRule, ChangeFailure>>,
    request: MutationFields,
    { log }: RpcContext,
  ) {
    const { rule, ruleSetRevision } = changed(await change(), request);
    const { id, latestVersion } = rule.standing;
    log.info({ rule: id, version: latestVersion, ruleSetRevision, requestedBy: request.requestedBy }, what);
    return { rule: ruleToWire(rule), ruleSetRevision: BigInt(ruleSetRevision) };
  }

  return {
    createRule: (request, context) =>
      changedRule(
        "rule created",
        async () => {
          checkRuleTypes(context, request.workflowTypes);
          return engine.createRule({
            id: idOf(request),
            ...sourceFromWire(request),
            ...mutationOf("CreateRule", request, context),
          });
        },
        request,
        context,
      ),

    updateRule: (request, context) =>
      changedRule(
        "rule updated",
        async () => {
          checkRuleTypes(context, request.workflowTypes);
          await checkRule(engine, context, { ruleId: request.ruleId });
          return engine.updateRule({
            id: idOf(request),
            ...sourceFromWire(request),
            expectedVersion: request.expectedVersion || undefined,
            ...mutationOf("UpdateRule", request, context),
          });
        },
        request,
        context,
      ),

    activateRule: (request, context) =>
      changedRule(
        "rule activated",
        async () =>
          engine.activate({
            id: idOf(request),
            version: await checkRule(engine, context, request),
            ...mutationOf("ActivateRule", request, context),
          }),
        request,
        context,
      ),

    deactivateRule: (request, context) =>
      changedRule(
        "rule deactivated",
        async () => {
          await checkRule(engine, context, { ruleId: request.ruleId });
          return engine.deactivate({ id: idOf(request), ...mutationOf("DeactivateRule", request, context) });
        },
        request,
        context,
      ),

    shadowRule: (request, context) =>
      changedRule(
        request.version === 0 ? "rule in shadow no more" : "rule in shadow",
        async () => {
          await checkRule(engine, context, request);
          return engine.shadow({
            id: idOf(request),
            version: request.version || undefined,
            ...mutationOf("ShadowRule", request, context),
          });
        },
        request,
        context,
      ),

    deprecateRule: (request, context) =>
      changedRule(
        "rule deprecated",
        async () => {
          await checkRule(engine, context, { ruleId: request.ruleId });
          return engine.deprecate({ id: idOf(request), ...mutationOf("DeprecateRule", request, context) });
        },
        request,
        context,
      ),

    async deleteRule(request, context) {
      const { log } = context;
      await checkRule(engine, context, { ruleId: request.ruleId });
      changed(await engine.deleteRule({ id: idOf(request), ...mutationOf("DeleteRule", request, context) }), request);
      log.info({ rule: request.ruleId, requestedBy: request.requestedBy }, "rule deleted");
      return {};
    },

    async setRuleSetItem(request, context) {
      const { log } = context;
      const item = itemFromWire(request);
      if (item.kind !== "TEST") checkSetsRules(context, "SetRuleSetItem");
      const mutation = mutationOf("SetRuleSetItem", request, context);
      const { item: set, ruleSetRevision } = changed(await engine.setItem(item, mutation), request);
      log.info({ kind: set.kind, name: itemName(set), ruleSetRevision, requestedBy: request.requestedBy }, "rule set item set");
      return { item: itemToWire(set), ruleSetRevision: BigInt(ruleSetRevision) };
    },

    async deleteRuleSetItem(request, context) {
      const { log } = context;
      const kind = itemKinds[request.kind];
      if (kind === undefined) throw invalidField("kind", "must be a fact, a workflow type or a test");
      if (kind !== "TEST") checkSetsRules(context, "DeleteRuleSetItem");
      const { name } = request;
      const mutation = mutationOf("DeleteRuleSetItem", request, context);
      const { ruleSetRevision } = changed(await engine.deleteItem({ kind, name, ...mutation }), request);
      log.info({ kind, name, ruleSetRevision, requestedBy: request.requestedBy }, "rule set item deleted");
      return { ruleSetRevision: BigInt(ruleSetRevision) };
    },

    async applyRuleSet(request, context) {
      const { log } = context;
      if (!request.dryRun) checkSetsRules(context, "ApplyRuleSet");
      const applied = await engine.apply({
        rules: request.rules.map(appliedRuleFromWire),
        facts: request.facts.map(factFromWire),
        workflowTypes: request.workflowTypes.map(workflowTypeFromWire),
        tests: request.tests.map((test, index) => testFromWire(test, `tests[${index}].`)),
        dryRun: request.dryRun,
        expectedRevision: request.expectedRevision === undefined ? undefined : Number(request.expectedRevision),
        ...mutationOf("ApplyRuleSet", request, context),
      });
      return { change: loggedSet("rule set applied", changed(applied, request), log) };
    },

    async rollbackRuleSet(request, context) {
      const { log } = context;
      const { dryRun } = request;
      const mutation = mutationOf("RollbackRuleSet", request, context);
      const rolledBack = await engine.rollback({ revision: Number(request.revision), dryRun, ...mutation });
      return { change: loggedSet("rule set rolled back", changed(rolledBack, request), log) };
    },
  };
}

const idOf = ({ ruleId }: { readonly ruleId: string }): RuleId => ruleId as RuleId;

function changed<Answer>(result: Result<Answer, ChangeFailure>, { requestId }: MutationFields): Answer {
  if (!result.ok) throw changeError(result.error, requestId);
  return result.value;
}

function loggedSet(what: string, change: RuleSetChange, log: CallLog) {
  // Of a dry run, and of what changed nothing, there is no entry in the history.
  const { sequence, revision, requestedBy, differences } = change;
  if (sequence > 0) log.info({ sequence, ruleSetRevision: revision, differences: differences.length, requestedBy }, what);
  return changeToWire(change);
}

const itemKinds: Readonly<Partial<Record<WireRuleSetItemKind, SetItem["kind"]>>> = {
  [WireRuleSetItemKind.FACT]: "FACT",
  [WireRuleSetItemKind.WORKFLOW_TYPE]: "WORKFLOW_TYPE",
  [WireRuleSetItemKind.TEST]: "TEST",
};

function itemFromWire({ item }: SetRuleSetItemRequest): SetItem {
  assert(item !== undefined, "the contract requires an item");
  switch (item.$case) {
    case "fact":
      return { kind: "FACT", fact: factFromWire(item.value) };
    case "workflowType":
      return { kind: "WORKFLOW_TYPE", workflowType: workflowTypeFromWire(item.value) };
    case "test":
      return { kind: "TEST", test: testFromWire(item.value, "test.") };
    default:
      return unreachable(item);
  }
}
