import { type Proved, provedOf } from "../kernel/principal.ts";
import { compare } from "../kernel/range.ts";
import type { RequestKey } from "../kernel/request-key.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import { type Stretch, stretchOf } from "../kernel/stretch.ts";
import { type Environment, raceCountMax } from "./attempt.ts";
import { noTerms, type PolicyTerms, type TypePolicy } from "./core/policy.ts";
import type { ManagerError } from "./errors.ts";
import { policyCountMax } from "./limits.ts";
import type { PolicyChange, WorkflowStore } from "./ports.ts";

/** A wanted change of the policy of a type. */
export type PolicyCommand = {
  readonly workflowType: string;
  /** 0: there must be none. */
  readonly expectedRevision: number | undefined;
  readonly reason: string;
  readonly requestedBy: string;
  readonly request: RequestKey | undefined;
} & Proved;

type Outcome = Result<TypePolicy, ManagerError>;

/** What is to be stored, and what to answer. */
type Decision = Result<{ readonly policy: TypePolicy | undefined; readonly answer: TypePolicy }, ManagerError>;

export type Policies = Awaited<ReturnType<typeof createPolicies>>;

/** The policies of all types, in memory as they are in the store. */
export async function createPolicies({
  store,
  environment,
}: {
  readonly store: WorkflowStore;
  readonly environment: Pick<Environment, "nowMs">;
}) {
  const byType = new Map<string, TypePolicy>();
  let newest = 0;
  /** A write has failed, and is durable or not. */
  let isUnsure = false;

  async function read(): Promise<void> {
    const stored = await store.policies();
    isUnsure = false;
    newest = stored.newest;
    byType.clear();
    for (const policy of stored.policies) byType.set(policy.workflowType, policy);
  }

  function keep({ newest: revision, workflowType, policy }: PolicyChange): void {
    // Who lost against it has read it already.
    if (newest >= revision) return;
    newest = revision;
    if (policy === undefined) byType.delete(workflowType);
    else byType.set(workflowType, policy);
  }

  async function earlier(request: RequestKey | undefined): Promise<Outcome | undefined> {
    const stored = request && (await store.answer(request.id));
    if (request === undefined || stored === undefined) return undefined;
    return stored.digest === request.digest && "policy" in stored
      ? ok(stored.policy)
      : err({ type: "request-id-reused", requestId: request.id });
  }

  const mismatch = ({ workflowType, expectedRevision: expected }: PolicyCommand): ManagerError => ({
    type: "policy-revision-mismatch",
    workflowType,
    expected,
    current: byType.get(workflowType)?.revision ?? 0,
  });

  /** Decides and writes, again and again until nothing was written between. */
  async function change(command: PolicyCommand, decide: (revision: number) => Decision): Promise<Outcome> {
    const { workflowType, request } = command;
    for (let race = 0; race < raceCountMax; race += 1) {
      // What is answered from the store must be in memory.
      if (isUnsure) await read();
      const answered = await earlier(request);
      if (answered !== undefined) return answered;
      const decided = decide(newest + 1);
      if (!decided.ok) return decided;
      const { policy, answer } = decided.value;
      const revisions = { expectedNewest: newest, newest: newest + 1 };
      const remember = request && { ...request, atMs: environment.nowMs(), answer };
      const wanted = { ...revisions, workflowType, policy, ...(remember && { request: remember }) };
      const applied = await store.applyPolicy(wanted);
      if (applied.ok) {
        keep(wanted);
        return ok(answer);
      }
      if (applied.error.type === "storage-unavailable") {
        isUnsure = applied.error.outcomeUnknown;
        return err(applied.error);
      }
      await read();
    }
    return err(mismatch(command));
  }

  await read();

  return {
    termsOf: (workflowType: string): PolicyTerms => (byType.get(workflowType) ?? byType.get(""))?.terms ?? noTerms,

    /** The type's own. */
    get: (workflowType: string): TypePolicy | undefined => byType.get(workflowType),

    /** In the order of types, those after this one. */
    list(afterType: string | undefined, limit: number): Stretch<TypePolicy, string> {
      const after = [...byType.values()].filter((each) => afterType === undefined || compare(each.workflowType, afterType) > 0);
      const rows = after.toSorted((a, b) => compare(a.workflowType, b.workflowType)).slice(0, limit);
      return stretchOf(rows, limit, ({ workflowType }) => workflowType);
    },

    set: (command: PolicyCommand, terms: PolicyTerms): Promise<Outcome> =>
      change(command, (revision) => {
        const { workflowType, expectedRevision, reason, requestedBy: updatedBy } = command;
        const current = byType.get(workflowType);
        if (!isExpected(expectedRevision, current)) return err(mismatch(command));
        if (current === undefined && byType.size >= policyCountMax) {
          return err({ type: "policy-limit-reached", limit: policyCountMax });
        }
        const policy = {
          workflowType,
          revision,
          terms,
          updatedAtMs: environment.nowMs(),
          updatedBy,
          reason,
          ...provedOf(command),
        };
        return ok({ policy, answer: policy });
      }),

    /** Answers with what there was. */
    delete: (command: PolicyCommand): Promise<Outcome> =>
      change(command, () => {
        const { workflowType, expectedRevision } = command;
        const current = byType.get(workflowType);
        if (current === undefined) return err({ type: "policy-not-found", workflowType });
        return isExpected(expectedRevision, current) ? ok({ policy: undefined, answer: current }) : err(mismatch(command));
      }),
  };
}

const isExpected = (expected: number | undefined, current: TypePolicy | undefined): boolean =>
  expected === undefined || expected === (current?.revision ?? 0);
