import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { methodRules, type Role, roles } from "../../../src/access/core/methods.ts";
import {
  aboutWorkflow,
  coversAll,
  createPolicy,
  type Grant,
  hasTransaction,
  isParticipantIn,
  maySayHello,
  nothing,
  type Permission,
} from "../../../src/access/core/policy.ts";
import { registry } from "../../../src/rpc/descriptors.ts";

const ownId = "workflow-manager";

const grantOf = (role: Role, rest: Partial<Grant> = {}): Grant => ({
  principals: ["ada"],
  roles: [role],
  types: undefined,
  idPrefix: "",
  participants: undefined,
  ...rest,
});

const ada = { name: "ada", by: "token" } as const;

const path = (method: string): string =>
  [...methodRules.keys()].find((each) => each.endsWith(method)) ?? expect.fail(`there is no ${method}`);

function decide(method: string, ...grants: readonly Grant[]) {
  return createPolicy(grants, ownId).decide(ada, path(method));
}

function permission(method: string, ...grants: readonly Grant[]) {
  const decision = decide(method, ...grants);
  if (!decision.allowed) expect.fail(decision.because.join("; "));
  return decision.permission;
}

describe("the table of methods", () => {
  const served = [...registry].flatMap((type) =>
    type.kind === "service" ? type.methods.map(({ name }) => `/${type.typeName}/${name}`) : [],
  );

  test("decides about every method of every service, and of no other", () => {
    // One that is new fails here until somebody has said who may call it.
    expect([...methodRules.keys()].filter((method) => !method.startsWith("/grpc.")).toSorted()).toEqual(
      served.filter((method) => !method.startsWith("/grpc.")).toSorted(),
    );
    for (const method of served) expect(methodRules.has(method), method).toBe(true);
  });

  test("nobody may call anything, whatever is granted to others", () => {
    const policy = createPolicy([grantOf("admin", { principals: ["*"] })], ownId);
    const allowed = [...methodRules.keys()].filter((method) => policy.decide({ name: "", by: "nothing" }, method).allowed);
    expect(allowed).toEqual([]);
  });

  test("who is granted nothing may call nothing", () => {
    const policy = createPolicy([grantOf("admin", { principals: ["bob", "adam*"] })], ownId);
    expect([...methodRules.keys()].filter((method) => policy.decide(ada, method).allowed)).toEqual([]);
  });

  test("an admin may call everything, and nobody what there is not", () => {
    const policy = createPolicy([grantOf("admin")], ownId);
    expect([...methodRules.keys()].filter((method) => !policy.decide(ada, method).allowed)).toEqual([]);
    expect(policy.decide(ada, "/concord.workflow.v1.WorkflowService/DropEverything").allowed).toBe(false);
  });

  test("each method may be called by the roles that docs/access.md names, and by no other", () => {
    const told = methodsOfPage();
    expect(told.map(({ method }) => method)).toEqual([...methodRules.keys()]);
    for (const { method, by, narrowed } of told) {
      for (const role of roles) {
        const isTold = role === "admin" || by === "any" || by.split(", ").includes(role);
        for (const narrow of [{}, { types: ["sample"] }, { idPrefix: "lab-" }]) {
          const grant = grantOf(role, { ...narrow, participants: ["inventory"] });
          const isTooNarrow =
            ("types" in narrow && narrowed === "a grant for all") ||
            ("idPrefix" in narrow && ["a grant for all", "types"].includes(narrowed));
          const { allowed } = createPolicy([grant], ownId).decide(ada, method);
          expect(allowed, `${role} ${method} ${JSON.stringify(narrow)}`).toBe(isTold && !isTooNarrow);
        }
      }
    }
  });

  test("no role but admin has both hands on rules", () => {
    for (const role of roles.filter((each) => each !== "admin"))
      expect(createPolicy([grantOf(role)], ownId).decide(ada, path("/ListRules"))).not.toMatchObject({
        permission: { maySetRules: true },
      });
    expect(permission("/ListRules", grantOf("rule-author"), grantOf("rule-activator")).maySetRules).toBe(true);
    expect(permission("/ListRules", grantOf("admin")).maySetRules).toBe(true);
  });
});

/** The tables of docs/access.md. */
function methodsOfPage(): readonly { readonly method: string; readonly by: string; readonly narrowed: string }[] {
  const page = readFileSync(join(import.meta.dirname, "../../../docs/access.md"), "utf8");
  let service = "";
  return page.split("\n").flatMap((line) => {
    service = /^### ([a-z0-9.]+\w+)$/i.exec(line)?.[1] ?? service;
    const [, name = "", by = "", narrowed = ""] = /^\| ([A-Z]\w+) \| (.*?) \| ?(.*?) \|$/.exec(line) ?? [];
    return name === "" ? [] : { method: `/${service}/${name}`, by, narrowed };
  });
}

