import { ack, nack, right, vote, withReason } from "../answer.ts";
import { quietMs } from "../play.ts";
import type { Rule } from "../rule.ts";
import { decisionOf, prepareOf } from "../session.ts";
import { inDoubt, notInDoubt } from "./doubt.ts";
import { prepared } from "./votes.ts";

export const decisionRules: readonly Rule[] = [
  {
    id: "commit-is-acknowledged",
    says: "The decision to commit what it has promised is acknowledged with COMMITTED.",
    where: "DecisionAck.outcome",
    async run(play) {
      const session = await play.session();
      right(await session.decide(await prepared(play, session), "committed"), ack("committed"));
    },
  },
  {
    id: "abort-is-acknowledged",
    says: "The decision to abort what it has promised is acknowledged with ABORTED.",
    where: "DecisionAck.outcome",
    async run(play) {
      const session = await play.session();
      right(await session.decide(await prepared(play, session), "aborted"), ack("aborted"));
    },
  },
  {
    id: "commit-again",
    says: "A decision to commit that comes again is acknowledged again, with COMMITTED.",
    where: "Participate, 3",
    async run(play) {
      const session = await play.session();
      const work = await prepared(play, session);
      for (let time = 1; time <= 3; time += 1) right(await session.decide(work, "committed"), ack("committed"));
    },
  },
  {
    id: "abort-again",
    says: "A decision to abort that comes again is acknowledged again, with ABORTED.",
    where: "Participate, 3",
    async run(play) {
      const session = await play.session();
      const work = await prepared(play, session);
      for (let time = 1; time <= 3; time += 1) right(await session.decide(work, "aborted"), ack("aborted"));
    },
  },
  {
    id: "abort-of-unknown",
    says: "The abort of what it never heard of is acknowledged with ABORTED.",
    where: "DecisionAck",
    run: async (play) => right(await (await play.session()).decide(play.work(), "aborted"), ack("aborted")),
  },
  {
    id: "abort-overtakes-prepare",
    says: "An abort that comes before its Prepare is remembered: the Prepare is voted ABORT.",
    where: "DecisionAck",
    async run(play) {
      const session = await play.session();
      const work = play.work();
      right(await session.decide(work, "aborted"), ack("aborted"));
      right(await session.prepare(work), vote("abort"));
    },
  },
  {
    id: "abort-behind-prepare",
    says: "An abort right behind its Prepare ends it, whatever the vote was: acknowledged, and not in doubt.",
    where: "Decision",
    async run(play) {
      const session = await play.session();
      const work = play.work();
      session.send(prepareOf(work, session.log));
      right(await session.decide(work, "aborted"), ack("aborted"));
      right(await session.prepare(work, { attempt: 2 }), vote("abort"));
      play.part();
      notInDoubt(await play.session(), work, "aborted");
    },
  },
  {
    id: "commit-of-unknown",
    says: "The commit of what it never promised is acknowledged with LOST and a reason, never with COMMITTED.",
    where: "DecisionAck",
    run: async (play) => right(await (await play.session()).decide(play.work(), "committed"), withReason(ack("lost"))),
  },
  {
    id: "lost-stays-lost",
    says: "Told to commit again what is lost, it looks again, and does not say COMMITTED for having been asked before.",
    where: "DecisionAck",
    async run(play) {
      const session = await play.session();
      const work = play.work();
      right(await session.decide(work, "committed"), ack("lost"));
      right(await session.decide(work, "committed"), ack("lost"));
    },
  },
  {
    id: "commit-after-abort",
    says: "COMMITTED, of what is aborted here, is answered with Nack and changes nothing.",
    where: "Decision.outcome",
    async run(play) {
      const session = await play.session();
      const work = await prepared(play, session);
      right(await session.decide(work, "aborted"), ack("aborted"));
      right(await session.decide(work, "committed"), nack);
      right(await session.decide(work, "aborted"), ack("aborted"));
    },
  },
  {
    id: "abort-after-commit",
    says: "ABORTED, of what is committed here, is answered with Nack and changes nothing.",
    where: "Decision.outcome",
    async run(play) {
      const session = await play.session();
      const work = await prepared(play, session);
      right(await session.decide(work, "committed"), ack("committed"));
      right(await session.decide(work, "aborted"), nack);
      right(await session.decide(work, "committed"), ack("committed"));
    },
  },
  {
    id: "decisions-are-apart",
    says: "Decisions of two transactions that are open together end each its own.",
    where: "Decision.transaction_id",
    async run(play) {
      const session = await play.session();
      const [kept, dropped] = [await prepared(play, session), await prepared(play, session)];
      const answers = await Promise.all([session.decide(dropped, "aborted"), session.decide(kept, "committed")]);
      right(answers[0], ack("aborted"));
      right(answers[1], ack("committed"));
    },
  },
  {
    id: "decision-comes-later",
    says: "After a reconnect it has its promise in doubt, and takes the Decision whenever that comes.",
    where: "Hello.in_doubt, Decision.in_reply",
    async run(play) {
      const work = await prepared(play, await play.session());
      play.part();
      const session = await play.session();
      const { transactionId } = work;
      await inDoubt(play, session, work);
      await play.watch.pass(quietMs);
      const decision = decisionOf(work, "committed", session.log, { inReply: true });
      right(await session.ask(decision, transactionId, ["decision-ack"]), ack("committed"));
      play.part();
      notInDoubt(await play.session(), work, "committed");
    },
  },
];
