import { expect, test } from "vitest";
import type { Engine } from "../../../src/predicate/engine.ts";
import { by, create, engineOver, id } from "../../support/engine-values.ts";

const rule = { id: id("cold"), ...by };
const text = (expression: string) => create("cold", { expression });

/** How a rule comes into each state; it has two versions then, but as a first draft. */
const ways = {
  none: [],
  DRAFT: [(engine: Engine) => engine.createRule(text("true")), (engine: Engine) => engine.updateRule(text("1 < 2"))],
  ACTIVE: [(engine: Engine) => engine.activate({ ...rule, version: 1 })],
  "ACTIVE, 2 in shadow": [
    (engine: Engine) => engine.activate({ ...rule, version: 1 }),
    (engine: Engine) => engine.shadow({ ...rule, version: 2 }),
  ],
  SHADOW: [(engine: Engine) => engine.shadow({ ...rule, version: 1 })],
  INACTIVE: [(engine: Engine) => engine.activate({ ...rule, version: 1 }), (engine: Engine) => engine.deactivate(rule)],
  "INACTIVE, was in shadow": [
    (engine: Engine) => engine.shadow({ ...rule, version: 1 }),
    (engine: Engine) => engine.shadow(rule),
  ],
  DEPRECATED: [
    (engine: Engine) => engine.activate({ ...rule, version: 1 }),
    (engine: Engine) => engine.deactivate(rule),
    (engine: Engine) => engine.deprecate(rule),
  ],
} as const;

const commands = {
  create: (engine: Engine) => engine.createRule(text("true")),
  update: (engine: Engine) => engine.updateRule(text("2 < 3")),
  "update, the same": (engine: Engine) => engine.updateRule(text("1 < 2")),
  "update, expecting 1": (engine: Engine) => engine.updateRule({ ...text("2 < 3"), expectedVersion: 1 }),
  "activate 1": (engine: Engine) => engine.activate({ ...rule, version: 1 }),
  "activate newest": (engine: Engine) => engine.activate(rule),
  deactivate: (engine: Engine) => engine.deactivate(rule),
  "shadow 1": (engine: Engine) => engine.shadow({ ...rule, version: 1 }),
  "shadow none": (engine: Engine) => engine.shadow(rule),
  deprecate: (engine: Engine) => engine.deprecate(rule),
  delete: (engine: Engine) => engine.deleteRule(rule),
} as const;

/**
 * The state, the version that judges and the one in shadow, the newest; "+" if the revision has grown, "=" if nothing is different, "." if only
 * the history is. Or the failure.
 */
