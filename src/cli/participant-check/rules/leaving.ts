import { anyVote, messageText, right } from "../answer.ts";
import { Broken, NotTried } from "../broken.ts";
import { type Play, quietMs } from "../play.ts";
import type { Rule } from "../rule.ts";
import type { Session } from "../session.ts";
import { inDoubt } from "./doubt.ts";
import { prepared } from "./votes.ts";

/** Asks the participant to stop in order, and starts it again when its stream has ended. */
async function leave(play: Play, session: Session): Promise<void> {
  const { stream } = session;
  await play.process?.stop();
  const ended = await play.watch.until(() => stream.ended, play.patienceMs);
  if (!ended) throw new Broken(`a stream that goes on ${play.patienceMs} ms after it was asked to stop`, "its end");
  await play.restart();
  if (!stream.heard.some(({ message }) => message.type === "goodbye")) {
    throw new NotTried("stopped in order, it left without Goodbye: for the coordinator that is a crash, which is allowed");
  }
}

export const leavingRules: readonly Rule[] = [
  {
    id: "goodbye-then-half-close",
    says: "After Goodbye it ends its side of the stream (half-close), and does not break it.",
    where: "Goodbye",
    needs: ["start"],
    async run(play) {
      const session = await play.session();
      // It has taken Welcome by then: there is a session to leave.
      right(await session.prepare(play.work()), anyVote);
      await leave(play, session);
      const how = session.stream.ended?.how;
      if (how !== "half-closed") throw new Broken(`a stream that was ${how}`, "half-close after Goodbye");
    },
  },
  {
    id: "leaves-its-promises",
    says: "What is prepared when it leaves stays prepared: it is in doubt when it is back.",
    where: "Goodbye",
    needs: ["start"],
    async run(play) {
      const session = await play.session();
      const work = await prepared(play, session);
      const from = session.stream.heard.length;
      await leave(play, session);
      const said = await session.saidOf(work.transactionId, from, quietMs);
      if (said && said.message.type !== "inquiry") throw new Broken(messageText(said.message), "nothing about what is prepared");
      await inDoubt(play, await play.session(), work);
    },
  },
];
