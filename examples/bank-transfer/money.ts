export const bankIds = ["bank-a", "bank-b"] as const;
export const ledgerId = "ledger";

export type BankId = (typeof bankIds)[number];

export const accountsPerBank = 20;
export const openingBalance = 1_000;

/** What a bank is asked to do. */
export type Movement = { readonly transfer: string; readonly account: string; readonly amount: number };

/** A whole number of cents from one bank to the other. */
export type Transfer = {
  readonly id: string;
  readonly from: BankId;
  readonly fromAccount: string;
  readonly to: BankId;
  readonly toAccount: string;
  readonly amount: number;
};

export const accountId = (bank: BankId, index: number): string => `${bank}/${index}`;

/** In the bank's database; amounts are cents. */
export const bankSchema = `
  CREATE TABLE accounts (id text PRIMARY KEY, balance bigint NOT NULL);
  CREATE TABLE movements (transfer text PRIMARY KEY, account text NOT NULL REFERENCES accounts, amount bigint NOT NULL)`;

/** The same seed, the same transfers. Some ask for more than there is. */
export function makeTransfer(number: number, random: () => number): Transfer {
  const [from, to] = random() < 0.5 ? bankIds : ([bankIds[1], bankIds[0]] as const);
  const account = (bank: BankId) => accountId(bank, Math.floor(random() * accountsPerBank));
  return {
    id: `transfer-${number}`,
    from,
    fromAccount: account(from),
    to,
    toAccount: account(to),
    amount: 1 + Math.floor(random() ** 4 * 2 * openingBalance),
  };
}

/** mulberry32 */
export function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
