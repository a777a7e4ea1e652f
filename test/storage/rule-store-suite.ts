import { afterEach, describe, expect, test } from "vitest";
import { err, ok } from "../../src/kernel/result.ts";
import type { RuleStanding, RuleVersion } from "../../src/predicate/core/types.ts";
import type { RuleBatch, RuleStore } from "../../src/predicate/ports.ts";
import {
  activation,
  batchOf,
  changeOf,
  draft,
  factOf,
  hostile,
  itemOf,
  memberOf,
  request,
  requestId,
  ruleId,
  sampleLastEvent,
  standingOf,
  stored,
  testOf,
  typeOf,
  versionOf,
} from "../support/rule-batches.ts";

const stale = err({ type: "conflict", conflict: { type: "stale" } });
const empty = { active: [], shadow: [], facts: [], workflowTypes: [], tests: [] };

/** What every rule store must do. `open` gives a new, empty store. */
export function ruleStoreSuite(name: string, open: () => Promise<RuleStore>): void {
  const opened: RuleStore[] = [];
  const openStore = async (): Promise<RuleStore> => {
    const store = await open();
    opened.push(store);
    return store;
  };
  /** All of these take effect. */
  const storeWith = async (...batches: readonly RuleBatch[]): Promise<RuleStore> => {
    const store = await openStore();
    for (const batch of batches) expect(await store.apply(batch)).toEqual(ok(undefined));
    return store;
  };
  afterEach(async () => {
    for (const store of opened.splice(0)) await store.close();
  });

  /** Everything that the port can show of rules, for comparing. */
  const everything = async (store: RuleStore) => ({
    loaded: await store.load(),
    rules: (await store.listRules({ afterId: undefined, limit: 1_000 })).rows,
    changes: (await store.changesAfter({ sequence: 0, limit: 1_000 })).rows,
    answer: await store.answer(requestId("r")),
  });

  describe(`rule store: ${name}`, () => {
    test("a new store is empty, at revision 0 and sequence 0, and writable", async () => {
      const store = await openStore();
      expect(await store.load()).toStrictEqual({ contents: { revision: 0, ...empty }, sequence: 0, idleRuleCount: 0 });
      expect(await store.contentsAt(0)).toStrictEqual({ revision: 0, ...empty });
      expect(await store.contentsAt(1)).toBeUndefined();
      expect(await store.rule(ruleId("cold"), undefined)).toBeUndefined();
      expect(await store.listVersions({ id: ruleId("cold"), beforeVersion: undefined, limit: 1 })).toMatchObject({ rows: [] });
      expect(await store.changesBefore({ sequence: undefined, name: undefined, limit: 1 })).toMatchObject({ rows: [] });
      expect(store.writable).toBe(true);
      store.onWritableChange(() => {})();
      expect(store.keptBeforeMs(1_000)).toBeLessThanOrEqual(Date.now());
    });

    test("each part of a rule set is read as it was written, every field, with its change", async () => {
      const active = versionOf("cold");
      const shadow = versionOf("cold", 2, { moves: [], workflowTypes: [], condition: "", message: "", description: "" });
      const tests = [
        testOf("a", { lastEvent: undefined }),
        testOf("b", { lastEvent: { ...sampleLastEvent, type: undefined, fromState: undefined, toState: undefined } }),
        testOf(hostile),
      ];
      const parts = [factOf("f"), typeOf("a", undefined), typeOf("b", { [hostile]: [1, null] }), ...tests];
      const standing = standingOf("cold", {
        state: "ACTIVE",
        latestVersion: 2,
        activeVersion: 1,
        shadowVersion: 2,
        hasJudged: true,
      });
      const differences = [
        { before: undefined, after: itemOf(active, "ACTIVE") },
        { before: undefined, after: itemOf(shadow, "SHADOW") },
        ...parts.map((part) => ({ before: undefined, after: itemOf(part, "ACTIVE") })),
      ];
      const batch = batchOf(0, {
        revision: 1,
        differences,
        versions: [active, shadow, ...parts].map(stored),
        standings: [standing],
        membersAdded: [memberOf(active), memberOf(shadow, "SHADOW"), ...parts.map((part) => memberOf(part))],
        request: request("r", 1),
      });
      const store = await storeWith(batch);
      const contents = {
        revision: 1,
        active: [active],
        shadow: [shadow],
        facts: [parts[0]],
        workflowTypes: [parts[1], parts[2]],
        tests,
      };
      expect(await store.load()).toStrictEqual({ contents, sequence: 1, idleRuleCount: 0 });
      expect(await store.contentsAt(1)).toStrictEqual(contents);
      expect(await store.rule(ruleId("cold"), undefined)).toStrictEqual({ version: shadow, standing });
      expect(await store.rule(ruleId("cold"), 1)).toStrictEqual({ version: active, standing });
      expect(await store.rule(ruleId("cold"), 3)).toBeUndefined();
      expect((await store.changesAfter({ sequence: 0, limit: 9 })).rows).toStrictEqual([batch.change]);
      expect((await store.changesBefore({ sequence: undefined, name: hostile, limit: 9 })).rows).toStrictEqual([batch.change]);
      const { id: _, answer, ...key } = request("r", 1);
      expect(await store.answer(requestId("r"))).toStrictEqual({ ...answer, ...key });
    });

    test("rules are counted by who has created them, as long as they are there", async () => {
      const creation = (sequence: number, id: string, createdAs?: string): RuleBatch =>
        batchOf(sequence, {
          differences: [{ before: undefined, after: itemOf(versionOf(id), "DRAFT") }],
          versions: [stored(versionOf(id))],
          standings: [standingOf(id, createdAs === undefined ? {} : { createdAs, authenticatedAs: createdAs })],
        });
      const change = batchOf(4, {
        differences: [{ before: itemOf(versionOf("a"), "DRAFT"), after: itemOf(versionOf("a", 2), "DRAFT") }],
        versions: [stored(versionOf("a", 2))],
        standings: [standingOf("a", { createdAs: hostile, authenticatedAs: "eve", latestVersion: 2 })],
      });
      const deletion = batchOf(5, {
        differences: [{ before: itemOf(versionOf("b"), "DRAFT"), after: undefined }],
        removedRules: [ruleId("b")],
      });
      const store = await storeWith(
        ...[creation(0, "a", hostile), creation(1, "b", hostile), creation(2, "c", "eve"), creation(3, "d"), change],
      );
      const counts = () => Promise.all([hostile, "eve", ""].map((principal) => store.countCreatedAs(principal)));
      expect(await counts()).toEqual([2, 1, 0]);
      expect(await store.apply(deletion)).toEqual(ok(undefined));
      expect(await counts()).toEqual([1, 1, 0]);
    });

    test("another sequence is a conflict and writes nothing, not even its answer", async () => {
      const store = await storeWith(activation(0, 1, "cold"));
      const before = await everything(store);
      for (const sequence of [0, 2]) {
        expect(await store.apply({ ...activation(sequence, 2, "warm"), request: request("r") })).toEqual(stale);
        expect(await store.apply(batchOf(sequence, { change: undefined, request: request("r") }))).toEqual(stale);
      }
      expect(await everything(store)).toStrictEqual(before);
    });

    test("of batches that were decided on the same change one is applied", async () => {
      const store = await openStore();
      const writing = Promise.all(["a", "b", "c"].map((id) => store.apply(activation(0, 1, id))));
      expect((await store.load()).sequence).toBe(0);
      expect(await writing).toStrictEqual([ok(undefined), stale, stale]);
      expect((await store.load()).contents.active.map(({ id }) => id)).toStrictEqual(["a"]);
    });

    test("a request id is answered once, and told before all else", async () => {
      const store = await storeWith({ ...draft(0, "cold"), request: request("r") });
      const { id: _, answer, ...key } = request("r");
      expect(await store.answer(requestId("r"))).toStrictEqual({ ...answer, ...key });
      const before = await everything(store);
      const again = { ...draft(1, "warm"), request: request("r", 9) };
      const known = err({ type: "conflict", conflict: { type: "request-exists" } });
      expect(await store.apply(again)).toEqual(known);
      expect(await store.apply({ ...again, expectedSequence: 0 })).toEqual(known);
      expect(await everything(store)).toStrictEqual(before);
    });

    test("a batch without a change only remembers its answer", async () => {
      const store = await storeWith(draft(0, "cold"));
      const told: number[] = [];
      store.onChange((sequence) => told.push(sequence));
      const answer = { ruleSetRevision: 0, rule: undefined, changeSequence: undefined };
      const only = batchOf(1, { change: undefined, request: { ...request("r"), answer } });
      expect(await store.apply(only)).toEqual(ok(undefined));
      expect(await store.answer(requestId("r"))).toStrictEqual({ ...answer, digest: "digest of r", atMs: 5 });
      expect(await store.load()).toMatchObject({ sequence: 1, idleRuleCount: 1 });
      expect(told).toStrictEqual([]);
    });

    test("a rule set is at each revision what it was then", async () => {
      const [old, next] = [versionOf("b"), versionOf("b", 2)];
      const store = await storeWith(
        activation(0, 1, "b"),
        activation(1, 2, "a"),
        draft(2, "draft", { change: { ...changeOf(3, 2) } }),
        batchOf(3, {
          revision: 3,
          differences: [{ before: itemOf(old, "ACTIVE"), after: itemOf(next, "ACTIVE") }],
          versions: [stored(next)],
          standings: [standingOf("b", { state: "ACTIVE", latestVersion: 2, activeVersion: 2, hasJudged: true })],
          membersRemoved: [memberOf(old)],
          membersAdded: [memberOf(next)],
        }),
        batchOf(4, { revision: 4, membersRemoved: [memberOf(next)], membersAdded: [memberOf(next, "SHADOW")] }),
        batchOf(5, { revision: 5, membersRemoved: [memberOf(next, "SHADOW")], membersAdded: [memberOf(old)] }),
      );
      const at = async (revision: number) => {
        const contents = await store.contentsAt(revision);
        const names = (rules: readonly RuleVersion[] = []) => rules.map(({ id, version }) => `${id}${version}`).join(" ");
        return contents && [contents.revision, names(contents.active), names(contents.shadow)];
      };
      expect(await Promise.all([-1, 0, 1, 2, 3, 4, 5, 6].map(at))).toStrictEqual([
        undefined,
        [0, "", ""],
        [1, "b1", ""],
        [2, "a1 b1", ""],
        [3, "a1 b2", ""],
        [4, "a1", "b2"],
        [5, "a1 b1", ""],
        undefined,
      ]);
      expect((await store.load()).contents).toStrictEqual(await store.contentsAt(5));
    });

    test("parts come in the order of their names, bytewise", async () => {
      // U+FF61 sorts before U+1F600 as bytes, after it as UTF-16.
      const names = ["B", "a", "a-1", "a1", "b", "｡", "😀"];
      const tests = ["b", "😀", "a1", "B", "｡", "a", "a-1"].map((each) => testOf(each));
      const store = await storeWith(
        batchOf(0, { revision: 1, versions: tests.map(stored), membersAdded: tests.map((each) => memberOf(each)) }),
      );
      expect((await store.load()).contents.tests.map((each) => each.name)).toStrictEqual(names);
    });

    test("rules are listed in the bytewise order of ids, each in its newest version, page by page", async () => {
      const ids = ["B", "a", "a-1", "a.1", "a1", "b"];
      const drafts = ["b", "a1", "a", "a.1", "B", "a-1"].map((id, index) => draft(index, id));
      const newest = versionOf("a1", 2);
      const store = await storeWith(
        ...drafts,
        batchOf(6, { versions: [stored(newest)], standings: [standingOf("a1", { latestVersion: 2 })] }),
      );
      for (const limit of [1, 4, 6, 100]) {
        const listed = [];
        for (let afterId: string | undefined; ; ) {
          const { rows, upTo, looked } = await store.listRules({ afterId, limit });
          expect(rows.length).toBeLessThanOrEqual(limit);
          expect(looked).toBe(rows.length);
          listed.push(...rows);
          if (upTo === undefined) break;
          afterId = upTo;
        }
        expect(listed.map(({ version }) => version)).toStrictEqual(ids.map((id) => (id === "a1" ? newest : versionOf(id))));
      }
      expect(await store.listRules({ afterId: "a.", limit: 1 })).toMatchObject({ upTo: "a.1" });
    });

    test("versions of a rule are listed newest first, page by page, under its one standing", async () => {
      const versions = [1, 2, 3, 4, 5].map((version) => versionOf("a", version));
      const standing = standingOf("a", { latestVersion: 5 });
      const store = await storeWith(batchOf(0, { versions: versions.map(stored), standings: [standing] }), draft(1, "aa"));
      const first = await store.listVersions({ id: ruleId("a"), beforeVersion: undefined, limit: 3 });
      expect(first.rows).toStrictEqual([4, 3, 2].map((index) => ({ version: versions[index], standing })));
      expect(first.upTo).toBe(3);
      const rest = await store.listVersions({ id: ruleId("a"), beforeVersion: 3, limit: 3 });
      expect(rest).toMatchObject({ rows: [{ version: { version: 2 } }, { version: { version: 1 } }], upTo: undefined });
    });

    test("the newest version of a fact, a type or a test is known after it was removed from the rule set", async () => {
      const [one, two] = [factOf("n"), factOf("n", 2)];
      const store = await storeWith(
        batchOf(0, { revision: 1, versions: [stored(one)], membersAdded: [memberOf(one)] }),
        batchOf(1, { revision: 2, versions: [stored(two)], membersRemoved: [memberOf(one)], membersAdded: [memberOf(two)] }),
        batchOf(2, { revision: 3, membersRemoved: [memberOf(two)] }),
      );
      expect(await store.latestVersion("FACT", "n")).toBe(2);
      expect(await store.latestVersion("TEST", "n")).toBe(0);
      expect(await store.latestVersion("WORKFLOW_TYPE", "n")).toBe(0);
    });

    test("a removed rule frees its id; the history and old revisions keep what it said", async () => {
      const first = versionOf("a", 1, { expression: "false" });
      const second = versionOf("a", 1, { expression: "true" });
      const removal = batchOf(1, {
        revision: 2,
        differences: [{ before: itemOf(first, "SHADOW"), after: undefined }],
        removedRules: [ruleId("a")],
        membersRemoved: [memberOf(first, "SHADOW")],
      });
      const creation = draft(2, "a", {
        change: changeOf(3, 2, [{ before: undefined, after: itemOf(second, "DRAFT") }]),
        versions: [stored(second)],
      });
      const store = await storeWith(
        batchOf(0, {
          revision: 1,
          differences: [{ before: undefined, after: itemOf(first, "SHADOW") }],
          versions: [stored(first)],
          standings: [standingOf("a", { state: "SHADOW", shadowVersion: 1 })],
          membersAdded: [memberOf(first, "SHADOW")],
        }),
        removal,
      );
      expect(await store.rule(ruleId("a"), undefined)).toBeUndefined();
      expect(await store.rule(ruleId("a"), 1)).toBeUndefined();
      expect(await store.load()).toMatchObject({ sequence: 2 });
      expect((await store.listRules({ afterId: undefined, limit: 9 })).rows).toStrictEqual([]);
      expect((await store.listVersions({ id: ruleId("a"), beforeVersion: undefined, limit: 9 })).rows).toStrictEqual([]);
      expect(await store.apply(creation)).toEqual(ok(undefined));
      expect(await store.rule(ruleId("a"), undefined)).toStrictEqual({ version: second, standing: standingOf("a") });
      expect(await store.contentsAt(1)).toStrictEqual({ revision: 1, ...empty, shadow: [first] });
      const { rows } = await store.changesBefore({ sequence: 3, name: "a", limit: 1 });
      expect(rows).toStrictEqual([removal.change]);
      expect((await store.changesAfter({ sequence: 2, limit: 1 })).rows).toStrictEqual([creation.change]);
    });

    test("a rule can be removed and written anew in one change", async () => {
      const [first, second] = [versionOf("a", 1, { expression: "false" }), versionOf("a")];
      const replacement = batchOf(1, {
        differences: [{ before: itemOf(first, "DRAFT"), after: itemOf(second, "DRAFT") }],
        removedRules: [ruleId("a")],
        versions: [stored(second)],
        standings: [standingOf("a")],
      });
      const store = await storeWith(draft(0, "a", { versions: [stored(first)] }), replacement);
      expect((await store.changesAfter({ sequence: 1, limit: 1 })).rows).toStrictEqual([replacement.change]);
      expect(await store.rule(ruleId("a"), 1)).toMatchObject({ version: second });
      expect(await store.load()).toMatchObject({ idleRuleCount: 1 });
    });

    test("versions that never judged are removed from a rule that stays", async () => {
      const two = versionOf("a", 2);
      const [fact, rule] = [factOf("a", 2), versionOf("b")];
      const removed = batchOf(3, {
        revision: 1,
        differences: [{ before: itemOf(two, "DRAFT"), after: itemOf(versionOf("a"), "DRAFT") }],
        removedVersions: [{ id: ruleId("a"), version: 2 }],
        standings: [standingOf("a")],
      });
      const store = await storeWith(
        draft(0, "a"),
        batchOf(1, { versions: [stored(two)], standings: [standingOf("a", { latestVersion: 2 })] }),
        // What has the same name, or the same number, stays.
        batchOf(2, {
          revision: 1,
          versions: [stored(fact), stored(rule), stored(versionOf("b", 2))],
          standings: [standingOf("b", { latestVersion: 2 })],
          membersAdded: [memberOf(fact)],
        }),
        removed,
      );
      expect(await store.latestVersion("FACT", "a")).toBe(2);
      expect(await store.rule(ruleId("b"), 2)).toMatchObject({ version: { version: 2 } });
      expect(await store.rule(ruleId("a"), 2)).toBeUndefined();
      expect(await store.rule(ruleId("a"), undefined)).toMatchObject({ version: { version: 1 } });
      expect((await store.changesAfter({ sequence: 3, limit: 1 })).rows).toStrictEqual([removed.change]);
      expect(await store.apply(batchOf(4, { revision: 1, versions: [stored(two)] }))).toEqual(ok(undefined));
    });

    test("versions that were never active or in shadow are known, also after others were", async () => {
      const versions = [1, 2, 3, 4].map((version) => versionOf("a", version));
      const [, active = versionOf(""), shadow = versionOf("")] = versions;
      const store = await storeWith(
        batchOf(0, { versions: versions.map(stored), standings: [standingOf("a", { latestVersion: 4 })] }),
        draft(1, "b"),
        batchOf(2, { revision: 1, membersAdded: [memberOf(active), memberOf(shadow, "SHADOW")] }),
        batchOf(3, { revision: 2, membersRemoved: [memberOf(active), memberOf(shadow, "SHADOW")] }),
      );
      expect(await store.versionsNeverUsed(ruleId("a"))).toStrictEqual([1, 4]);
      expect(await store.versionsNeverUsed(ruleId("none"))).toStrictEqual([]);
    });

    test("rules that are neither active nor in shadow are counted", async () => {
      const move = (sequence: number, fields: Partial<RuleStanding>) =>
        batchOf(sequence, { standings: [standingOf("a", fields)] });
      const store = await openStore();
      const counts = [];
      const batches = [
        draft(0, "a"),
        activation(1, 1, "b"),
        move(2, { state: "SHADOW", shadowVersion: 1 }),
        move(3, { state: "ACTIVE", activeVersion: 1 }),
        move(4, { state: "INACTIVE" }),
        move(5, { state: "DEPRECATED" }),
        batchOf(6, { removedRules: [ruleId("a")] }),
      ];
      for (const batch of batches) {
        expect(await store.apply(batch)).toEqual(ok(undefined));
        counts.push((await store.load()).idleRuleCount);
      }
      expect(counts).toStrictEqual([1, 1, 0, 0, 1, 1, 0]);
    });

    test.each([
      ["a version that is there", { versions: [stored(versionOf("a", 1, { expression: "false" }))] }],
      ["a member that is not there", { revision: 2, membersRemoved: [memberOf(versionOf("a"), "SHADOW")] }],
      ["a member without a version", { revision: 2, membersAdded: [memberOf(versionOf("a", 2), "SHADOW")] }],
      ["a rule to remove that is not there", { removedRules: [ruleId("b")] }],
      ["a version to remove that is not there", { removedVersions: [{ id: ruleId("a"), version: 2 }] }],
    ] satisfies [string, Partial<RuleBatch> & { revision?: number }][])("a batch with %s is a defect", async (_, fields) => {
      const store = await storeWith(activation(0, 1, "a"));
      const before = await store.load();
      await expect(store.apply(batchOf(1, { revision: 1, ...fields }))).rejects.toThrow();
      expect((await store.load()).contents).toStrictEqual(before.contents);
    });

    test("the history goes both ways, page by page, of all names or of one", async () => {
      const touch = (sequence: number, ...ids: readonly string[]): RuleBatch => {
        const rules = ids.map((id) => versionOf(id, sequence + 1));
        return batchOf(sequence, {
          versions: rules.map(stored),
          differences: rules.map((rule) => ({ before: undefined, after: itemOf(rule, "DRAFT") })),
        });
      };
      const batches = [touch(0, "a"), touch(1, "b"), touch(2, "a", "b"), touch(3), touch(4, "ab"), touch(5, "a")];
      const store = await storeWith(...batches);
      const all = batches.map(({ change }) => change);
      for (const limit of [1, 2, 6, 100]) {
        const after = [];
        for (let sequence = 0; ; ) {
          const { rows, upTo } = await store.changesAfter({ sequence, limit });
          after.push(...rows);
          if (upTo === undefined) break;
          sequence = upTo;
        }
        expect(after).toStrictEqual(all);
        for (const [of, sequences] of [
          [undefined, [6, 5, 4, 3, 2, 1]],
          ["a", [6, 3, 1]],
          ["b", [3, 2]],
          ["none", []],
        ] as const) {
          const before = [];
          for (let sequence: number | undefined; ; ) {
            const { rows, upTo } = await store.changesBefore({ sequence, name: of, limit });
            before.push(...rows);
            if (upTo === undefined) break;
            sequence = upTo;
          }
          expect(before).toStrictEqual(sequences.map((each) => all[each - 1]));
        }
      }
      expect((await store.changesAfter({ sequence: 6, limit: 1 })).rows).toStrictEqual([]);
    });

    test("answers are purged by age, a limited number at a time", async () => {
      const ids = ["r1", "r2", "r3", "r4"];
      const store = await storeWith(
        ...ids.map((id, index) => ({ ...draft(index, id), request: request(id, undefined, 10 - index) })),
      );
      expect(await store.purge({ olderThanMs: 10, limit: 2 })).toEqual(ok(2));
      const left = await Promise.all(ids.map((id) => store.answer(requestId(id))));
      expect(left.map((answer) => answer !== undefined)).toEqual([true, true, false, false]);
      expect(await store.purge({ olderThanMs: 10, limit: 2 })).toEqual(ok(1));
      expect(await store.load()).toMatchObject({ sequence: 4 });
    });

    test("a listener is told of each change that can be read, before it is acknowledged, and of nothing else", async () => {
      const store = await openStore();
      const told: string[] = [];
      const unsubscribe = store.onChange((sequence) => {
        told.push(`told ${sequence}`);
        void store.changesAfter({ sequence: sequence - 1, limit: 1 }).then(({ rows }) => told.push(`read ${rows[0]?.sequence}`));
      });
      for (const [sequence, id] of ["a", "b"].entries()) {
        await store.apply(draft(sequence, id));
        told.push(`applied ${sequence + 1}`);
        await store.apply(draft(sequence, id));
        await store.purge({ olderThanMs: 1, limit: 1 });
      }
      expect(told.filter((each) => !each.startsWith("read"))).toStrictEqual(["told 1", "applied 1", "told 2", "applied 2"]);
      expect(told.filter((each) => each.startsWith("read"))).toStrictEqual(["read 1", "read 2"]);
      unsubscribe();
      await store.apply(draft(2, "c"));
      expect(told).not.toContain("told 3");
    });

    test("a closed store refuses writes; what was begun before is written; closing again does nothing", async () => {
      const store = await openStore();
      const last = store.apply(draft(0, "a"));
      await Promise.all([store.close(), store.close()]);
      expect(await last).toEqual(ok(undefined));
      expect(await store.apply(draft(1, "b"))).toMatchObject({ error: { type: "storage-unavailable", outcomeUnknown: false } });
      expect(await store.purge({ olderThanMs: 1, limit: 1 })).toMatchObject({ error: { type: "storage-unavailable" } });
    });
  });
}
