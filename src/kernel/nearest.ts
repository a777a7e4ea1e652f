/** Slips of a finger: a letter missing, added, another one, two turned. More would be guessing. */
const slipsMax = 2;

/** More than there are functions; each costs a microsecond. */
const namesMax = 200;
const lengthMax = 40;

/** The name that was probably meant: the nearest one, if it is near. */
export function nearest(word: string, names: readonly string[]): string | undefined {
  if (word.length > lengthMax || names.length > namesMax) return undefined;
  // Of a word of three letters, two wrong ones are another word.
  const allowed = Math.min(slipsMax, Math.floor(word.length / 3));
  let best: string | undefined;
  let fewest = allowed + 1;
  for (const name of names) {
    const slips = name.length > lengthMax ? fewest : slipsBetween(word.toLowerCase(), name.toLowerCase(), fewest);
    if (slips < fewest) [best, fewest] = [name, slips];
  }
  return best;
}

/** Optimal string alignment (Damerau 1964), as far as it is below `limit`: only the places near the diagonal are looked at. */
function slipsBetween(left: string, right: string, limit: number): number {
  if (Math.abs(left.length - right.length) >= limit) return limit;
  let before: readonly number[] = [];
  let row: readonly number[] = Array.from({ length: right.length + 1 }, (_, j) => j);
  for (let i = 1; i <= left.length; i += 1) {
    const next: number[] = Array(right.length + 1).fill(limit);
    if (i < limit) next[0] = i;
    let fewest = next[0] ?? limit;
    for (let j = Math.max(1, i - limit + 1); j <= Math.min(right.length, i + limit - 1); j += 1) {
      const isTurned = left[i - 1] === right[j - 2] && left[i - 2] === right[j - 1];
      const slips = Math.min(
        (row[j - 1] ?? limit) + (left[i - 1] === right[j - 1] ? 0 : 1),
        (row[j] ?? limit) + 1,
        (next[j - 1] ?? limit) + 1,
        isTurned ? (before[j - 2] ?? limit) + 1 : limit,
      );
      next[j] = slips;
      fewest = Math.min(fewest, slips);
    }
    if (fewest >= limit) return limit;
    [before, row] = [row, next];
  }
  return Math.min(limit, row[right.length] ?? limit);
}
