import type { Breathe } from "../kernel/turns.ts";

/**
 * Runs for each item, in their order, so many at a time; between two that begin, others have their turns. Rejects with the first that fails, when
 * those under way have ended: nothing goes on behind the back of whoever hears of it.
 */
export async function atOnce<Item>(
  items: readonly Item[],
  countMax: number,
  breathe: Breathe,
  run: (item: Item) => Promise<void>,
): Promise<void> {
  const [only] = items;
  if (items.length === 1 && only !== undefined) return run(only);
  const left = items.values();
  let failure: { readonly cause: unknown } | undefined;
  const lane = async (): Promise<void> => {
    try {
      for (const item of left) {
        if (failure !== undefined) return;
        const pause = breathe();
        if (pause !== undefined) await pause;
        await run(item);
      }
    } catch (cause) {
      failure ??= { cause };
    }
  };
  await Promise.all(Array.from({ length: Math.min(countMax, items.length) }, lane));
  if (failure !== undefined) throw failure.cause;
}
