import { scopeKey } from "../access/core/scope.ts";
import {
  GetRuleSetResponse,
  ListRuleSetChangesResponse,
  ListRulesResponse,
  ListRuleVersionsResponse,
  type PredicateLogicServiceImplementation,
} from "../gen/concord/predicate/v1/predicate_logic.ts";
import {
  Rule as WireRule,
  RuleSetChange as WireRuleSetChange,
  RuleSetItem as WireRuleSetItem,
} from "../gen/concord/predicate/v1/rule_set.ts";
import type { Clock } from "../kernel/clock.ts";
import type { RuleId } from "../kernel/ids.ts";
import { stretchOf } from "../kernel/stretch.ts";
import type { Turns } from "../kernel/turns.ts";
import { celRecord, celTime } from "../predicate/core/bindings.ts";
import type { Variables } from "../predicate/core/compile.ts";
import type { Bindings } from "../predicate/core/evaluate.ts";
import type { Rule, RuleSetChange, RuleSetContents, RuleSetItem } from "../predicate/core/types.ts";
import { enumOf, listOf, recordOf, types } from "../predicate/core/typing/type.ts";
import type { Engine } from "../predicate/engine.ts";
import { watchChanges } from "../predicate/watch.ts";
import type { RpcContext } from "./context.ts";
import { changeToWire, itemToWire, ruleToWire } from "./convert-rule-set.ts";
import { durationMs } from "./duration.ts";
import { encoded, listAnswer } from "./encoded-answer.ts";
import { invalidField, restoredAnew } from "./errors.ts";
import { filterOf, namesOf } from "./filter.ts";
import { createReadPage } from "./list.ts";
import { sequencePlace } from "./page.ts";
import { revisionNotFound, ruleNotFound } from "./predicate-errors.ts";
import { mayReadRule } from "./rule-permission.ts";

type Methods = Pick<
  PredicateLogicServiceImplementation<RpcContext>,
  "getRule" | "listRules" | "listRuleVersions" | "getRuleSet" | "listRuleSetChanges" | "watchRuleSet"
>;

/** How often a watch sends progress, if nothing is said. */
const progressIntervalMs = 10_000;

/** The RPCs that read rules and their history. */
export function ruleLists(dependencies: { readonly engine: Engine; readonly turns: Turns; readonly clock: Clock }): Methods {
  const { engine, turns, clock } = dependencies;
  const readPage = createReadPage(dependencies);

  /** What is read goes on at the revision with which it began: a token says which. */
  async function contentsFor(revision: bigint | undefined, pageToken: string): Promise<[RuleSetContents, string]> {
    const [, continued, token = ""] = /^(\d{1,15})\.(.+)$/.exec(pageToken) ?? [];
    if (pageToken !== "" && continued === undefined) throw invalidField("page_token", "is no token of a rule set");
    const wanted = continued ?? revision;
    const contents = await engine.contents(wanted === undefined ? undefined : Number(wanted));
    if (contents === undefined) throw revisionNotFound(Number(wanted), engine.ruleSetRevision());
    return [contents, token];
  }

  return {
    async getRule({ ruleId, version }, context) {
      const rule = await engine.rule(ruleId as RuleId, version || undefined);
      if (rule === undefined || !mayReadRule(context, rule)) throw ruleNotFound(ruleId, version);
      return { rule: ruleToWire(rule) };
    },

    async listRules(request, context) {
      const filter = ruleFilter(request.filter);
      const page = await readPage<Rule>(
        {
          scope: `rules ${scopeKey(context.permission.workflows)}${request.filter}`,
          keyOf: ({ standing }) => standing.id,
          read: (afterId, limit) => engine.listRules({ afterId, limit }),
          matches: (rule) => mayReadRule(context, rule) && (filter?.(rule) ?? true),
          encode: (rule) => encoded(WireRule, ruleToWire(rule)),
        },
        request,
        context,
      );
      const rest = { nextPageToken: page.nextPageToken, ruleSetRevision: BigInt(engine.ruleSetRevision()) };
      return listAnswer(ListRulesResponse, page.items, rest);
    },

    async listRuleVersions(request, context) {
      const id = request.ruleId as RuleId;
      const latest = await engine.rule(id);
      if (latest === undefined || !mayReadRule(context, latest)) throw ruleNotFound(id);
      const page = await readPage<Rule>(
        {
          scope: `versions ${id}`,
          place: sequencePlace,
          keyOf: ({ version }) => String(version.version),
          read: (before, limit) => engine.listVersions({ id, beforeVersion: numberOf(before), limit }),
          matches: (rule) => mayReadRule(context, rule),
          encode: (rule) => encoded(WireRule, ruleToWire(rule)),
        },
        request,
        context,
      );
      return listAnswer(ListRuleVersionsResponse, page.items, { nextPageToken: page.nextPageToken });
    },

    async getRuleSet(request, context) {
      const [contents, pageToken] = await contentsFor(request.revision, request.pageToken);
      const items = placedItems(contents);
      const page = await readPage<PlacedItem>(
        {
          scope: `rule set ${contents.revision}`,
          place: sequencePlace,
          keyOf: ({ place }) => String(place),
          read: async (place, limit) =>
            stretchOf(items.slice(Number(place ?? 0), Number(place ?? 0) + limit), limit, (item) => String(item.place)),
          matches: undefined,
          encode: ({ item }) => encoded(WireRuleSetItem, itemToWire(item)),
        },
        { pageSize: request.pageSize, pageToken },
        context,
      );
      const nextPageToken = page.nextPageToken === "" ? "" : `${contents.revision}.${page.nextPageToken}`;
      return listAnswer(GetRuleSetResponse, page.items, { nextPageToken, ruleSetRevision: BigInt(contents.revision) });
    },

    async listRuleSetChanges(request, context) {
      const name = request.name || undefined;
      const page = await readPage<RuleSetChange>(
        {
          scope: `changes ${request.name}`,
          place: sequencePlace,
          keyOf: ({ sequence }) => String(sequence),
          read: (before, limit) => engine.changesBefore({ sequence: numberOf(before), name, limit }),
          matches: undefined,
          encode: (change) => encoded(WireRuleSetChange, changeToWire(change)),
        },
        request,
        context,
      );
      return listAnswer(ListRuleSetChangesResponse, page.items, { nextPageToken: page.nextPageToken });
    },

    async *watchRuleSet({ afterSequence, progressInterval }, { signal }) {
      const newest = engine.changeSequence();
      const start = afterSequence === undefined ? newest : Number(afterSequence);
      if (start > newest) throw invalidField("after_sequence", `is beyond the newest change, which has sequence ${newest}`);
      const kept = await engine.keptBeforeLoss(start);
      if (kept !== undefined) throw restoredAnew(kept, "the rule set");
      const messages = watchChanges(engine, {
        afterSequence: start,
        progressIntervalMs: durationMs(progressInterval) ?? progressIntervalMs,
        breathe: turns(signal),
        clock,
        signal,
      });
      for await (const message of messages) {
        yield message.type === "change"
          ? { body: { $case: "change", value: changeToWire(message.change) } }
          : { body: { $case: "progressSequence", value: BigInt(message.sequence) } };
      }
    },
  };
}

