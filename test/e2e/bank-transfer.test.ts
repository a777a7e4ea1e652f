import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { checkEnd, checkRunning } from "../../examples/bank-transfer/audit.ts";
import type { Transfer } from "../../examples/bank-transfer/money.ts";
import { whyNoPostgres } from "../../examples/bank-transfer/postgres.ts";

const program = join(import.meta.dirname, "../../examples/bank-transfer/main.ts");
const missing = await whyNoPostgres();
if (missing !== undefined && process.env["CI"] !== undefined) throw new Error(missing);

async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
  let text = "";
  for await (const chunk of stream) text += chunk;
  return text;
}

describe.skipIf(missing !== undefined)(`bank-transfer${missing === undefined ? "" : ` [SKIPPED: ${missing}]`}`, () => {
  test.each([
    ["", []],
    [" over mutual TLS", ["--tls"]],
  ])("moves money%s while processes are killed, and finds all of it afterwards", async (_, flags) => {
    const example = spawn(process.execPath, [program, "--seconds", "10", ...flags], { stdio: ["ignore", "pipe", "pipe"] });
    const exited = once(example, "exit");
    const said = (await Promise.all([textOf(example.stdout), textOf(example.stderr)])).join("");
    expect(await exited, said).toEqual([0, null]);
    expect(said).toContain("  ok    the sum of all accounts is 40000");
    expect(said).not.toContain("FAIL  ");
    expect(said).toContain("All is as it must be.");
  });
});

describe("the checks of bank-transfer", () => {
  const accountsOfIt = { from: "bank-a", fromAccount: "bank-a/0", to: "bank-b", toAccount: "bank-b/0" } as const;
  const done: Transfer = { id: "t-1", ...accountsOfIt, amount: 7 };
  const movement = (account: string, amount: number, transfer = "t-1") => ({ transfer, account, amount });
  const accounts = (bank: string, first: number) =>
    new Map(Array.from({ length: 20 }, (_, index) => [`${bank}/${index}`, index === 0 ? first : 1_000]));
  const books = {
    "bank-a": { balances: accounts("bank-a", 993), movements: new Map([["t-1", movement("bank-a/0", -7)]]), prepared: 0 },
    "bank-b": { balances: accounts("bank-b", 1_007), movements: new Map([["t-1", movement("bank-b/0", 7)]]), prepared: 0 },
  };
  const ledger = { entries: new Map([["t-1", done]]), promises: 0 };
  const problems = (...input: Parameters<typeof checkEnd>) => checkEnd(...input).flatMap((check) => check.problems);
  const bankA = (change: Partial<(typeof books)["bank-a"]>) => ({ ...books, "bank-a": { ...books["bank-a"], ...change } });

  test("find nothing where all is well, also while one bank is behind", () => {
    expect(problems(books, ledger, [done], [])).toEqual([]);
    expect(checkRunning(bankA({ balances: accounts("bank-a", 1_000), movements: new Map() }))).toEqual([]);
  });

  test("find money that is lost", () => {
    const lost = bankA({ balances: accounts("bank-a", 992) });
    expect(checkRunning(lost)).toEqual(["bank-a/0 has 992, but its movements make 993"]);
    expect(problems(lost, ledger, [done], [])).toContain("it is 39999");
  });

  test("find an amount that differs between the banks", () => {
    const wrong = bankA({ balances: accounts("bank-a", 994), movements: new Map([["t-1", movement("bank-a/0", -6)]]) });
    expect(checkRunning(wrong)).toEqual(["t-1: -6 and 7"]);
  });

  test("find an acknowledged transfer that the ledger or a bank does not have", () => {
    expect(problems(books, { ...ledger, entries: new Map() }, [done], [])).toEqual(["t-1 is not"]);
    expect(problems(bankA({ balances: accounts("bank-a", 1_000), movements: new Map() }), ledger, [done], [])).toContain(
      "t-1 is not",
    );
  });

  test("find a refused transfer that was done", () => {
    expect(problems(books, ledger, [], [done])).toEqual(["t-1 was never acknowledged"]);
  });

  test("find what stays prepared or held", () => {
    expect(problems(bankA({ prepared: 1 }), ledger, [done], [])).toEqual(["1,0 and 0"]);
    expect(problems(books, { ...ledger, promises: 1 }, [done], [])).toEqual(["0,0 and 1"]);
  });
});
