import { ack, anyVote, messageText, nack, right, vote } from "../answer.ts";
import { Broken } from "../broken.ts";
import { quietMs } from "../play.ts";
import type { Rule } from "../rule.ts";
import { prepareOf } from "../session.ts";
import { decisionWith, prepareWithMore, unknownKind } from "../wire.ts";
import { prepared } from "./votes.ts";

/** What it makes of messages that it does not understand. */
export const understandingRules: readonly Rule[] = [
  {
    id: "unknown-kind",
    says: "A message of a kind that it does not know is answered with Nack, and the stream goes on.",
    where: "Participate, 5",
    async run(play) {
      const session = await play.session();
      const work = play.work();
      right(await session.ask(unknownKind, work.transactionId, []), nack);
      right(await session.prepare(work), anyVote);
    },
  },
  {
    id: "unknown-fields",
    says: "Fields that it does not know are passed over.",
    where: "Participate, 5",
    async run(play) {
      const session = await play.session();
      const work = play.work();
      const message = prepareWithMore(prepareOf(work, session.log));
      right(await session.ask(message, work.transactionId, ["vote", "decision-ack"]), anyVote);
    },
  },
  {
    id: "unknown-outcome",
    says: "A Decision whose outcome is neither COMMITTED nor ABORTED is answered with Nack, and its promise stays.",
    where: "Decision.outcome",
    async run(play) {
      const session = await play.session();
      const work = await prepared(play, session);
      const { transactionId } = work;
      const { coordinatorEpoch } = prepareOf(work, session.log);
      // None, LOST, and what a later version may have.
      for (const outcome of [0, 3, 9]) {
        right(await session.ask(decisionWith(transactionId, outcome, coordinatorEpoch), transactionId, ["decision-ack"]), nack);
      }
      right(await session.decide(work, "committed"), ack("committed"));
    },
  },
  {
    id: "second-welcome",
    says: "A second Welcome on a stream is answered with Nack, and the session stays what it is.",
    where: "ParticipateResponse.welcome",
    async run(play) {
      const session = await play.session();
      const { stream } = session;
      const work = await prepared(play, session);
      const from = stream.heard.length;
      play.welcome(stream, play.stranger());
      const sequence = stream.sent;
      const isAnswer = (message: (typeof stream.heard)[number]["message"]): boolean =>
        message.type === "nack" && message.sequence === sequence;
      const answer = await play.watch.until(
        () => stream.heard.slice(from).find(({ message }) => isAnswer(message)),
        play.patienceMs,
      );
      if (!answer) throw new Broken(`no answer within ${play.patienceMs} ms`, nack.text);
      right(await session.decide(work, "committed"), ack("committed"));
    },
  },
  {
    id: "takes-a-nack",
    says: "A Nack of its Vote ends nothing: the promise stays, and asked again it votes the same.",
    where: "Nack",
    async run(play) {
      const session = await play.session();
      const work = await prepared(play, session);
      const said = session.stream.heard.findLast(({ message }) => message.type === "vote");
      const from = session.stream.heard.length;
      session.send({ type: "nack", sequence: said?.sequence ?? 0, reason: "the check refuses this message" });
      const answer = await session.saidOf(work.transactionId, from, quietMs);
      if (answer && answer.message.type !== "inquiry") throw new Broken(messageText(answer.message), "no answer to a Nack");
      right(await session.prepare(work, { attempt: 2 }), vote("commit"));
      right(await session.decide(work, "committed"), ack("committed"));
    },
  },
];
