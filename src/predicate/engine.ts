import { assert, unreachable } from "../kernel/assert.ts";
import type { Clock } from "../kernel/clock.ts";
import { type CountQuota, noCountQuota } from "../kernel/count-quota.ts";
import type { RuleId } from "../kernel/ids.ts";
import type { JsonObject } from "../kernel/json.ts";
import { provedOf } from "../kernel/principal.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import type { Breathe, Turns } from "../kernel/turns.ts";
import {
  type Answers,
  type AskedOptions,
  createAnswers,
  type Impact,
  type Lint,
  type OnJudged,
  type Question,
} from "./answers.ts";
import type { Violation as MetadataViolation } from "./core/metadata-schema.ts";
import { applyDescription, type Description, descriptionProblem, type RuleDescribed } from "./core/rule-set/apply.ts";
import { deleteItem, setItem } from "./core/rule-set/item-changes.ts";
import { type ItemKind, type ItemSource, itemsOf, nameOf } from "./core/rule-set/items.ts";
import { type RuleSetLimits, ruleSetLimits } from "./core/rule-set/limits.ts";
import type { Plan } from "./core/rule-set/outcome.ts";
import { type Review, reviewSteps } from "./core/rule-set/review.ts";
import { rollBack, rulesToRollBack } from "./core/rule-set/rollback.ts";
import {
  activateRule,
  createRule,
  deactivateRule,
  deleteRule,
  deprecateRule,
  type Found,
  shadowRule,
  updateRule,
  versionOf,
} from "./core/rule-set/rule-changes.ts";
import { compileContents, type RuleSet } from "./core/rule-set.ts";
import type {
  FactSource,
  Rule,
  RuleSetChange,
  RuleSetChangeKind,
  RuleSetContents,
  RuleSetItem,
  RuleSource,
  RuleTestSource,
  RuleVersion,
  WorkflowTypeSource,
} from "./core/types.ts";
import { metadataViolations } from "./core/workflow-types.ts";
import type { ChangeFailure, JudgeFailure, RevisionNotReached } from "./errors.ts";
import { inSlices } from "./in-slices.ts";
import type { ChangeAnswer, Evaluator, RuleStore, RunTests } from "./ports.ts";
import { readKnown, readRules } from "./read-known.ts";
import { type Changed, createRuleSetChanges, type Decide, type Mutation } from "./rule-set-changes.ts";

/** A change of one rule. */
export type RuleCommand = Mutation & { readonly id: RuleId };

/** A fact, a type or a test as it is to be. */
export type SetItem = ItemSource;

/** A rule set as it is to be, whole. */
export type ApplyRuleSet = Mutation & {
  readonly rules: readonly RuleDescribed[];
  readonly facts: readonly FactSource[];
  readonly workflowTypes: readonly WorkflowTypeSource[];
  readonly tests: readonly RuleTestSource[];
  readonly dryRun: boolean;
  /** Of the rule set that the caller has seen. */
  readonly expectedRevision?: number | undefined;
};

/** A change that might be made. */
export type Candidate =
  | { readonly type: "activate"; readonly id: RuleId; readonly version: number | undefined }
  | { readonly type: "deactivate"; readonly id: RuleId }
  | ({ readonly type: "apply" } & Pick<ApplyRuleSet, "rules" | "facts" | "workflowTypes">);

/** What a change of one rule answers. */
export type ChangedRule = ChangeAnswer & { readonly rule: Rule };

type RuleChanged = Promise<Result<ChangedRule, ChangeFailure>>;

/**
 * Keeps what judges compiled, and judges by it. Each change is decided upon the one before, tried, tested, and durable before it is acknowledged
 * and before it judges. The comments of the RPCs in predicate_logic.proto say what each does.
 */
