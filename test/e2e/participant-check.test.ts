import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { rules } from "../../src/cli/participant-check/rules.ts";
import { shellWord } from "../../src/cli/shell-word.ts";
import { temporaryFolder } from "../support/concord.ts";
import { checkAddress, checkParticipant, commandLine } from "../support/participant-check.ts";
import type { Variant } from "./participant-check/naive.ts";
import type { Planted } from "./participant-check/plant.ts";

// docs/participant-contract.md: the participants that keep the contract pass, and each that breaks it fails at the rule that it breaks.

const data = temporaryFolder();
afterAll(() => data.remove());

const node = process.execPath;
const here = import.meta.dirname;
const obedient = ["--payload", "commit", "--abort-payload", "abort", "--read-only-payload", "read-only"];

/** What it prints is kept, for a test that fails. */
function check(name: string, start: string, flags: readonly string[], only?: readonly string[]) {
  const log = ["--log", join(data.path, `${name}.log`)];
  return checkParticipant(name, start, { flags: [...flags, ...log], ...(only && { only }) });
}

const practice = (name: string): string =>
  commandLine(join(here, "../../bin/concord"), "participant", name, "--data-dir", data.path, "--obey", "--log-format", "json");

const naive = (name: string, variant: Variant): string =>
  `${commandLine(node, join(here, "participant-check/naive.ts"), name)} ${checkAddress} ${shellWord(join(data.path, `${name}.jsonl`))} ${variant}`;

/** They wait for what takes long, or must not come. */
const slow: ReadonlySet<string> = new Set([
  "reconnects-with-growing-pauses",
  "silence-ends-a-session",
  "beats-of-the-coordinator-suffice",
  "older-log-is-not-believed",
  "copied-log-is-not-believed",
  "stays-away-when-refused",
]);

const quick = rules.map(({ id }) => id).filter((id) => !slow.has(id));

describe.concurrent("keeps every rule of the contract", () => {
  test("concord participant, with the SDK and its log", { timeout: 600_000 }, async () => {
    const { code, passed, amiss } = await check("practice", practice("practice"), obedient);
    expect(amiss).toEqual({});
    expect([code, passed]).toEqual([0, rules.length]);
  });

  test("a participant without Concord's code", { timeout: 600_000 }, async () => {
    const { code, passed, amiss } = await check("own", naive("own", "none"), obedient);
    expect(amiss).toEqual({});
    expect([code, passed]).toEqual([0, rules.length]);
  });

  test("a program around the SDK, with data of its own", { timeout: 600_000 }, async () => {
    const shelf = join(here, "../../examples/two-phase-commit/shelf.ts");
    const start = `${commandLine(node, shelf, "shelf")} ${checkAddress} ${shellWord(data.path)}`;
    const { code, amiss } = await check("shelf", start, ["--payload", "0", "--abort-payload", "99"], quick);
    expect(amiss).toEqual({ "read-only-is-over": expect.stringContaining("needs --read-only-payload") });
    expect(code).toBe(0);
  });
});

describe.concurrent("fails at the rule that it breaks", () => {
  test.each<[Variant, readonly string[]]>([
    ["obeys-any-coordinator", ["strangers-abort", "strangers-commit", "strangers-prepare", "ownership-is-durable"]],
    [
      "forgets-after-ack",
      [
        "prepare-after-abort",
        "commit-again",
        "abort-overtakes-prepare",
        "abort-behind-prepare",
        "commit-after-abort",
        "abort-after-commit",
      ],
    ],
    [
      "ignores-epochs",
      ["smaller-epoch-decides-nothing", "smaller-epoch-prepares-nothing", "epoch-of-64-bits", "claim-is-durable"],
    ],
  ])("a naive participant that %s", { timeout: 600_000 }, async (variant, broken) => {
    const { code, failed } = await check(variant, naive(variant, variant), obedient, quick);
    expect(failed).toEqual(broken);
    expect(code).toBe(1);
  });
});

const core = "src/commit/core/participant.ts";

