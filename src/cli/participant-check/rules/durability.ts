import type { Hello } from "../../../commit/core/messages.ts";
import { ack, either, nack, right, vote } from "../answer.ts";
import { Broken } from "../broken.ts";
import type { Rule } from "../rule.ts";
import { inDoubt, notInDoubt } from "./doubt.ts";
import { committedAlone } from "./one-phase.ts";
import { prepared } from "./votes.ts";

/** What survives a kill. */
export const durabilityRules: readonly Rule[] = [
  {
    id: "vote-is-durable",
    says: "A promise is durable before its Vote: killed right behind the vote, it comes back with the transaction in doubt.",
    where: "Vote.value, Hello.in_doubt",
    needs: ["start"],
    async run(play) {
      const work = await prepared(play, await play.session());
      await play.restart();
      await inDoubt(play, await play.session(), work);
    },
  },
  {
    id: "promise-is-kept-after-a-kill",
    says: "What it has promised before it was killed it commits when it is told, and votes the same if it is asked.",
    where: "Participate, 2",
    needs: ["start"],
    async run(play) {
      const work = await prepared(play, await play.session());
      await play.restart();
      const session = await play.session();
      right(await session.prepare(work, { attempt: 2 }), vote("commit"));
      right(await session.decide(work, "committed", { inReply: true }), ack("committed"));
    },
  },
  {
    id: "abort-after-a-kill",
    says: "What it has promised before it was killed it aborts when it is told.",
    where: "Participate, 2",
    needs: ["start"],
    async run(play) {
      const work = await prepared(play, await play.session());
      await play.restart();
      right(await (await play.session()).decide(work, "aborted", { inReply: true }), ack("aborted"));
    },
  },
  {
    id: "commit-is-durable",
    says: "An outcome is durable before its DecisionAck: killed right behind it, the commit is not in doubt, and acknowledged again.",
    where: "DecisionAck",
    needs: ["start"],
    async run(play) {
      const session = await play.session();
      const work = await prepared(play, session);
      right(await session.decide(work, "committed"), ack("committed"));
      await play.restart();
      const next = await play.session();
      notInDoubt(next, work, "committed");
      right(await next.decide(work, "committed"), ack("committed"));
    },
  },
  {
    id: "abort-is-durable",
    says: "An abort is remembered over a kill: it is not in doubt, and a Prepare of it is voted ABORT.",
    where: "DecisionAck",
    needs: ["start"],
    async run(play) {
      const session = await play.session();
      const work = await prepared(play, session);
      right(await session.decide(work, "aborted"), ack("aborted"));
      await play.restart();
      const next = await play.session();
      notInDoubt(next, work, "aborted");
      right(await next.prepare(work, { attempt: 2 }), vote("abort"));
    },
  },
  {
    id: "one-phase-is-durable",
    says: "As the only participant it tells the outcome only when that is durable: asked again after a kill, it tells the same.",
    where: "Prepare.one_phase",
    needs: ["start"],
    async run(play) {
      const work = await committedAlone(play, await play.session());
      await play.restart();
      const session = await play.session();
      notInDoubt(session, work, "committed");
      right(await session.prepare(work, { onePhase: true, attempt: 2, voteWithinMs: 0 }), ack("committed"));
    },
  },
  {
    id: "ownership-is-durable",
    says: "Whose a promise is, is durable with it: after a kill, another coordinator still ends nothing.",
    where: "Participate, Whom to believe",
    needs: ["start"],
    async run(play) {
      const work = await prepared(play, await play.session());
      await play.restart();
      const stranger = await play.session(play.stranger());
      right(await stranger.decide(work, "aborted", { inReply: true }), nack);
      right(await (await play.session()).decide(work, "committed"), ack("committed"));
    },
  },
  {
    id: "no-is-safe-after-a-kill",
    says: "What it has not promised, it may forget in a kill, but does not commit: COMMITTED is answered with LOST, or Nack.",
    where: "DecisionAck",
    needs: ["start", "abort-payload"],
    async run(play) {
      const work = play.work("abort");
      right(await (await play.session()).prepare(work), vote("abort"));
      await play.restart();
      const session = await play.session();
      notInDoubt(session, work, "refused");
      right(await session.decide(work, "committed"), either(ack("lost"), nack));
    },
  },
  {
    id: "instance-of-the-process",
    says: "instance_id is the same for all streams of a process, and fresh for the next.",
    where: "Hello.instance_id",
    needs: ["start"],
    async run(play) {
      const instances: string[] = [];
      const look = ({ instanceId }: Hello): void => void instances.push(instanceId);
      look((await play.session()).hello);
      play.part();
      look((await play.session()).hello);
      await play.restart();
      look((await play.session()).hello);
      const [first, second, third] = instances;
      if (first !== second) throw new Broken(`"${first}", then "${second}" of the same process`, "the same");
      if (second === third) throw new Broken(`"${third}" before a restart and after it`, "a fresh one");
    },
  },
];
