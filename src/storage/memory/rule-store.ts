import { assert } from "../../kernel/assert.ts";
import type { RequestId, RuleId } from "../../kernel/ids.ts";
import { compare } from "../../kernel/range.ts";
import { err, ok } from "../../kernel/result.ts";
import { stretchOf } from "../../kernel/stretch.ts";
import type { TimeMs } from "../../kernel/time.ts";
import { contentOf, keyOf, type VersionContent, type VersionKey } from "../../predicate/core/rule-set/content.ts";
import type {
  Rule,
  RuleSetChange,
  RuleSetContents,
  RuleSetItemKind,
  RuleStanding,
  RuleVersion,
} from "../../predicate/core/types.ts";
import type { ChangeAnswer, Member, RuleBatch, RuleConflict, RuleStore, StoredVersion } from "../../predicate/ports.ts";

type Membership = Member & { readonly content: VersionContent; readonly fromRevision: number; toRevision: number };

/** For tests. */
export function createMemoryRuleStore(nowMs: () => TimeMs = Date.now): RuleStore {
  let versions: StoredVersion[] = [];
  const standings = new Map<RuleId, RuleStanding>();
  const members: Membership[] = [];
  const changes: RuleSetChange[] = [];
  const answers = new Map<RequestId, ChangeAnswer & { readonly digest: string; readonly atMs: TimeMs }>();
  const listeners = new Set<(sequence: number) => void>();
  let closed = false;

  const revision = (): number => changes.at(-1)?.revision ?? 0;

  const ofName = (kind: RuleSetItemKind, name: string): StoredVersion[] =>
    versions.filter((each) => keyOf(each).kind === kind && keyOf(each).name === name);

  const find = (key: VersionKey): VersionContent => {
    const found = ofName(key.kind, key.name).find((each) => keyOf(each).version === key.version);
    assert(found !== undefined, "a batch is decided on the versions that are stored");
    return contentOf(found);
  };

  const toRule = (standing: RuleStanding, version = standing.latestVersion): Rule => ({
    version: find({ kind: "RULE", name: standing.id, version }) as RuleVersion,
    standing,
  });

  const contentsAt = (at: number): RuleSetContents => {
    const there = members
      .filter(({ fromRevision, toRevision }) => fromRevision <= at && at < toRevision)
      .sort((a, b) => compare(a.name, b.name));
    const of = <Content extends VersionContent>(kind: RuleSetItemKind, role: Member["role"] = "ACTIVE"): Content[] =>
      there.filter((each) => each.kind === kind && each.role === role).map(({ content }) => content as Content);
    return {
      revision: at,
      active: of("RULE"),
      shadow: of("RULE", "SHADOW"),
      facts: of("FACT"),
      workflowTypes: of("WORKFLOW_TYPE"),
      tests: of("TEST"),
    };
  };

  const conflictOf = ({ request, expectedSequence }: RuleBatch): RuleConflict | undefined => {
    if (request !== undefined && answers.has(request.id)) return { type: "request-exists" };
    return expectedSequence === changes.length ? undefined : { type: "stale" };
  };

  const carryOut = (batch: RuleBatch, change: RuleSetChange): void => {
    assert(change.sequence === changes.length + 1, "a history has no gaps");
    for (const gone of batch.membersRemoved) {
      const membership = members.find((each) => isSame(each, gone) && each.toRevision === Number.POSITIVE_INFINITY);
      assert(membership !== undefined, "only what is a member can be removed");
      membership.toRevision = change.revision;
    }
    for (const id of batch.removedRules) {
      assert(standings.delete(id), "only a rule that is there can be removed");
      versions = versions.filter((each) => each.kind !== "RULE" || each.rule.id !== id);
    }
    for (const { id, version } of batch.removedVersions) {
      const removed = find({ kind: "RULE", name: id, version });
      versions = versions.filter((each) => contentOf(each) !== removed);
    }
    for (const version of batch.versions) {
      const { kind, name, version: number } = keyOf(version);
      assert(!ofName(kind, name).some((each) => keyOf(each).version === number), "a version is written once");
      versions.push(version);
    }
    for (const standing of batch.standings) standings.set(standing.id, standing);
    for (const member of batch.membersAdded) {
      members.push({ ...member, content: find(member), fromRevision: change.revision, toRevision: Number.POSITIVE_INFINITY });
    }
    changes.push(change);
  };

  return {
    writable: true,
    onWritableChange: () => () => {},
    keptBeforeMs: (retentionMs) => nowMs() - retentionMs,
    load: async () => ({
      contents: contentsAt(revision()),
      sequence: changes.length,
      idleRuleCount: [...standings.values()].filter(({ state }) => state !== "ACTIVE" && state !== "SHADOW").length,
    }),
    rule: async (id, version) => {
      const standing = standings.get(id);
      const isThere = version === undefined || ofName("RULE", id).some((each) => keyOf(each).version === version);
      return standing && isThere ? toRule(standing, version) : undefined;
    },
    listRules: async ({ afterId, limit }) => {
      const after = [...standings.values()].filter(({ id }) => afterId === undefined || compare(id, afterId) > 0);
      const page = after.sort((a, b) => compare(a.id, b.id)).slice(0, limit);
      return stretchOf(
        page.map((standing) => toRule(standing)),
        limit,
        ({ standing }) => standing.id as string,
      );
    },
    listVersions: async ({ id, beforeVersion = Number.POSITIVE_INFINITY, limit }) => {
      const standing = standings.get(id);
      const rules = standing ? ofName("RULE", id).map((each) => toRule(standing, keyOf(each).version)) : [];
      const before = rules.filter(({ version }) => version.version < beforeVersion);
      const page = before.sort((a, b) => b.version.version - a.version.version).slice(0, limit);
      return stretchOf(page, limit, ({ version }) => version.version);
    },
    countCreatedAs: async (principal) => [...standings.values()].filter(({ createdAs }) => createdAs === principal).length,
    latestVersion: async (kind, name) => Math.max(0, ...ofName(kind, name).map((each) => keyOf(each).version)),
    versionsNeverUsed: async (id) =>
      ofName("RULE", id)
        .filter((version) => !members.some(({ content }) => content === contentOf(version)))
        .map((version) => keyOf(version).version)
        .sort((a, b) => a - b),
    contentsAt: async (at) => (at >= 0 && at <= revision() ? contentsAt(at) : undefined),
    changesAfter: async ({ sequence, limit }) =>
      stretchOf(changes.slice(sequence, sequence + limit), limit, (change) => change.sequence),
    keptBeforeLoss: async () => undefined,
    changesBefore: async ({ sequence = Number.POSITIVE_INFINITY, name, limit }) => {
      const before = changes.filter((each) => each.sequence < sequence && (name === undefined || isOf(each, name)));
      return stretchOf(before.reverse().slice(0, limit), limit, (change) => change.sequence);
    },
    answer: async (requestId) => answers.get(requestId),
    apply: async (batch) => {
      if (closed) return err(closedFailure);
      // A store answers later, never at once.
      await undefined;
      const conflict = conflictOf(batch);
      if (conflict !== undefined) return err({ type: "conflict", conflict });
      const { change, request } = batch;
      if (change !== undefined) carryOut(batch, change);
      if (request !== undefined) answers.set(request.id, { ...request.answer, digest: request.digest, atMs: request.atMs });
      if (change !== undefined) for (const listener of listeners) listener(change.sequence);
      return ok(undefined);
    },
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
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

const isSame = (a: Member, b: Member): boolean => a.kind === b.kind && a.name === b.name && a.role === b.role;

const isOf = ({ differences }: RuleSetChange, name: string): boolean =>
  differences.some(({ before, after }) => [before, after].some((item) => item !== undefined && keyOf(item).name === name));