/** The SDK with a mistake in it. */
const mistakes: readonly (readonly [rule: string, mistake: string, planted: Planted])[] = [
  [
    "vote-is-durable",
    "votes before its promise is written",
    {
      file: core,
      find: 'stay(prepared, [forced, voteEffect(prepared, "commit")])',
      replace: 'stay(prepared, [voteEffect(prepared, "commit")])',
    },
  ],
  [
    "commit-is-durable",
    "acknowledges before the outcome is written",
    {
      file: core,
      find: '[{ type: "persist", record: recordOf(committed, "committed") }, ackEffect(committed, "committed")]',
      replace: '[ackEffect(committed, "committed")]',
    },
  ],
  [
    "strangers-abort",
    "does not ask whose a promise is",
    { file: core, find: "transaction.coordinatorId !== from.coordinatorId", replace: "false" },
  ],
  [
    "smaller-epoch-decides-nothing",
    "believes a coordinator that was replaced",
    { file: core, find: "return epoch < seen ?", replace: "return false && epoch < seen ?" },
  ],
  [
    "commit-of-unknown",
    "acknowledges a commit of which it knows nothing",
    { file: core, find: 'outcome: "lost", reason }', replace: 'outcome: "committed", reason }' },
  ],
  [
    "commit-after-abort",
    "says LOST of what it has aborted",
    {
      file: core,
      find: 'return contradict(transaction, "COMMITTED, but it is aborted here");',
      replace: "return recvCommit(undefined, { transactionId: transaction.transactionId } as Decision, logId);",
    },
  ],
  [
    "no-time-to-vote",
    "begins what comes too late",
    {
      file: core,
      find: "if (message.voteWithinMs > 0) return startWork(message, from, nowMs);\n    return refuseWork",
      replace: "if (message.voteWithinMs >= 0) return startWork(message, from, nowMs);\n    return refuseWork",
    },
  ],
  [
    "claim-is-durable",
    "does not write down whom it has seen",
    { file: "src/commit/participant/epochs.ts", find: "log.persistCoordinator(known)", replace: "Promise.resolve(known)" },
  ],
  [
    "silence-ends-a-session",
    "never takes silence for an end",
    {
      file: "src/commit/participant/link.ts",
      find: "if (silentMs >= limits.sessionTimeoutMs)",
      replace: "if (silentMs >= Infinity)",
    },
  ],
  [
    "unknown-kind",
    "passes over what it does not understand",
    { file: "src/commit/participant/link.ts", find: "link.nack(sequence, message.reason);", replace: "" },
  ],
  [
    "reconnects-with-growing-pauses",
    "tries again at once",
    {
      file: "src/commit/participant/link.ts",
      find: "await pause({ clock, signal: ending.signal }, retryInMs);",
      replace: "await pause({ clock, signal: ending.signal }, 5);",
    },
  ],
];

/** The SDK with something else in one place, by one rule. */
async function checkPlanted(rule: string, planted: Planted) {
  const main = join(here, "../../src/main.ts");
  const participant = commandLine(
    node,
    "--import",
    join(here, "participant-check/plant.ts"),
    main,
    "participant",
    rule,
    "--data-dir",
    data.path,
    "--obey",
  );
  const start = `PLANTED=${shellWord(JSON.stringify(planted))}; export PLANTED; ${participant}`;
  return check(rule, start, [...obedient, "--patience", "5s"], ["hello-first", rule]);
}

test.each(mistakes)("%s fails if the SDK %s", { timeout: 600_000 }, async (rule, _mistake, planted) => {
  const { failed } = await checkPlanted(rule, planted);
  expect(failed, readFileSync(join(data.path, `${rule}.log`), "utf8").slice(-4_000)).toEqual([rule]);
});

test("pauses that grow are told from the first one, which a slow start makes long", { timeout: 600_000 }, async () => {
  const find = "await pause({ clock, signal: ending.signal }, retryInMs);";
  const replace = `${find.replace("retryInMs", "retryInMs + (globalThis.hasStarted ? 0 : 2_000)")} globalThis.hasStarted = true;`;
  const { amiss } = await checkPlanted("reconnects-with-growing-pauses", {
    file: "src/commit/participant/link.ts",
    find,
    replace,
  });
  expect(amiss).toEqual({});
});
