import { describe, expect, test } from "vitest";
import {
  type Audit,
  type AuditedCall,
  createAudit,
  failedKindsMax,
  failedLinesMax,
  failedSpellMs,
  failedSpellsMax,
  itemsNamedMax,
} from "../../../src/access/audit.ts";
import type { AuditFields } from "../../../src/access/audit-chain.ts";
import { auditedMethods } from "../../../src/access/core/audited.ts";
import { methodRules } from "../../../src/access/core/methods.ts";
import { registry } from "../../../src/rpc/descriptors.ts";
import { fakeClock } from "../../support/fake-clock.ts";

const method = "concord.workflow.v1.WorkflowService/PurgeWorkflows";
const call = (principal = "", changes: Partial<AuditedCall> = {}): AuditedCall => ({
  method,
  principal,
  address: "10.0.0.7:1",
  ...changes,
});
const unauthenticated = { code: "UNAUTHENTICATED", error: "NO_PROOF" };

function world() {
  const lines: AuditFields[] = [];
  const clock = fakeClock();
  const audit = createAudit({ append: (fields) => void lines.push(fields), clock });
  return { lines, clock, audit };
}

const flood = (audit: Audit, count: number, principal = "", changes: Partial<AuditedCall> = {}): void => {
  for (let index = 0; index < count; index += 1) audit.denied(call(principal, changes), unauthenticated);
};

test("who was denied what, from where", () => {
  const { audit, lines } = world();
  audit.denied(call("eve", { call: "r-1", about: { workflow_id: "wf-1" } }), {
    code: "PERMISSION_DENIED",
    error: "PERMISSION_DENIED",
  });
  expect(lines).toEqual([
    {
      ...{ event: "denied", principal: "eve", address: "10.0.0.7:1", method, call: "r-1", about: { workflow_id: "wf-1" } },
      ...{ code: "PERMISSION_DENIED", error: "PERMISSION_DENIED" },
    },
  ]);
});

describe("what fails cannot fill the disk", () => {
  test("of strangers a few are told, the others counted, by what they tried", async () => {
    const { audit, lines, clock } = world();
    flood(audit, failedLinesMax + 5);
    flood(audit, 2, "", { method: "a/b" });
    expect(lines).toHaveLength(failedLinesMax);
    await clock.pass(failedSpellMs);
    expect(lines.slice(failedLinesMax)).toEqual([
      {
        ...{ event: "omitted", principal: "", count: 7, since: "1970-01-01T00:00:01.000Z" },
        calls: { [`UNAUTHENTICATED ${method}`]: 5, "UNAUTHENTICATED a/b": 2 },
      },
    ]);
    flood(audit, 1);
    expect(lines).toHaveLength(failedLinesMax + 2);
    expect(clock.waiting()).toHaveLength(1);
  });

  test("nobody hides behind them: whoever is known has a count of its own", () => {
    const { audit, lines } = world();
    flood(audit, 10_000);
    flood(audit, 1, "eve");
    expect(lines.at(-1)).toMatchObject({ principal: "eve" });
    expect(lines).toHaveLength(failedLinesMax + 1);
  });

  test("nor do many names help, many paths, or long ones", async () => {
    const { audit, lines, clock } = world();
    for (let name = 0; name < failedSpellsMax * 3; name += 1) flood(audit, failedLinesMax * 2, `p-${name}`);
    expect(lines.length).toBeLessThanOrEqual((failedSpellsMax + 1) * failedLinesMax);
    await clock.pass(failedSpellMs);
    lines.length = 0;
    flood(audit, failedLinesMax);
    for (let path = 0; path < failedKindsMax * 2; path += 1) flood(audit, 1, "", { method: `${path}/${"x".repeat(9_000)}` });
    await clock.pass(failedSpellMs);
    const omitted = lines.at(-1);
    expect(Object.keys(omitted?.["calls"] ?? {})).toHaveLength(failedKindsMax + 1);
    expect(JSON.stringify(omitted).length).toBeLessThan(20_000);
    flood(audit, 1, "", { method: "x".repeat(9_000), address: "y".repeat(9_000), about: { name: "z".repeat(9_000) } });
    expect(JSON.stringify(lines.at(-1)).length).toBeLessThan(1_000);
  });

  test("of a call with many items a few are named", () => {
    const { audit, lines } = world();
    const ids = Array.from({ length: 1_000 }, (_, index) => `${index}-${"x".repeat(9_000)}`);
    audit.denied(call("eve", { about: { denied: 1_000, workflow_ids: ids } }), unauthenticated);
    const named = ids.slice(0, itemsNamedMax).map((id) => id.slice(0, 256));
    expect(lines).toMatchObject([{ about: { denied: 1_000, workflow_ids: named } }]);
  });

  test("changes that fail are bounded, too; those that are made are all told", () => {
    const { audit, lines } = world();
    for (let index = 0; index < 100; index += 1)
      audit.changed(call("ada"), { code: "INVALID_ARGUMENT", error: "INVALID_REQUEST" });
    expect(lines).toHaveLength(failedLinesMax);
    for (let index = 0; index < 100; index += 1) audit.changed(call("ada"), { code: "OK" });
    expect(lines).toHaveLength(failedLinesMax + 100);
  });

  test("what was counted is told at the end", () => {
    const { audit, lines, clock } = world();
    flood(audit, failedLinesMax + 1);
    audit.close();
    expect(lines.at(-1)).toMatchObject({ event: "omitted", count: 1 });
    expect(clock.waiting()).toEqual([]);
  });
});

test("each change that is not for those who use workflows and transactions all day is audited, and nothing else is", () => {
  const daily = ["client", "participant", "manager"] as const;
  const changes = [...registry].flatMap((type) =>
    type.kind !== "service"
      ? []
      : type.methods.flatMap(({ name, input }) => {
          const path = `/${type.typeName}/${name}`;
          const isChange =
            input.fields.some((field) => field.name === "requested_by") &&
            input.fields.some((field) => field.name === "request_id" || field.name === "dry_run");
          const isDaily = methodRules.get(path)?.roles.some((role) => daily.some((each) => each === role));
          return isChange && isDaily === false ? [path] : [];
        }),
  );
  expect([...auditedMethods].toSorted()).toEqual(changes.toSorted());
});
