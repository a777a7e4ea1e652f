import { DatabaseSync } from "node:sqlite";
import pg from "pg";
import { accountsPerBank, type BankId, bankIds, type Movement, openingBalance, type Transfer } from "./money.ts";

const openingSum = accountsPerBank * openingBalance;

/** One bank at one moment. */
type Statement = {
  readonly balances: ReadonlyMap<string, number>;
  readonly movements: ReadonlyMap<string, Movement>;
  readonly prepared: number;
};

export type Books = { readonly [bank in BankId]: Statement };

export type Urls = { readonly [bank in BankId]: string };

export async function query<T extends pg.QueryResultRow>(url: string, sql: string): Promise<T[]> {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => {});
  await client.connect();
  try {
    return (await client.query<T>(sql)).rows;
  } finally {
    await client.end();
  }
}

/** Each bank in one statement, and so in one snapshot; the two of them one after the other. */
export async function readBooks(urls: Urls): Promise<Books> {
  const read = async (bank: BankId): Promise<Statement> => {
    const [row] = await query<{ accounts: Record<string, number> | null; movements: Movement[] | null; prepared: number }>(
      urls[bank],
      `SELECT (SELECT json_object_agg(id, balance) FROM accounts) AS accounts,
        (SELECT json_agg(json_build_object('transfer', transfer, 'account', account, 'amount', amount)) FROM movements) AS movements,
        (SELECT count(*)::int FROM pg_prepared_xacts WHERE database = current_database()) AS prepared`,
    );
    return {
      balances: new Map(Object.entries(row?.accounts ?? {})),
      movements: new Map((row?.movements ?? []).map((each) => [each.transfer, each])),
      prepared: row?.prepared ?? 0,
    };
  };
  return { "bank-a": await read("bank-a"), "bank-b": await read("bank-b") };
}

/**
 * Holds at any time: each bank's balances are what its movements made of the opening balances, and what both banks have of a transfer sums
 * to nothing. So all the money there is, and nothing else, is in the accounts or in a transfer that only one bank has carried out yet.
 */
export function checkRunning(books: Books): string[] {
  const problems: string[] = [];
  for (const bank of bankIds) {
    const { balances, movements } = books[bank];
    const expected = new Map([...balances.keys()].map((account) => [account, openingBalance]));
    for (const { account, amount } of movements.values()) expected.set(account, (expected.get(account) ?? 0) + amount);
    for (const [account, balance] of balances) {
      if (balance !== expected.get(account))
        problems.push(`${account} has ${balance}, but its movements make ${expected.get(account)}`);
      if (balance < 0) problems.push(`${account} has ${balance}`);
    }
  }
  for (const { transfer, amount } of books["bank-a"].movements.values()) {
    const other = books["bank-b"].movements.get(transfer);
    if (other !== undefined && other.amount !== -amount) problems.push(`${transfer}: ${amount} and ${other.amount}`);
  }
  return problems;
}

/** Past all of Concord's code: what the ledger's file holds. */
export function readLedger(path: string) {
  // After a kill, whoever opens it first brings it to what was committed, and others wait for that.
  const file = new DatabaseSync(path, { readOnly: true, timeout: 5_000 });
  try {
    const rows = file.prepare("SELECT key, value FROM entries").all();
    const promises = Number(file.prepare("SELECT count(*) AS n FROM promises").get()?.["n"]);
    return { entries: new Map(rows.map(({ key, value }) => [String(key), JSON.parse(String(value)) as Transfer])), promises };
  } finally {
    file.close();
  }
}

export type Ledger = ReturnType<typeof readLedger>;

export type Check = { readonly claim: string; readonly problems: readonly string[] };

/** When all is over. */
export function checkEnd(books: Books, ledger: Ledger, acknowledged: readonly Transfer[], refused: readonly Transfer[]): Check[] {
  const sum = bankIds.flatMap((bank) => [...books[bank].balances.values()]).reduce((total, balance) => total + balance, 0);
  const opening = openingSum * bankIds.length;
  const prepared = bankIds.map((bank) => books[bank].prepared);
  const isIn = ({ id, from, fromAccount, to, toAccount, amount }: Transfer): readonly boolean[] => {
    const [taken, given, entry] = [books[from].movements.get(id), books[to].movements.get(id), ledger.entries.get(id)];
    return [
      taken?.account === fromAccount && taken.amount === -amount,
      given?.account === toAccount && given.amount === amount,
      entry?.amount === amount && entry.fromAccount === fromAccount && entry.toAccount === toAccount,
    ];
  };
  const known = new Set(acknowledged.map(({ id }) => id));
  const written = [...bankIds.flatMap((bank) => [...books[bank].movements.keys()]), ...ledger.entries.keys()];
  return [
    { claim: `the sum of all accounts is ${opening}, as in the beginning`, problems: sum === opening ? [] : [`it is ${sum}`] },
    { claim: "each account is what its movements made of it, and none is below 0", problems: checkRunning(books) },
    {
      claim: `each of the ${acknowledged.length} acknowledged transfers is in both banks and in the ledger, once`,
      problems: acknowledged.filter((each) => isIn(each).includes(false)).map(({ id }) => `${id} is not`),
    },
    {
      claim: `none of the ${refused.length} others is anywhere`,
      problems: [...new Set(written)].filter((id) => !known.has(id)).map((id) => `${id} was never acknowledged`),
    },
    {
      claim: "nothing stays prepared in PostgreSQL (pg_prepared_xacts) or held in the ledger",
      problems: [...prepared, ledger.promises].every((count) => count === 0) ? [] : [`${prepared} and ${ledger.promises}`],
    },
  ];
}
