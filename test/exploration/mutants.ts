import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/** One deliberate mistake in a core: a text that occurs once, and what takes its place. */
export type Mutant = { readonly name: string; readonly file: string; readonly find: string; readonly replace: string };

const coordinator = "src/commit/core/coordinator.ts";
const participant = "src/commit/core/participant.ts";

export const mutants: readonly Mutant[] = [
  {
    name: "commit not forced",
    file: coordinator,
    find: `effects: [{ type: "persist", transaction: decided.transaction }, ...decided.effects],`,
    replace: "effects: decided.effects,",
  },
  {
    name: "client told before the force",
    file: coordinator,
    find: `effects: [{ type: "persist", transaction: decided.transaction }, ...decided.effects],`,
    replace: `effects: [...decided.effects, { type: "persist", transaction: decided.transaction }],`,
  },
  {
    name: "decided without waiting for all votes",
    file: coordinator,
    find: "if (next.parts.some(({ vote }) => vote === undefined)) return stay(next);",
    replace: "",
  },
  {
    name: "a no counts as a yes",
    file: coordinator,
    find: `if (value === "abort") return abort(`,
    replace: `if (value === "abort" && next.parts.length > 9) return abort(`,
  },
  {
    name: "forgotten after the first acknowledgement",
    file: coordinator,
    find: "transaction.outcome === undefined || transaction.parts.some((part) => owesAck(transaction, part))",
    replace: "transaction.outcome === undefined || transaction.parts.every((part) => owesAck(transaction, part))",
  },
  {
    name: "delegation not forced",
    file: coordinator,
    find: `return stay(transaction, [{ type: "persist", transaction }]);`,
    replace: "return stay(transaction);",
  },
  {
    name: "abort after delegating",
    file: "src/commit/core/types.ts",
    find: `(transaction.phase === "PREPARING" && !isOnePhase(transaction))`,
    replace: `transaction.phase === "PREPARING"`,
  },
  {
    name: "vote before the force",
    file: participant,
    find: `[forced, voteEffect(prepared, "commit")]`,
    replace: `[voteEffect(prepared, "commit"), forced]`,
  },
  {
    name: "promise not forced",
    file: participant,
    find: `[forced, voteEffect(prepared, "commit")]`,
    replace: `[voteEffect(prepared, "commit")]`,
  },
  {
    name: "acknowledgement before the force",
    file: participant,
    find: `[{ type: "persist", record: recordOf(committed, "committed") }, ackEffect(committed, "committed")]`,
    replace: `[ackEffect(committed, "committed"), { type: "persist", record: recordOf(committed, "committed") }]`,
  },
  {
    name: "abort not forced",
    file: participant,
    find: `    { type: "persist", record: recordOf(aborted, "aborted") },\n`,
    replace: "",
  },
  {
    name: "abort of an unknown transaction not remembered",
    file: participant,
    find: `return finishAbort({ ...transaction, reason: "its abort came first" }, nowMs);`,
    replace: `return { transaction: undefined as never, effects: nowMs < 0 ? [] : [ackEffect(transaction, "aborted")] };`,
  },
  {
    name: "a read-only voter acknowledges an abort that it does not remember",
    file: participant,
    find: `if (transaction.state === "aborted") return stay(transaction, [ackEffect(transaction, "aborted")]);`,
    replace: `if (transaction.state === "aborted" || transaction.state === "read-only")
    return stay(transaction, [ackEffect(transaction, "aborted")]);`,
  },
  {
    name: "a late refusal is for good",
    file: participant,
    find: `return refuseWork({ ...unknown(message, from, nowMs), attempt: message.attempt, reason: tooLate }, nowMs);`,
    replace: `return finishAbort({ ...unknown(message, from, nowMs), attempt: message.attempt, reason: tooLate }, nowMs);`,
  },
  {
    name: "an idle timer fires late",
    file: coordinator,
    find: `if (idleTimeoutMs === undefined) return stay(transaction);
  const reason`,
    replace: "const reason",
  },
  {
    name: "an operator overturns a decision",
    file: coordinator,
    find: "const given = transaction.outcome ?? outcome;",
    replace: "const given = outcome;",
  },
  {
    name: "an operator commits what is not decided",
    file: coordinator,
    find: "if (mayAbort(transaction) || given !== outcome)",
    replace: `if (transaction.phase === "INIT" || given !== outcome)`,
  },
  {
    name: "a contradiction is not recorded",
    file: coordinator,
    find: "return recvResolvedAck(transaction, participantId, outcome, moment);",
    replace: "return recvResolvedAck(transaction, participantId, transaction.outcome ?? outcome, moment);",
  },
  {
    name: "an operator forgets what is not acknowledged",
    file: coordinator,
    find: "if (owing.length > 0) return",
    replace: "if (owing.length > 9) return",
  },
  {
    name: "a lost promise acknowledged",
    file: participant,
    find: `ackEffect(lost, "lost")]`,
    replace: `ackEffect(lost, "committed")]`,
  },
  {
    name: "a commit of what is unknown acknowledged",
    file: participant,
    find: `outcome: "lost", reason }`,
    replace: `outcome: "committed", reason }`,
  },
  {
    name: "a loss counts as an acknowledgement",
    file: coordinator,
    find: `const outcome = said === "lost" && isNothing ? "aborted" : said;`,
    replace: `const outcome = said === "lost" ? (transaction.outcome ?? "committed") : said;`,
  },
  {
    name: "a stranger is believed",
    file: participant,
    find: "if (transaction && transaction.coordinatorId !== from.coordinatorId) {",
    replace: "if (transaction && transaction.coordinatorId === undefined) {",
  },
  {
    name: "gives up after its promise",
    file: participant,
    find: `return transaction.state === "working" && !transaction.abortReceived`,
    replace: `return (transaction.state === "working" || transaction.state === "prepared") && !transaction.abortReceived`,
  },
];