export interface Engine
  extends Answers,
    Pick<RuleStore, "listRules" | "listVersions" | "changesBefore" | "changesAfter" | "keptBeforeLoss" | "onChange"> {
  /** What such a change would make of the judgement of moves. Rejects with the signal's reason. */
  impact(
    candidate: Candidate,
    questions: readonly Question[],
    options: AskedOptions,
  ): Promise<Result<Impact, JudgeFailure | ChangeFailure>>;
  /** What is wrong with the metadata of a workflow of this type. */
  validateMetadata(question: {
    readonly workflowType: string;
    readonly metadata: JsonObject;
    readonly minRevision: number;
  }): Promise<
    Result<{ readonly violations: readonly MetadataViolation[]; readonly ruleSetRevision: number }, RevisionNotReached>
  >;
  /** Rejects with the signal's reason. */
  lint(signal: AbortSignal): Promise<Lint>;
  createRule(command: RuleCommand & RuleSource): RuleChanged;
  /** `expectedVersion` undefined: whichever is the newest. */
  updateRule(command: RuleCommand & RuleSource & { readonly expectedVersion?: number | undefined }): RuleChanged;
  /** `version` undefined: the newest. */
  activate(command: RuleCommand & { readonly version?: number | undefined }): RuleChanged;
  deactivate(command: RuleCommand): RuleChanged;
  /** `version` undefined: it is in shadow no more. */
  shadow(command: RuleCommand & { readonly version?: number | undefined }): RuleChanged;
  deprecate(command: RuleCommand): RuleChanged;
  /** Answers the rule as it was. */
  deleteRule(command: RuleCommand): RuleChanged;
  setItem(
    item: SetItem,
    mutation: Mutation,
  ): Promise<Result<{ readonly item: RuleSetItem; readonly ruleSetRevision: number }, ChangeFailure>>;
  deleteItem(
    command: Mutation & { readonly kind: ItemKind; readonly name: string },
  ): Promise<Result<{ readonly ruleSetRevision: number }, ChangeFailure>>;
  /** The entry of the history; sequence 0: there is none, because nothing is different or because it is a dry run. */
  apply(command: ApplyRuleSet): Promise<Result<RuleSetChange, ChangeFailure>>;
  /** As `apply`. */
  rollback(
    command: Mutation & { readonly revision: number; readonly dryRun: boolean },
  ): Promise<Result<RuleSetChange, ChangeFailure>>;
  /** Stores nothing. */
  checkRule(rule: { readonly id: RuleId } & RuleSource): Promise<Review>;
  /** Undefined: as it is. Answers nothing if there was no such revision. */
  contents(revision?: number): Promise<RuleSetContents | undefined>;
  /** Compiled. As `contents`. */
  ruleSetAt(revision: number | undefined, breathe: Breathe): Promise<RuleSet | undefined>;
  /** Undefined: the newest. */
  rule(id: RuleId, version?: number): Promise<Rule | undefined>;
  ruleSetRevision(): number;
  /** What judges now, by names. */
  judging(): { readonly revision: number; readonly active: ReadonlySet<RuleId>; readonly shadow: ReadonlySet<RuleId> };
  /** Of the last change. */
  changeSequence(): number;
}

/** Reads what is there of a rule, and decides. */
type DecideRule = (found: Found) => Result<Plan, ChangeFailure> | Promise<Result<Plan, ChangeFailure>>;

/** The same, to a version of it. */
type DecideVersion = (found: Found, version: RuleVersion) => Result<Plan, ChangeFailure>;