describe("which workflows", () => {
  const sample = grantOf("client", { types: ["sample"], idPrefix: "lab-" });

  test("those of the types and with the prefix of a grant; of others it is not told that they exist", () => {
    const granted = permission("/TransitionWorkflow", sample);
    expect(aboutWorkflow(granted, { id: "lab-1", type: "sample" })).toBe("allowed");
    expect(aboutWorkflow(granted, { id: "lab-1", type: "order" })).toBe("hidden");
    expect(aboutWorkflow(granted, { id: "lab-1", type: "" })).toBe("hidden");
    expect(aboutWorkflow(granted, { id: "other-1", type: "sample" })).toBe("hidden");
  });

  test("of one that another grant lets it read, it is told that it may not", () => {
    const granted = permission("/TransitionWorkflow", sample, grantOf("reader"));
    expect(aboutWorkflow(granted, { id: "lab-1", type: "order" })).toBe("denied");
  });

  test("grants do not lend each other what they are for", () => {
    const granted = permission("/TransitionWorkflow", sample, grantOf("client", { types: ["order*"] }), grantOf("rule-author"));
    expect(aboutWorkflow(granted, { id: "lab-1", type: "orders" })).toBe("allowed");
    expect(aboutWorkflow(granted, { id: "x", type: "sample" })).toBe("hidden");
  });

  test("what concerns all takes a grant for all", () => {
    expect(decide("/ResetSink", grantOf("operator", { types: ["sample"] }))).toEqual({
      allowed: false,
      because: ["WorkflowService/ResetSink concerns all workflows, and grants[0] is for some of them (types, id_prefix)"],
    });
    expect(decide("/ResetSink", grantOf("operator")).allowed).toBe(true);
  });
});

describe("which participants", () => {
  test("a participant says Hello under its own ids, and nobody under the manager's who is not named for it", () => {
    const own = permission("/Participate", grantOf("participant", { participants: ["inventory", "shelf-*"] }));
    expect(maySayHello(own, "inventory")).toBe(true);
    expect(maySayHello(own, "shelf-1")).toBe(true);
    expect(maySayHello(own, "billing")).toBe(false);
    const any = permission("/Participate", grantOf("participant", { participants: ["*"] }));
    expect(maySayHello(any, "billing")).toBe(true);
    expect(maySayHello(any, ownId)).toBe(false);
    expect(maySayHello(permission("/Participate", grantOf("admin")), ownId)).toBe(false);
    const manager = grantOf("manager", { participants: [ownId] });
    expect(maySayHello(permission("/Participate", manager), ownId)).toBe(true);
    for (const also of [grantOf("admin"), grantOf("participant", { participants: ["*"] })]) {
      const both = permission("/Participate", also, manager);
      expect([maySayHello(both, ownId), maySayHello(both, "billing")]).toEqual([true, true]);
    }
  });

  test("all, or those that are like one", () => {
    expect([isParticipantIn("all", "a"), isParticipantIn(["a*"], "ab"), isParticipantIn(["a"], "ab")]).toEqual([
      true,
      true,
      false,
    ]);
    expect(maySayHello({ ...nothing, participants: "all" }, "a")).toBe(true);
    expect(maySayHello({ ...nothing, participants: "all", reservedParticipantId: ownId }, ownId)).toBe(false);
  });

  test("a process may be its own manager, and nothing else", () => {
    const policy = createPolicy([], ownId);
    const itself = { name: "system:workflow-manager", by: "process" } as const;
    const decision = policy.decide(itself, path("/Participate"));
    expect(decision).toMatchObject({ allowed: true, permission: { participants: [ownId] } });
    expect(policy.decide(itself, path("/BatchValidateTransitions")).allowed).toBe(true);
    expect(policy.decide(itself, path("TwoPhaseCommit/ExecuteTransaction"))).toMatchObject({
      permission: { participants: "all" },
    });
    expect(policy.decide(itself, path("/TransitionWorkflow")).allowed).toBe(false);
    // A name that looks so proves nothing.
    expect(policy.decide({ ...itself, by: "token" }, path("/Participate")).allowed).toBe(false);
  });

  test("a grant for some workflows is for no participants, unless it names them", () => {
    expect(permission("/BeginTransaction", grantOf("client", { types: ["sample"] })).participants).toEqual([]);
    expect(permission("/BeginTransaction", grantOf("client")).participants).toBe("all");
    expect(
      permission("/BeginTransaction", grantOf("client", { types: ["sample"], participants: ["inventory"] })).participants,
    ).toEqual(["inventory"]);
  });
});

describe("both hands on rules", () => {
  const author = grantOf("rule-author");
  const activator = grantOf("rule-activator");

  test("takes both roles, each for all workflows", () => {
    const both = (...given: readonly Grant[]) => permission("/ApplyRuleSet", ...given).maySetRules;
    expect(both(author, activator)).toBe(true);
    expect(both(author)).toBe(false);
    expect(both(author, { ...activator, types: ["sample"] })).toBe(false);
    expect(both({ ...author, types: ["sample"] }, activator)).toBe(false);
    expect(both(author, { ...activator, idPrefix: "lab-" })).toBe(false);
  });
});

