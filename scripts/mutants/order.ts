import { createHash } from "node:crypto";
import { type Mutant, nameOf } from "./mutant.ts";

/** Of one line so many are tried before any third one: what is beside a mutant that was killed is likely to be killed as well. */
const onOneLineMax = 2;

/** The rule of `shuffled`, for people. */
export const orderText = `By chance: of each kind in each file as many as the root of their number, and ${onOneLineMax} of one line before any other of it`;

/**
 * The order in which mutants are tried, of which as much is done as there is time for: by chance, but the same for the same seed; and what a change
 * does not touch keeps its place. Of each kind in each file there are as many as the root of their number, so that neither large files nor
 * frequent kinds crowd out the others.
 */
export function shuffled(mutants: readonly Mutant[], seed: number, stratumOf = kindInFile): readonly Mutant[] {
  const namesakes = new Map<string, number>();
  const drawn = mutants.map((mutant) => {
    const nth = namesakes.get(nameOf(mutant)) ?? 0;
    namesakes.set(nameOf(mutant), nth + 1);
    return { mutant, lot: lot(`${seed} ${nth} ${nameOf(mutant)}`) };
  });
  const strata = Map.groupBy(drawn, ({ mutant }) => stratumOf(mutant));
  const placed = [...strata].flatMap(([stratum, group]) => {
    // A start by chance, or the small ones would all come late.
    const start = Number.parseInt(lot(`${seed} ${stratum}`).slice(0, 8), 16) / 2 ** 32;
    return group
      .toSorted((a, b) => (a.lot < b.lot ? -1 : 1))
      .map(({ mutant, lot }, rank) => ({ mutant, lot, place: (rank + start) / Math.sqrt(group.length) }));
  });
  const inOrder = placed.toSorted((a, b) => a.place - b.place || (a.lot < b.lot ? -1 : 1)).map(({ mutant }) => mutant);
  const onLine = new Map<string, number>();
  const { first = [], later = [] } = Object.groupBy(inOrder, ({ file, line }) => {
    const before = onLine.get(`${file}:${line}`) ?? 0;
    onLine.set(`${file}:${line}`, before + 1);
    return before < onOneLineMax ? "first" : "later";
  });
  return [...first, ...later];
}

const kindInFile = ({ file, kind }: Mutant): string => `${file} ${kind}`;

const lot = (text: string): string => createHash("sha256").update(text).digest("hex");