const table: Readonly<Record<keyof typeof ways, Readonly<Record<keyof typeof commands, string>>>> = {
  none: {
    create: "DRAFT - - 1 .",
    update: "rule-not-found",
    "update, the same": "rule-not-found",
    "update, expecting 1": "rule-not-found",
    "activate 1": "rule-not-found",
    "activate newest": "rule-not-found",
    deactivate: "rule-not-found",
    "shadow 1": "rule-not-found",
    "shadow none": "rule-not-found",
    deprecate: "rule-not-found",
    delete: "rule-not-found",
  },
  DRAFT: {
    create: "rule-exists",
    update: "DRAFT - - 3 .",
    "update, the same": "DRAFT - - 2 =",
    "update, expecting 1": "rule-version-mismatch",
    "activate 1": "ACTIVE 1 - 2 +",
    "activate newest": "ACTIVE 2 - 2 +",
    deactivate: "rule-state DRAFT",
    "shadow 1": "SHADOW - 1 2 +",
    "shadow none": "DRAFT - - 2 =",
    deprecate: "rule-state DRAFT",
    delete: "gone .",
  },
  ACTIVE: {
    create: "rule-exists",
    update: "ACTIVE 1 - 3 .",
    "update, the same": "ACTIVE 1 - 2 =",
    "update, expecting 1": "rule-version-mismatch",
    "activate 1": "ACTIVE 1 - 2 =",
    "activate newest": "ACTIVE 2 - 2 +",
    deactivate: "INACTIVE - - 2 +",
    "shadow 1": "rule-state ACTIVE",
    "shadow none": "ACTIVE 1 - 2 =",
    deprecate: "rule-state ACTIVE",
    delete: "rule-state ACTIVE",
  },
  "ACTIVE, 2 in shadow": {
    create: "rule-exists",
    update: "ACTIVE 1 2 3 .",
    "update, the same": "ACTIVE 1 2 2 =",
    "update, expecting 1": "rule-version-mismatch",
    "activate 1": "ACTIVE 1 2 2 =",
    "activate newest": "ACTIVE 2 - 2 +",
    deactivate: "SHADOW - 2 2 +",
    "shadow 1": "rule-state ACTIVE",
    "shadow none": "ACTIVE 1 - 2 +",
    deprecate: "rule-state ACTIVE",
    delete: "rule-state ACTIVE",
  },
  SHADOW: {
    create: "rule-exists",
    update: "SHADOW - 1 3 .",
    "update, the same": "SHADOW - 1 2 =",
    "update, expecting 1": "rule-version-mismatch",
    "activate 1": "ACTIVE 1 - 2 +",
    "activate newest": "ACTIVE 2 1 2 +",
    deactivate: "rule-state SHADOW",
    "shadow 1": "SHADOW - 1 2 =",
    "shadow none": "INACTIVE - - 2 +",
    deprecate: "rule-state SHADOW",
    delete: "rule-state SHADOW",
  },
  INACTIVE: {
    create: "rule-exists",
    update: "INACTIVE - - 3 .",
    "update, the same": "INACTIVE - - 2 =",
    "update, expecting 1": "rule-version-mismatch",
    "activate 1": "ACTIVE 1 - 2 +",
    "activate newest": "ACTIVE 2 - 2 +",
    deactivate: "INACTIVE - - 2 =",
    "shadow 1": "SHADOW - 1 2 +",
    "shadow none": "INACTIVE - - 2 =",
    deprecate: "DEPRECATED - - 2 .",
    delete: "rule-state INACTIVE",
  },
  "INACTIVE, was in shadow": {
    create: "rule-exists",
    update: "INACTIVE - - 3 .",
    "update, the same": "INACTIVE - - 2 =",
    "update, expecting 1": "rule-version-mismatch",
    "activate 1": "ACTIVE 1 - 2 +",
    "activate newest": "ACTIVE 2 - 2 +",
    deactivate: "INACTIVE - - 2 =",
    "shadow 1": "SHADOW - 1 2 +",
    "shadow none": "INACTIVE - - 2 =",
    deprecate: "DEPRECATED - - 2 .",
    delete: "rule-state INACTIVE",
  },
  DEPRECATED: {
    create: "rule-exists",
    update: "INACTIVE - - 3 .",
    "update, the same": "INACTIVE - - 2 .",
    "update, expecting 1": "rule-version-mismatch",
    "activate 1": "rule-state DEPRECATED",
    "activate newest": "rule-state DEPRECATED",
    deactivate: "rule-state DEPRECATED",
    "shadow 1": "rule-state DEPRECATED",
    "shadow none": "DEPRECATED - - 2 =",
    deprecate: "DEPRECATED - - 2 =",
    delete: "rule-state DEPRECATED",
  },
};

const cases = Object.entries(table).flatMap(([state, row]) =>
  Object.entries(row).map(([command, expected]) => [state, command, expected] as const),
);

test.each(cases)("%s, %s: %s", async (state, command, expected) => {
  const engine = await engineOver();
  const way = state === "none" || state === "DRAFT" ? [] : ways.DRAFT;
  for (const step of [...way, ...ways[state as keyof typeof ways]]) expect(await step(engine)).toMatchObject({ ok: true });
  const [revision, sequence] = [engine.ruleSetRevision(), engine.changeSequence()];
  const outcome = await commands[command as keyof typeof commands](engine);
  const mark = engine.ruleSetRevision() > revision ? "+" : engine.changeSequence() > sequence ? "." : "=";
  const stored = (await engine.rule(id("cold")))?.standing;
  const told = (value: number | undefined) => value ?? "-";
  const shown = stored
    ? `${stored.state} ${told(stored.activeVersion)} ${told(stored.shadowVersion)} ${stored.latestVersion} ${mark}`
    : `gone ${mark}`;
  if (outcome.ok) {
    expect(shown).toBe(expected);
    if (stored !== undefined) expect(outcome.value.rule.standing).toEqual(stored);
  } else {
    const found = "state" in outcome.error ? `${outcome.error.type} ${outcome.error.state}` : outcome.error.type;
    expect(found).toBe(expected);
    expect(mark).toBe("=");
  }
});
