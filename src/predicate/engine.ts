import type { RuleId } from "../kernel/ids.ts";
import { isMove, workflowStates } from "../kernel/lifecycle.ts";
import type { RequestKey } from "../kernel/request-key.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import type { TimeMs } from "../kernel/time.ts";
import type { Breathe, Turns } from "../kernel/turns.ts";
import { type CompiledRule, compileSteps, compileStoredSteps, createRuleSet, type RuleSet } from "./core/judge.ts";
import { ruleCountMax } from "./core/limits.ts";
import type { Check, Rule, RuleMove, RuleState, Verdict } from "./core/types.ts";
import type { ChangeRuleFailure, CreateRuleFailure, JudgeFailure, WriteFailure } from "./errors.ts";
import type { AskOptions, Clock, Evaluator, RuleBatch, RuleChange, RuleStore } from "./ports.ts";

export type CreateRule = Pick<
  Rule,
  "id" | "description" | "moves" | "expression" | "message" | "priority" | "reason" | "requestedBy"
> & { readonly request: RequestKey | undefined };

export type ChangeRule = {
  readonly id: RuleId;
  readonly reason: string;
  readonly requestedBy: string;
  readonly request: RequestKey | undefined;
};

/** A question. `atMs` undefined: the engine's clock. */
export type Question = Omit<Check, "atMs"> & { readonly atMs: TimeMs | undefined };

/** Keeps the active rules compiled and judges by them. A change is durable before it is acknowledged and before it judges. */
export interface Engine {
  /** All under one rule-set revision, in the order of the questions. Rejects with the signal's reason. */
  check(questions: readonly Question[], options: AskOptions): Promise<Result<readonly Verdict[], JudgeFailure>>;
  createRule(command: CreateRule): Promise<Result<RuleChange, CreateRuleFailure>>;
  /** No change if it is ACTIVE already. */
  activate(command: ChangeRule): Promise<Result<RuleChange, ChangeRuleFailure>>;
  /** No change if it is INACTIVE already. */
  deactivate(command: ChangeRule): Promise<Result<RuleChange, ChangeRuleFailure>>;
  getRule(id: RuleId): Rule | undefined;
  /** In the order of ids (bytewise), those after `afterId`, at most `limit`. */
  listRules(page: { readonly afterId: string | undefined; readonly limit: number }): readonly Rule[];
  ruleSetRevision(): number;
}

/** A conflict means that another process has written to the store; the third in a row, that it does so all the time. */
const writeAttemptsMax = 3;

