import { assert } from "../../src/kernel/assert.ts";
import type { RequestId, RuleId } from "../../src/kernel/ids.ts";
import { keyOf } from "../../src/predicate/core/rule-set/content.ts";
import type {
  Fact,
  RuleRole,
  RuleSetChange,
  RuleSetDifference,
  RuleSetItem,
  RuleStanding,
  RuleTest,
  RuleVersion,
  WorkflowType,
} from "../../src/predicate/core/types.ts";
import type { Member, RuleBatch, StoredVersion } from "../../src/predicate/ports.ts";
import { checkOf, sampleCheck } from "./rule-values.ts";

export const ruleId = (id: string): RuleId => id as RuleId;
export const requestId = (id: string): RequestId => id as RequestId;

/** Quotes, what JSON and SQL mark, a character beyond the BMP, the end of a C string. */
export const hostile = "it's \"cold\": \\ ≤ 8 °C 😀 \u0000 \u2028 $.x -- ; '' \n";

export const versionOf = (id: string, version = 1, fields: Partial<RuleVersion> = {}): RuleVersion => ({
  id: ruleId(id),
  version,
  description: `${hostile}${id}`,
  operations: ["TRANSITION", "UPDATE"],
  moves: [
    { from: undefined, to: "COMPLETED" },
    { from: "ACTIVE", to: undefined },
  ],
  workflowTypes: ["sample", "Batch.1"],
  condition: "workflow.type == 'sample'",
  expression: `workflow.version == ${version} || '${"\\u0000"}' == "😀"`,
  message: `"${hostile}"`,
  priority: -7,
  action: "WARN",
  createdAtMs: 1_700_000_000_000 + version,
  createdBy: `ada ${hostile}`,
  ...fields,
});

export const standingOf = (id: string, fields: Partial<RuleStanding> = {}): RuleStanding => ({
  id: ruleId(id),
  state: "DRAFT",
  latestVersion: 1,
  activeVersion: undefined,
  shadowVersion: undefined,
  hasJudged: false,
  updatedAtMs: 1_700_000_000_005,
  requestedBy: `kurt ${hostile}`,
  reason: hostile,
  ...fields,
});

export const factOf = (name: string, version = 1): Fact => ({
  name,
  version,
  description: hostile,
  expression: "1 + 1",
  createdAtMs: 3,
  createdBy: "ada",
});

export const typeOf = (name: string, metadataSchema: WorkflowType["metadataSchema"]): WorkflowType => ({
  name,
  version: 1,
  description: hostile,
  metadataSchema,
  createdAtMs: 4,
  createdBy: "ada",
});

const { lastEvent } = sampleCheck;
assert(lastEvent !== undefined, "the sample has been moved");
export const sampleLastEvent = lastEvent;

export const testOf = (name: string, fields: Parameters<typeof checkOf>[0] = {}): RuleTest => ({
  name,
  version: 1,
  check: checkOf({
    workflow: { previousState: undefined, metadata: { [hostile]: [null, 1.5, { ["__proto__"]: {} }], empty: "" } },
    ...fields,
  }),
  expect: { verdict: "rule-denied", violations: [{ ruleId: ruleId("cold"), message: hostile }] },
  createdAtMs: 5,
  createdBy: "ada",
});

export const stored = (content: RuleVersion | Fact | WorkflowType | RuleTest): StoredVersion => {
  if ("id" in content) return { kind: "RULE", rule: content };
  if ("check" in content) return { kind: "TEST", test: content };
  return "expression" in content ? { kind: "FACT", fact: content } : { kind: "WORKFLOW_TYPE", workflowType: content };
};

export const itemOf = (content: Parameters<typeof stored>[0], role: RuleRole): RuleSetItem => {
  const version = stored(content);
  return version.kind === "RULE" ? { ...version, role } : version;
};

export const memberOf = (content: Parameters<typeof stored>[0], role: Member["role"] = "ACTIVE"): Member => ({
  ...keyOf(stored(content)),
  role,
});

export const request = (id: string, changeSequence?: number, atMs = 5): NonNullable<RuleBatch["request"]> => ({
  id: requestId(id),
  digest: `digest of ${id}`,
  atMs,
  answer: { ruleSetRevision: 3, rule: { version: versionOf("cold"), standing: standingOf("cold") }, changeSequence },
});

export const changeOf = (sequence: number, revision: number, differences: readonly RuleSetDifference[] = []): RuleSetChange => ({
  sequence,
  revision,
  kind: "APPLIED",
  changedAtMs: 1_700_000_000_000 + sequence,
  requestedBy: hostile,
  reason: `change ${sequence}`,
  differences,
});

/** The change after this sequence. Only the answer, if there is neither revision nor difference. */
export const batchOf = (
  expectedSequence: number,
  { revision = 0, differences = [], ...fields }: Partial<RuleBatch> & Partial<RuleSetChange> = {},
): RuleBatch => ({
  expectedSequence,
  change: changeOf(expectedSequence + 1, revision, differences),
  standings: [],
  removedRules: [],
  versions: [],
  removedVersions: [],
  membersAdded: [],
  membersRemoved: [],
  request: undefined,
  ...fields,
});

/** A rule that is written and active at once. */
export const activation = (sequence: number, revision: number, id: string): RuleBatch => {
  const rule = versionOf(id);
  return batchOf(sequence, {
    revision,
    differences: [{ before: undefined, after: itemOf(rule, "ACTIVE") }],
    versions: [stored(rule)],
    standings: [standingOf(id, { state: "ACTIVE", activeVersion: 1, hasJudged: true })],
    membersAdded: [memberOf(rule)],
  });
};

/** A rule that only waits. */
export const draft = (sequence: number, id: string, fields: Partial<RuleBatch> = {}): RuleBatch => {
  const rule = versionOf(id);
  const differences = [{ before: undefined, after: itemOf(rule, "DRAFT") }];
  return batchOf(sequence, { differences, versions: [stored(rule)], standings: [standingOf(id)], ...fields });
};

/** How many rules each of `loadBatch` has. */
export const loadRuleCount = 50;

/** The next of many: all rules in a new version, in place of the one before. */
export function loadBatch(sequence: number): RuleBatch {
  const ids = Array.from({ length: loadRuleCount }, (_, index) => `rule-${index}`);
  const of = (version: number) => (version === 0 ? [] : ids.map((id) => versionOf(id, version)));
  const [before, after] = [of(sequence), of(sequence + 1)];
  const version = sequence + 1;
  return batchOf(sequence, {
    revision: version,
    differences: after.map((rule, index) => {
      const old = before[index];
      return { before: old && itemOf(old, "ACTIVE"), after: itemOf(rule, "ACTIVE") };
    }),
    versions: after.map(stored),
    standings: ids.map((id) =>
      standingOf(id, { state: "ACTIVE", latestVersion: version, activeVersion: version, hasJudged: true }),
    ),
    membersRemoved: before.map((rule) => memberOf(rule)),
    membersAdded: after.map((rule) => memberOf(rule)),
    request: request(`r${sequence}`, version),
  });
}