const numberOf = (place: string | undefined): number | undefined => (place === undefined ? undefined : Number(place));

type PlacedItem = { readonly item: RuleSetItem; readonly place: number };

/** In one order. The first has place 1. */
function placedItems({ active, shadow, facts, workflowTypes, tests }: RuleSetContents): readonly PlacedItem[] {
  const items: RuleSetItem[] = [
    ...active.map((rule) => ({ kind: "RULE", role: "ACTIVE", rule }) as const),
    ...shadow.map((rule) => ({ kind: "RULE", role: "SHADOW", rule }) as const),
    ...facts.map((fact) => ({ kind: "FACT", fact }) as const),
    ...workflowTypes.map((workflowType) => ({ kind: "WORKFLOW_TYPE", workflowType }) as const),
    ...tests.map((test) => ({ kind: "TEST", test }) as const),
  ];
  return items.map((item, index) => ({ item, place: index + 1 }));
}

const ruleFilterVariables: Variables = {
  rule: recordOf({
    id: types.string,
    version: types.int,
    description: types.string,
    moves: listOf(types.string),
    workflow_types: listOf(types.string),
    condition: types.string,
    expression: types.string,
    message: types.string,
    priority: types.int,
    action: enumOf(namesOf("concord.predicate.v1.RuleAction")),
    state: enumOf(namesOf("concord.predicate.v1.RuleState")),
    active_version: types.int,
    shadow_version: types.int,
    created_at: types.timestamp,
    created_by: types.string,
    created_as: types.string,
    updated_at: types.timestamp,
    requested_by: types.string,
    authenticated_as: types.string,
    reason: types.string,
  }),
};

function ruleFilter(expression: string): ((rule: Rule) => boolean) | undefined {
  const bindingsOf = ({ version, standing }: Rule): Bindings => ({
    rule: celRecord({
      id: version.id,
      version: BigInt(version.version),
      description: version.description,
      moves: version.moves.map(({ from, to }) => `${from ?? "*"}:${to ?? "*"}`),
      workflow_types: [...version.workflowTypes],
      condition: version.condition,
      expression: version.expression,
      message: version.message,
      priority: BigInt(version.priority),
      action: version.action,
      state: standing.state,
      active_version: BigInt(standing.activeVersion ?? 0),
      shadow_version: BigInt(standing.shadowVersion ?? 0),
      created_at: celTime(version.createdAtMs),
      created_by: version.createdBy,
      created_as: version.createdAs ?? "",
      updated_at: celTime(standing.updatedAtMs),
      requested_by: standing.requestedBy,
      authenticated_as: standing.authenticatedAs ?? "",
      reason: standing.reason,
    }),
  });
  // Rules are few, and none is known by a range of what they are read by.
  return filterOf(expression, ruleFilterVariables, bindingsOf, () => undefined)?.matches;
}