export async function createEngine({
  store,
  clock,
  evaluator,
  turns,
  limits = { ruleCountMax },
}: {
  readonly store: RuleStore;
  readonly clock: Clock;
  readonly evaluator: Evaluator;
  readonly turns: Turns;
  readonly limits?: { readonly ruleCountMax: number };
}): Promise<Engine> {
  let rules: ReadonlyMap<RuleId, Rule> = new Map();
  let compiled: ReadonlyMap<RuleId, CompiledRule> = new Map();
  let ruleSet: RuleSet = createRuleSet(0, []);
  /** By id, for lists. */
  let sorted: readonly Rule[] | undefined;
  let lastWrite: Promise<unknown> = Promise.resolve();

  /** One at a time: by `reload` at the start, then within a change. */
  async function adopt(stored: Iterable<Rule>, revision: number): Promise<void> {
    const adopted = new Map([...stored].map((rule) => [rule.id, rule]));
    const active = [...adopted.values()].filter((rule) => rule.state === "ACTIVE");
    const compiling = new Map<RuleId, CompiledRule>();
    const breathe = turns();
    for (const rule of active) {
      const before = compiled.get(rule.id);
      // A version never changes, so it needs to be compiled only once.
      const isKnown = before?.rule.version === rule.version;
      compiling.set(rule.id, isKnown ? before : await inSlices(compileStoredSteps(rule), breathe));
    }
    rules = adopted;
    sorted = undefined;
    compiled = compiling;
    // Drafts do not change it.
    if (revision === ruleSet.revision && active.length === ruleSet.active.length) return;
    ruleSet = createRuleSet(revision, [...compiled.values()]);
    evaluator.prepare(ruleSet);
  }

  async function reload(): Promise<void> {
    const stored = await store.load();
    await adopt(stored.rules, stored.revision);
  }

  /** One change after the other: each is decided upon the outcome of the one before. */
  function change<E>(
    request: RequestKey | undefined,
    decide: () => Result<RuleBatch, E>,
  ): Promise<Result<RuleChange, E | WriteFailure>> {
    const write = lastWrite.then(() => decideAndWrite(request, decide));
    lastWrite = write.catch(() => undefined);
    return write;
  }

  async function decideAndWrite<E>(
    request: RequestKey | undefined,
    decide: () => Result<RuleBatch, E>,
  ): Promise<Result<RuleChange, E | WriteFailure>> {
    for (let attempt = 1; ; attempt += 1) {
      if (request !== undefined) {
        const answer = await store.answer(request.id);
        if (answer !== undefined) {
          if (answer.digest !== request.digest) return err({ type: "request-id-reused", requestId: request.id });
          return ok({ rule: answer.rule, ruleSetRevision: answer.ruleSetRevision });
        }
      }
      const decision = decide();
      if (!decision.ok) return decision;
      const batch = decision.value;
      const written = await store.apply(
        request === undefined ? batch : { ...batch, request: { ...request, atMs: clock.nowMs() } },
      );
      if (written.ok) {
        await adopt(new Map(rules).set(batch.rule.id, batch.rule).values(), batch.revision.next);
        return ok({ rule: batch.rule, ruleSetRevision: batch.revision.next });
      }
      const failure = written.error;
      // Memory is behind the store, or may be.
      if (failure.type === "conflict" || failure.outcomeUnknown) await reload();
      if (failure.type === "storage-unavailable") return err({ type: "storage-unavailable", cause: failure.cause });
      if (attempt === writeAttemptsMax) {
        return err({ type: "storage-unavailable", cause: "another process keeps changing the rules" });
      }
    }
  }

  function setState(
    { id, reason, requestedBy, request }: ChangeRule,
    next: RuleState,
    from: readonly RuleState[],
  ): Promise<Result<RuleChange, ChangeRuleFailure>> {
    return change<ChangeRuleFailure>(request, () => {
      const rule = rules.get(id);
      if (rule === undefined) return err({ type: "rule-not-found", ruleId: id });
      const expected = { version: rule.version, state: rule.state };
      const revision = ruleSet.revision;
      if (rule.state === next) return ok({ rule, expected, revision: { expected: revision, next: revision } });
      if (!from.includes(rule.state)) return err({ type: "rule-state", ruleId: id, state: rule.state });
      return ok({
        rule: { ...rule, state: next, updatedAtMs: clock.nowMs(), reason, requestedBy },
        expected,
        revision: { expected: revision, next: revision + 1 },
      });
    });
  }

  await reload();

  return {
    check(questions, options) {
      // One `now` for all of a call.
      let nowMs: TimeMs | undefined;
      const now = (): TimeMs => {
        nowMs ??= clock.nowMs();
        return nowMs;
      };
      const checks = questions.map((question): Check => ({ ...question, atMs: question.atMs ?? now() }));
      return evaluator.judge(ruleSet, checks, options);
    },
    async createRule({ request, ...wanted }) {
      const atMs = clock.nowMs();
      const rule: Rule = { ...wanted, version: 1, state: "DRAFT", createdAtMs: atMs, updatedAtMs: atMs };
      const index = rule.moves.findIndex((move) => !exists(move));
      if (index >= 0) return err({ type: "move-unknown", index });
      const compiledRule = await inSlices(compileSteps(rule), turns());
      if (!compiledRule.ok) return err({ type: "rule-invalid", ruleId: rule.id, error: compiledRule.error });
      return change<CreateRuleFailure>(request, () => {
        if (rules.has(rule.id)) return err({ type: "rule-exists", ruleId: rule.id });
        if (rules.size >= limits.ruleCountMax) return err({ type: "rule-limit", limit: limits.ruleCountMax });
        return ok({ rule, expected: "absent", revision: { expected: ruleSet.revision, next: ruleSet.revision } });
      });
    },
    activate: (command) => setState(command, "ACTIVE", ["DRAFT", "INACTIVE"]),
    deactivate: (command) => setState(command, "INACTIVE", ["ACTIVE"]),
    getRule: (id) => rules.get(id),
    listRules({ afterId, limit }) {
      sorted ??= [...rules.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
      const first = afterId === undefined ? 0 : sorted.findIndex(({ id }) => id > afterId);
      return first < 0 ? [] : sorted.slice(first, first + limit);
    },
    ruleSetRevision: () => ruleSet.revision,
  };
}

async function inSlices<Value>(steps: Generator<void, Value>, breathe: Breathe): Promise<Value> {
  for (;;) {
    const pause = breathe();
    if (pause !== undefined) await pause;
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/** Whether the lifecycle has a move that this one covers. */
function exists({ from, to }: RuleMove): boolean {
  return workflowStates.some((a) => (from ?? a) === a && workflowStates.some((b) => (to ?? b) === b && isMove(a, b)));
}
