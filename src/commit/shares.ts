/** What the undecided transactions of one address take: of those that were begun from it, whoever enlists work in them. */
export type Share = { readonly address: string; count: number; bytes: number };

/** Of the addresses that have undecided transactions, and no others. */
export type Shares = Map<string, Share>;

export const shareOf = (shares: Shares, address: string): Share => shares.get(address) ?? { address, count: 0, bytes: 0 };

/** One more is undecided. */
export function enterShare(shares: Shares, share: Share): void {
  share.count += 1;
  shares.set(share.address, share);
}

/** One is decided, of which so many bytes were counted. */
export function leaveShare(shares: Shares, share: Share, bytes: number): void {
  share.count -= 1;
  share.bytes -= bytes;
  if (share.count === 0) shares.delete(share.address);
}