describe("which transactions", () => {
  const participant = grantOf("participant", { participants: ["inventory"] });
  const may = (method: string, given: readonly Grant[], begunBy: string | undefined, ...participantIds: readonly string[]) =>
    hasTransaction(permission(method, ...given), ada, { participantIds, begunBy });

  test("a client has those that it has begun, a participant those in which it takes part", () => {
    const get = "TwoPhaseCommit/GetTransaction";
    expect(may(get, [grantOf("client")], "ada", "billing")).toBe(true);
    expect(may(get, [grantOf("client")], "bob", "billing")).toBe(false);
    expect(may(get, [grantOf("client")], undefined, "billing")).toBe(false);
    expect(may(get, [participant], "bob", "billing", "inventory")).toBe(true);
    expect(may(get, [participant], "bob", "billing")).toBe(false);
    expect(may(get, [participant, grantOf("client")], "bob", "billing")).toBe(false);
    expect(may(get, [grantOf("manager", { participants: ["inventory"] })], "bob", "inventory")).toBe(false);
  });

  test("a reader has all, unless it is one of some workflows or participants", () => {
    const get = "TwoPhaseCommit/GetTransaction";
    expect(may(get, [grantOf("reader")], "bob", "billing")).toBe(true);
    expect(may(get, [grantOf("reader", { types: ["sample"] })], "bob", "billing")).toBe(false);
    expect(may(get, [grantOf("reader", { participants: ["bill*"] })], "bob", "billing")).toBe(true);
    expect(may(get, [grantOf("client"), grantOf("operator")], "bob", "billing")).toBe(true);
  });
});

describe("whether what began may go on", () => {
  const of = (changes: Partial<Permission>): Permission => ({ ...nothing, ...changes });
  const goesOn = (now: Partial<Permission>, begun: Partial<Permission>) => coversAll(of(now), of(begun));
  const samples = [{ types: ["sample"], idPrefix: "" }];

  test.each<[string, Partial<Permission>, Partial<Permission>, boolean]>([
    ["the same", { workflows: samples }, { workflows: samples }, true],
    ["more", { workflows: "all", participants: "all", maySetRules: true }, { workflows: samples, participants: ["a"] }, true],
    ["fewer workflows", { workflows: samples }, { workflows: "all" }, false],
    ["fewer that are visible", { workflows: samples }, { workflows: samples, visible: samples }, false],
    ["no more both hands on rules", {}, { maySetRules: true }, false],
    ["fewer participants", { participants: ["a"] }, { participants: ["a", "b"] }, false],
    ["not all participants any more", { participants: ["*"] }, { participants: "all" }, false],
    ["participants by a pattern", { participants: ["a*"] }, { participants: ["a1"] }, true],
    ["fewer transactions", { transactionsOf: ["a"] }, { transactionsOf: "all" }, false],
    ["the same transactions", { transactionsOf: ["a", "b"] }, { transactionsOf: ["b"] }, true],
    ["all transactions", { transactionsOf: "all" }, { transactionsOf: "all" }, true],
    [
      "the reserved id by a pattern only",
      { participants: ["*"], reservedParticipantId: ownId },
      { participants: [ownId], reservedParticipantId: ownId },
      false,
    ],
    [
      "the reserved id by its name",
      { participants: ["*", ownId], reservedParticipantId: ownId },
      { participants: [ownId], reservedParticipantId: ownId },
      true,
    ],
  ])("%s", (_, now, begun, is) => {
    expect(goesOn(now, begun)).toBe(is);
  });
});

describe("why", () => {
  test("names what narrows, as far as it narrows this method", () => {
    const narrow = { types: ["sample"], idPrefix: "lab-", participants: ["inventory"] };
    expect(decide("WorkflowService/GetWorkflow", grantOf("client", narrow)).because).toEqual([
      "grants[0] gives ada client, for types sample, id_prefix lab-",
    ]);
    expect(decide("/BeginTransaction", grantOf("client", narrow)).because).toEqual([
      "grants[0] gives ada client, for participants inventory",
    ]);
    expect(decide("/CreateRule", grantOf("rule-author", { types: ["sample"] })).because).toEqual([
      "grants[0] gives ada rule-author, for types sample",
    ]);
    expect(decide("/CreateRule", grantOf("rule-author", { idPrefix: "lab-" })).because).toEqual([
      "PredicateLogic/CreateRule concerns all workflows of a type, and grants[0] is for some of them (types, id_prefix)",
    ]);
    expect(createPolicy([], ownId).decide({ name: "", by: "nothing" }, path("/GetServerInfo")).because).toEqual([
      "who proves nothing is granted nothing",
    ]);
  });

  test("a decision names the grants that made it, and what is missing", () => {
    expect(
      decide("/GetWorkflow", grantOf("reader", { types: ["sample", ""], idPrefix: "lab-" }), grantOf("client")).because,
    ).toEqual(['grants[0] gives ada reader, for types sample, "", id_prefix lab-', "grants[1] gives ada client"]);
    expect(decide("/GetWorkflow", grantOf("rule-author")).because).toEqual([
      "WorkflowService/GetWorkflow takes reader or operator or client, and grants[0] gives ada rule-author",
    ]);
    expect(decide("/GetWorkflow", grantOf("reader", { principals: ["bob"] })).because).toEqual(["no grant is for ada"]);
  });
});