export async function createEngine({
  store,
  clock,
  evaluator,
  runTests,
  turns,
  limits = ruleSetLimits,
  quota = noCountQuota,
  onJudged,
}: {
  readonly store: RuleStore;
  readonly clock: Pick<Clock, "nowMs">;
  readonly evaluator: Evaluator;
  readonly runTests: RunTests;
  readonly turns: Turns;
  readonly limits?: RuleSetLimits;
  /** Of rules. */
  readonly quota?: CountQuota;
  readonly onJudged?: OnJudged;
}): Promise<Engine> {
  const changes = await createRuleSetChanges({ store, clock, evaluator, runTests, turns, limits, quota });
  const answers = createAnswers({ clock, evaluator, changes, turns, onJudged });
  const revision = (): number => changes.current().present.contents.revision;

  async function changeRule(mutation: Mutation, decide: Decide): RuleChanged {
    const changed = await changes.change(mutation, decide, { tested: true, dryRun: false });
    if (!changed.ok) return changed;
    const { rule, ...answer } = changed.value.answer;
    assert(rule !== undefined, "a change of a rule answers with the rule");
    return ok({ ...answer, rule });
  }

  /** Of a rule that must be there. */
  function ofFound(id: RuleId, decide: DecideRule): Decide {
    return async ({ contents }) => {
      const rule = await store.rule(id, undefined);
      if (rule === undefined) return err({ type: "rule-not-found", ruleId: id, version: undefined });
      return decide({ rule, contents });
    };
  }

  /** Of a rule and this version of it, which must be there. */
  function ofVersion(id: RuleId, version: number | undefined, decide: DecideVersion): Decide {
    return ofFound(id, async (found) => {
      const wanted = version === undefined ? found.rule : await store.rule(id, version);
      return wanted === undefined ? err({ type: "rule-not-found", ruleId: id, version }) : decide(found, wanted.version);
    });
  }

  const changeFound = (command: RuleCommand, decide: DecideRule): RuleChanged => changeRule(command, ofFound(command.id, decide));

  const changeToVersion = (
    command: RuleCommand & { readonly version?: number | undefined },
    decide: DecideVersion,
  ): RuleChanged => changeRule(command, ofVersion(command.id, command.version, decide));

  function ofDescription(described: Description, expected: number | undefined): Decide {
    return async (present, stamp, breathe) => {
      const current = present.contents.revision;
      if (expected !== undefined && expected !== current) return err({ type: "revision-mismatch", expected, current });
      const problem = descriptionProblem(described);
      if (problem !== undefined) return err(problem);
      const known = await readKnown(store, present.contents, described, breathe);
      return applyDescription(present.contents, described, known, stamp, limits);
    };
  }

  function ofCandidate(candidate: Candidate): Decide {
    switch (candidate.type) {
      case "activate":
        return ofVersion(candidate.id, candidate.version, activateRule);
      case "deactivate":
        return ofFound(candidate.id, deactivateRule);
      case "apply":
        return ofDescription(descriptionOf({ ...candidate, tests: [] }), undefined);
      default:
        return unreachable(candidate);
    }
  }

  async function changeSet(
    kind: RuleSetChangeKind,
    command: Mutation & { readonly dryRun: boolean },
    tested: boolean,
    decide: Decide,
  ): Promise<Result<RuleSetChange, ChangeFailure>> {
    const { dryRun } = command;
    const changed = await changes.change(command, decide, { tested, dryRun });
    return changed.ok ? ok(await entryOf(kind, command, changed.value, dryRun)) : changed;
  }

  async function entryOf(
    kind: RuleSetChangeKind,
    mutation: Mutation,
    { answer, atMs, change }: Changed,
    dryRun: boolean,
  ): Promise<RuleSetChange> {
    if (change !== undefined) return dryRun ? { ...change, sequence: 0 } : change;
    const { changeSequence, ruleSetRevision } = answer;
    const { requestedBy, reason } = mutation;
    const said = { kind, changedAtMs: atMs, requestedBy, reason, ...provedOf(mutation) };
    const none = { sequence: 0, revision: ruleSetRevision, ...said, differences: [] };
    if (changeSequence === undefined) return none;
    const { rows } = await store.changesAfter({ sequence: changeSequence - 1, limit: 1 });
    const [entry] = rows;
    assert(entry?.sequence === changeSequence, "a change stays in the history");
    return entry;
  }

  async function contents(at = revision()): Promise<RuleSetContents | undefined> {
    const { present } = changes.current();
    return at === present.contents.revision ? present.contents : store.contentsAt(at);
  }

  return {
    check: answers.check,
    explain: answers.explain,
    lint: answers.lint,
    impact: (candidate, questions, options) => answers.impact(ofCandidate(candidate), questions, options),
    async validateMetadata({ workflowType, metadata, minRevision }) {
      const reached = await answers.reach(minRevision);
      if (!reached.ok) return reached;
      const violations = metadataViolations(changes.current().ruleSet.workflowTypes, workflowType, metadata);
      return ok({ violations, ruleSetRevision: revision() });
    },
    createRule: (command) =>
      changeRule(command, async (_present, stamp) =>
        createRule(command.id, await store.rule(command.id, undefined), ruleSourceOf(command), stamp),
      ),
    updateRule: (command) => {
      const { id, expectedVersion } = command;
      return changeRule(command, async ({ contents }, stamp) => {
        const rule = await store.rule(id, undefined);
        if (rule === undefined) return err({ type: "rule-not-found", ruleId: id, version: undefined });
        const neverUsed = await store.versionsNeverUsed(id);
        return updateRule({ rule, contents }, ruleSourceOf(command), { expectedVersion, neverUsed }, stamp, limits);
      });
    },
    activate: (command) => changeToVersion(command, activateRule),
    deactivate: (command) => changeFound(command, deactivateRule),
    shadow: (command) =>
      command.version === undefined
        ? changeFound(command, (found) => shadowRule(found, undefined))
        : changeToVersion(command, shadowRule),
    deprecate: (command) => changeFound(command, deprecateRule),
    deleteRule: (command) => changeFound(command, deleteRule),
    async setItem(source, mutation) {
      const decide: Decide = async (present, stamp) =>
        ok(setItem(present.contents, source, await store.latestVersion(source.kind, nameOf(source)), stamp));
      const changed = await changes.change(mutation, decide, { tested: true, dryRun: false });
      if (!changed.ok) return changed;
      const { ruleSetRevision } = changed.value.answer;
      const then = await contents(ruleSetRevision);
      const item = then && itemsOf(then).find((each) => each.kind === source.kind && nameOf(each) === nameOf(source));
      assert(item !== undefined, "what was set is part of the rule set of that revision");
      return ok({ item, ruleSetRevision });
    },
    async deleteItem({ kind, name, ...mutation }) {
      const decide: Decide = async (present) => deleteItem(present.contents, kind, name);
      const changed = await changes.change(mutation, decide, { tested: true, dryRun: false });
      return changed.ok ? ok({ ruleSetRevision: changed.value.answer.ruleSetRevision }) : changed;
    },
    apply: (command) => {
      return changeSet("APPLIED", command, true, ofDescription(descriptionOf(command), command.expectedRevision));
    },
    rollback: (command) =>
      changeSet("ROLLED_BACK", command, false, async (present, _stamp, breathe) => {
        const target = await contents(command.revision);
        if (target === undefined) return err({ type: "revision-not-found", revision: command.revision, newest: revision() });
        const ids = rulesToRollBack(present.contents, target);
        return ok(rollBack(target, await readRules(store, ids, breathe), ids));
      }),
    checkRule: (rule) => {
      const stamp = { atMs: clock.nowMs(), requestedBy: "", reason: "" };
      return inSlices(reviewSteps(versionOf(rule.id, 0, ruleSourceOf(rule), stamp), changes.current().ruleSet), turns());
    },
    contents,
    async ruleSetAt(wanted, breathe) {
      const { present, ruleSet } = changes.current();
      if (wanted === undefined || wanted === present.contents.revision) return ruleSet;
      const found = await store.contentsAt(wanted);
      return found && (await inSlices(compileContents(found, ruleSet), breathe)).ruleSet;
    },
    ruleSetRevision: revision,
    judging() {
      const { active, shadow } = changes.current().ruleSet.contents;
      const idsOf = (rules: readonly RuleVersion[]) => new Set(rules.map(({ id }) => id));
      return { revision: revision(), active: idsOf(active), shadow: idsOf(shadow) };
    },
    changeSequence: () => changes.current().present.sequence,
    rule: (id, version) => store.rule(id, version),
    listRules: store.listRules,
    listVersions: store.listVersions,
    changesBefore: store.changesBefore,
    changesAfter: store.changesAfter,
    keptBeforeLoss: store.keptBeforeLoss,
    onChange: store.onChange,
  };
}

/** Nothing else of a command becomes part of a rule. */
function ruleSourceOf(command: RuleSource): RuleSource {
  const { description, operations, moves, workflowTypes, condition, expression, message, priority, action } = command;
  return { description, operations, moves, workflowTypes, condition, expression, message, priority, action };
}

function descriptionOf({
  rules,
  facts,
  workflowTypes,
  tests,
}: Pick<ApplyRuleSet, "rules" | "facts" | "workflowTypes" | "tests">): Description {
  const items: ItemSource[] = [
    ...facts.map((fact) => ({ kind: "FACT", fact }) as const),
    ...workflowTypes.map((workflowType) => ({ kind: "WORKFLOW_TYPE", workflowType }) as const),
    ...tests.map((test) => ({ kind: "TEST", test }) as const),
  ];
  return { rules: rules.map((rule) => ({ ...rule, source: ruleSourceOf(rule.source) })), items };
}
