import type { InDoubt } from "../../../commit/core/messages.ts";
import { Broken } from "../broken.ts";
import type { Play } from "../play.ts";
import type { Session, Work } from "../session.ts";

/** It asks about this work: in its Hello, or by Inquiry behind Welcome. */
export async function inDoubt(play: Play, { stream, hello }: Session, { transactionId }: Work): Promise<void> {
  const asked = (): InDoubt | undefined => {
    const told = hello.inDoubt.find((each) => each.transactionId === transactionId);
    if (told) return told;
    const inquired = stream.heard.find(({ message }) => message.type === "inquiry" && message.transactionId === transactionId);
    return inquired?.message.type === "inquiry" ? inquired.message : undefined;
  };
  const found = await play.watch.until(asked, play.patienceMs);
  const own = play.own.coordinatorId;
  if (!found) throw new Broken("neither an entry of Hello.in_doubt nor an Inquiry", `one, with coordinator_id "${own}"`);
  if (found.coordinatorId !== own) throw new Broken(`in doubt, with coordinator_id "${found.coordinatorId}"`, `"${own}"`);
}

/** Its Hello does not ask about this work, which has ended so. */
export function notInDoubt({ hello }: Session, { transactionId }: Work, ended: string): void {
  if (!hello.inDoubt.some((each) => each.transactionId === transactionId)) return;
  throw new Broken("a Hello that has it in doubt", `nothing in doubt that is ${ended}`);
}
