import { type SimulationOptions, simulate, switches, type WorldOptions } from "./world.ts";

export type Shrunk = {
  readonly options: Omit<SimulationOptions, "onLine" | "onTrace">;
  readonly failure: string;
  /** Of its transcript. */
  readonly lines: number;
  readonly worldsTried: number;
};

type Candidate = WorldOptions & { readonly seed: number };

/** Without some of its dangers a world takes another course: so many seeds are tried with what is left of it. */
const seedsEach = 6;

/**
 * The simplest world found that still violates the same invariant: dangers and actors are switched off by delta debugging (Zeller,
 * Hildebrandt, TSE 2002), then participants, load and time are cut. Undefined: the world does not fail.
 */
export async function shrink(
  start: Candidate,
  { worldsMax, onTry = () => {} }: { readonly worldsMax: number; readonly onTry?: (worlds: number) => void },
): Promise<Shrunk | undefined> {
  let worldsTried = 0;

  async function run(options: Candidate): Promise<Shrunk | undefined> {
    let lines = 0;
    worldsTried += 1;
    onTry(worldsTried);
    const { failure } = await simulate({
      ...options,
      onLine() {
        lines += 1;
      },
    });
    return failure === undefined ? undefined : { options, failure, lines, worldsTried };
  }

  const first = await run(start);
  if (!first) return undefined;
  let best: Shrunk = first;

  /** True if a world like this fails in the same way, and no later. It is the best from then on. */
  async function accepts(options: WorldOptions): Promise<boolean> {
    for (let attempt = 0; attempt < seedsEach && worldsTried < worldsMax; attempt += 1) {
      const seed = attempt === 0 ? best.options.seed : start.seed * 1_000 + attempt;
      const found = await run({ ...options, seed });
      if (!found || found.lines > best.lines || kindOf(found.failure) !== kindOf(first?.failure ?? "")) continue;
      best = found;
      return true;
    }
    return false;
  }

  const all = switches(start);
  for (let chunk = all.length; chunk >= 1; chunk = chunk === 1 ? 0 : Math.ceil(chunk / 2)) {
    for (let from = 0; from < all.length; from += chunk) {
      const { without = [] } = best.options;
      const more = all.slice(from, from + chunk).filter((name) => !without.includes(name));
      if (more.length > 0) await accepts({ ...best.options, without: [...without, ...more] });
    }
  }
  for (let count = 1; count < best.options.participantsMax; count += 1) {
    if (await accepts({ ...best.options, participantsMin: count, participantsMax: count })) break;
  }
  for (const load of [0.1, 0.3, 0.6]) if (await accepts({ ...best.options, load })) break;
  for (const chaosMs of [5_000, 15_000, 30_000]) if (await accepts({ ...best.options, chaosMs })) break;
  return { ...best, worldsTried };
}

/** The invariant. */
const kindOf = (failure: string): string => failure.split(":")[0] ?? "";

/** What replays it. */
export function commandOf({ seed, participantsMin, participantsMax, ...rest }: Candidate): string {
  const { without = [], load, chaosMs, onlyCommit, focus } = rest;
  return [
    `bin/concord simulate --seed ${seed} --participants ${participantsMin}..${participantsMax}`,
    ...(without.length > 0 ? [`--without "${without.join(",")}"`] : []),
    ...(load === undefined ? [] : [`--load ${load}`]),
    ...(chaosMs === undefined ? [] : [`--for ${chaosMs}`]),
    ...(onlyCommit ? ["--only-commit"] : []),
    ...(focus === undefined ? [] : [`--focus ${focus}`]),
    "--verbose",
  ].join(" ");
}