export type Verdict = { readonly exploration: string | undefined; readonly simulation: string | undefined };

/** Half a minute on an idle machine. */
const huntMsMax = 600_000;

const root = join(import.meta.dirname, "..", "..");

/** What finds it. */
export const hunt = async (mutant: Mutant): Promise<Verdict> =>
  JSON.parse(await runMutant(mutant, ["src"], "test/exploration/hunt.ts")) as Verdict;

/**
 * Runs a script of this project in a copy of the code with a mistake in it, and yields what it prints. The assertions of the code are off:
 * others must see the mistake.
 */
export async function runMutant(
  mutant: Mutant,
  parts: readonly string[],
  script: string,
  ...parameters: readonly string[]
): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), "concord-mutant-"));
  try {
    for (const part of ["src/kernel", "src/storage/memory", "test", ...parts]) {
      cpSync(join(root, part), join(dir, part), { recursive: true });
    }
    symlinkSync(join(root, "node_modules"), join(dir, "node_modules"));
    replaceOnce(join(dir, mutant.file), mutant.find, mutant.replace);
    replaceOnce(
      join(dir, "src/kernel/assert.ts"),
      "if (!condition) throw new AssertionError(invariant);",
      "void [condition, invariant];",
    );
    writeFileSync(join(dir, "package.json"), `{ "type": "module" }`);
    const { stdout } = await promisify(execFile)(process.execPath, [join(dir, script), ...parameters], { timeout: huntMsMax });
    return stdout;
  } catch (error) {
    throw new Error(`the hunt for "${mutant.name}" failed`, { cause: error });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function replaceOnce(path: string, find: string, replace: string): void {
  const text = readFileSync(path, "utf8");
  const count = text.split(find).length - 1;
  if (count !== 1) throw new Error(`${path}: the text to replace occurs ${count} times, not once:\n${find}`);
  writeFileSync(
    path,
    text.replace(find, () => replace),
  );
}
