import { folderOf, isCore } from "./enumerate.ts";
import type { Verdict } from "./judge.ts";
import type { Mutant } from "./mutant.ts";

export type Tried = { readonly mutant: Mutant; readonly verdict: Verdict };

export const wasKilled = ({ verdict }: Tried): boolean => verdict.outcome === "killed";

/** Of the mutants that a test could tell from the code, so many in a hundred must be killed. */
export const floors = { cores: 90, shell: 85 } as const;

export type Rate = { readonly name: string; readonly tried: number; readonly killed: number; readonly equivalent: number };

export const percent = ({ tried, killed, equivalent }: Rate): number =>
  tried === equivalent ? 100 : (100 * killed) / (tried - equivalent);

/** `isListed`: known, with a reason, as one that no test can tell. */
export function rateOf(name: string, tried: readonly Tried[], isListed: (mutant: Mutant) => boolean): Rate {
  const killed = tried.filter(wasKilled).length;
  const equivalent = tried.filter((one) => !wasKilled(one) && isListed(one.mutant)).length;
  return { name, tried: tried.length, killed, equivalent };
}

export const rateText = (rate: Rate): string =>
  `${rate.name}: ${percent(rate).toFixed(1)} % killed: ${rate.killed} of ${rate.tried}` +
  (rate.equivalent > 0 ? `, ${rate.equivalent} listed as equivalent` : "");

export function ratesOf(tried: readonly Tried[], isListed: (mutant: Mutant) => boolean) {
  const cores = tried.filter(({ mutant }) => isCore(mutant.file));
  const shell = tried.filter(({ mutant }) => !isCore(mutant.file));
  const groups = Map.groupBy(tried, ({ mutant }) => folderOf(mutant.file));
  return {
    cores: rateOf("the cores", cores, isListed),
    shell: rateOf("the shell", shell, isListed),
    folders: [...groups].sort().map(([name, group]) => rateOf(`src/${name}`, group, isListed)),
  };
}

export function survivorText({ mutant, verdict }: Tried): string {
  const { file, line, within, kind, before, after } = mutant;
  const why =
    verdict.outcome === "unreached"
      ? "no test reaches it"
      : `${verdict.tests} tests pass${verdict.cut ? ", and more that were not run reach it" : ""}`;
  return `${file}:${line} ${within}: ${kind}: ${before} → ${after} (${why})`;
}
