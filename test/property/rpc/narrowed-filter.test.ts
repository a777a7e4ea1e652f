import fc from "fast-check";
import { expect, test } from "vitest";
import { covers, type Extent, isInScope, scopeOf, type WorkflowScope } from "../../../src/access/core/scope.ts";
import { isWithin } from "../../../src/kernel/range.ts";
import { workflowFilter } from "../../../src/rpc/filter.ts";
import { narrowedText } from "../../../src/rpc/narrowed-filter.ts";
import { workflow } from "../../support/storage-values.ts";

// What callers may see of a list: by a filter that is narrowed (lists, counts, watches), and by one in words (bulk operations).

const types = ["", "a", "ab", "b", "c"];
const ids = ["a", "a-1", "ab", "b-1", "b-2", "c"];
const all = types.flatMap((type) => ids.map((id) => workflow(id, { type })));

const pattern = fc.constantFrom("", "a", "ab", "b", "a*", "*", "c*");
const extent: fc.Arbitrary<Extent> = fc.record({
  types: fc.option(fc.uniqueArray(pattern, { minLength: 1, maxLength: 3 }), { nil: undefined }),
  idPrefix: fc.constantFrom("", "a", "a-", "b", "z"),
});
const scope: fc.Arbitrary<WorkflowScope> = fc.array(extent, { minLength: 1, maxLength: 3 }).map(scopeOf);
const filter = fc.constantFrom(
  "",
  "true",
  "true // not the end )",
  "workflow.type == 'a' || workflow.id == 'c'",
  "workflow.id.startsWith('a')",
  "workflow.type != 'b'",
  "workflow.metadata.none == 1 || true",
);

test("a narrowed filter wants what is wanted and visible, and its text says the same", () => {
  fc.assert(
    fc.property(scope, filter, (seen, text) => {
      const plain = workflowFilter(text);
      const wanted = all.filter((each) => isInScope(seen, each) && (plain?.matches(each) ?? true));
      const byFilter = workflowFilter(text, seen);
      expect(all.filter((each) => byFilter?.matches(each) ?? true)).toEqual(wanted);
      const inWords = workflowFilter(narrowedText(text, seen));
      expect(all.filter((each) => inWords?.matches(each) ?? true)).toEqual(wanted);
    }),
  );
});

test("what a store passes over for it is not visible, and where only types are compared, they say all", () => {
  fc.assert(
    fc.property(scope, filter, (seen, text) => {
      const narrowed = workflowFilter(text, seen);
      // As those are counted of which the store keeps counts: rpc/workflow/counts.
      const saysTypes = narrowed?.onlyCompares && narrowed.comparisons.every(({ field }) => field === "workflow.type");
      for (const each of all) {
        const isInRanges = isWithin<string>(narrowed?.known.id, each.id) && isWithin(narrowed?.known.type, each.type);
        if (narrowed?.matches(each)) expect(isInRanges).toBe(true);
        if (saysTypes) expect(narrowed?.matches(workflow("", { type: each.type }))).toBe(narrowed?.matches(each));
      }
    }),
  );
});

test("a scope covers another only if all that is in the other is in it, and always covers itself", () => {
  fc.assert(
    fc.property(scope, scope, (a, b) => {
      expect(covers(a, a)).toBe(true);
      if (covers(a, b)) for (const each of all) if (isInScope(b, each)) expect(isInScope(a, each)).toBe(true);
    }),
  );
});
