import { ClientError } from "nice-grpc-common";
import { clientFailure } from "../../../src/rpc/errors.ts";
import type { Stage } from "../stage.ts";

/** To be asked again, as nobody knows whether it was done. */
const unknown: ReadonlySet<string> = new Set(["STORAGE_UNAVAILABLE", "SHUTTING_DOWN"]);

/** Asks again and again, of course under one request id, until there is an answer, or a refusal: its reason. */
export async function insist<Answer extends object>(
  { dice, tally, world }: Stage,
  who: string,
  ask: () => Promise<Answer>,
): Promise<Answer | string> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof ClientError)) throw error;
      const { reason } = clientFailure(error);
      tally.count(`${who} told: ${reason ?? "no answer"}`);
      if (reason !== undefined && !unknown.has(reason)) return reason;
      await world.sleep(dice.between(100, 5_000));
    }
  }
}
