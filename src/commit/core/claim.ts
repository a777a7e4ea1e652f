/** A process has taken the decision log. The id is random: two copies of one log that go on apart have other claims with the same epoch. */
export type Claim = { readonly epoch: number; readonly id: string };

/** What a log keeps of its own, and tells. Claims are one a start: older than these is what a participant saw that was away for all of them. */
export const claimCountMax = 64;

/**
 * Whether the log with these claims, newest first, goes on from the claim that was seen. If not, it was restored from an older copy, or is
 * another one: what was decided since then it would presume aborted. What is older than all that is listed cannot be told, and is believed.
 */
export function goesOnFrom(seen: Claim, claims: readonly Claim[]): boolean {
  const listed = claims.find(({ epoch }) => epoch === seen.epoch);
  if (listed !== undefined) return listed.id === seen.id;
  return claims.length > 0 && claims.every(({ epoch }) => epoch > seen.epoch);
}
