import type { Clock } from "../kernel/clock.ts";
import { purgeBatchSize } from "../kernel/limits.ts";
import type { Result } from "../kernel/result.ts";

/** How soon it is begun, after a policy asks for it. */
const lookIntervalMs = 1_000;

type Indexable = { indexMetadata(slice: { readonly limit: number }): Promise<Result<boolean, unknown>> };

type Surroundings = {
  readonly clock: Pick<Clock, "setTimer">;
  readonly logger: Record<"info" | "error", (fields: object, message: string) => void>;
};

/** Makes the indexes of metadata that policies ask for, in slices between which others write. Returns how to stop it. */
export function indexMetadata(store: Indexable, { clock, logger }: Surroundings): () => void {
  let stopped = false;
  let cancel = lookLater();

  function lookLater(): () => void {
    return clock.setTimer(lookIntervalMs, async () => {
      try {
        await goOn();
      } catch (error) {
        logger.error({ err: error }, "indexes of metadata cannot be made");
      }
      if (!stopped) cancel = lookLater();
    });
  }

  async function goOn(): Promise<void> {
    let slices = 0;
    while (!stopped) {
      const indexed = await store.indexMetadata({ limit: purgeBatchSize });
      // A store that cannot write says so itself, and how far it has come is stored.
      if (!indexed.ok || !indexed.value) break;
      slices += 1;
    }
    if (slices > 0) logger.info({ slices, stopped }, "indexes of metadata made");
  }

  return () => {
    stopped = true;
    cancel();
  };
}
