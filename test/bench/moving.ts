import { setTimeout as pause } from "node:timers/promises";
import { ServerError, Status } from "nice-grpc-common";
import { createPool, type Pool } from "./pool.ts";
import { reasonOf } from "./reason.ts";

/** After this time nothing of a call whose caller has left is still to come. */
const settledMs = 1_000;

/** What is refused for these reasons has not been moved. */
const nothingMoved: ReadonlySet<string> = new Set([
  "RESOURCE_EXHAUSTED OVERLOADED",
  "UNAVAILABLE PREDICATE_LOGIC_UNAVAILABLE",
  "FAILED_PRECONDITION RULE_DENIED",
]);

/** Reads how a workflow is. Undefined: it is held, or cannot be read. */
type IsActive<Context> = (index: number, context: Context) => Promise<boolean | undefined>;

export type Moving<Context> = Pick<Pool, "isActive"> & {
  /** Takes workflows, has them moved, and gives them back as they then are. */
  readonly move: <Answer>(
    count: number,
    context: Context,
    call: (taken: readonly number[]) => Promise<Answer>,
  ) => Promise<Answer>;
};

export function createMoving<Context>(size: number, readIsActive: IsActive<Context>): Moving<Context> {
  const pool = createPool(size);

  /** What has become of a call without an answer stands in the store. */
  async function lookAgain(taken: readonly number[], context: Context): Promise<void> {
    let pending = taken;
    while (pending.length > 0) {
      await pause(settledMs);
      const found = await Promise.all(
        pending.map(async (index) => ({ index, isActive: await readIsActive(index, context).catch(() => undefined) })),
      );
      for (const { index, isActive } of found) if (isActive !== undefined) pool.put(index, isActive);
      pending = found.filter(({ isActive }) => isActive === undefined).map(({ index }) => index);
    }
  }

  return {
    isActive: pool.isActive,
    async move(count, context, call) {
      const taken = pool.take(count);
      if (taken === undefined) throw new ServerError(Status.INTERNAL, "no workflow is left to be moved");
      try {
        const answer = await call(taken);
        for (const index of taken) pool.put(index, !pool.isActive(index));
        return answer;
      } catch (error) {
        if (nothingMoved.has(reasonOf(error) ?? "")) for (const index of taken) pool.put(index, pool.isActive(index));
        else void lookAgain(taken, context);
        throw error;
      }
    },
  };
}
