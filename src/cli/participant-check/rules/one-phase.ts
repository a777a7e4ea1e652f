import { ack, answerText, nack, right, withReason } from "../answer.ts";
import { NotTried } from "../broken.ts";
import type { Play } from "../play.ts";
import type { Rule } from "../rule.ts";
import type { Session, Work } from "../session.ts";

const onePhase = { onePhase: true };

/** A transaction that the participant has committed as the only one. */
export async function committedAlone(play: Play, session: Session): Promise<Work> {
  const work = play.work();
  const answer = await session.prepare(work, onePhase);
  const isNo = answer.type === "decision-ack" && answer.outcome === "aborted";
  if (isNo) throw new NotTried(`it answers --payload with ${answerText(answer)}; give one that it commits`);
  right(answer, ack("committed"));
  return work;
}

export const onePhaseRules: readonly Rule[] = [
  {
    id: "one-phase-commits",
    says: "A one-phase Prepare is carried out and answered with DecisionAck COMMITTED; there is no Vote.",
    where: "Prepare.one_phase",
    run: async (play) => void (await committedAlone(play, await play.session())),
  },
  {
    id: "one-phase-again",
    says: "A one-phase Prepare that comes again is answered with the outcome of before.",
    where: "Prepare.one_phase",
    async run(play) {
      const session = await play.session();
      const work = await committedAlone(play, session);
      right(await session.prepare(work, { ...onePhase, attempt: 2 }), ack("committed"));
      right(await session.prepare(work, { ...onePhase, attempt: 3, voteWithinMs: 0 }), ack("committed"));
    },
  },
  {
    id: "one-phase-refused",
    says: "A one-phase Prepare of work that it refuses is answered with DecisionAck ABORTED and a reason, each time.",
    where: "DecisionAck.reason",
    needs: ["abort-payload"],
    async run(play) {
      const session = await play.session();
      const work = play.work("abort");
      right(await session.prepare(work, onePhase), withReason(ack("aborted")));
      right(await session.prepare(work, { ...onePhase, attempt: 2 }), ack("aborted"));
    },
  },
  {
    id: "one-phase-too-late",
    says: "A one-phase Prepare with vote_within 0, of what it does not know, is aborted, and stays so.",
    where: "Prepare.vote_within",
    async run(play) {
      const session = await play.session();
      const work = play.work();
      right(await session.prepare(work, { ...onePhase, voteWithinMs: 0 }), ack("aborted"));
      right(await session.prepare(work, { ...onePhase, attempt: 2 }), ack("aborted"));
    },
  },
  {
    id: "one-phase-is-its-own",
    says: "ABORTED, of what it has committed as the only participant, is answered with Nack and changes nothing.",
    where: "Decision.outcome",
    async run(play) {
      const session = await play.session();
      const work = await committedAlone(play, session);
      right(await session.decide(work, "aborted"), nack);
      right(await session.prepare(work, { ...onePhase, attempt: 2 }), ack("committed"));
    },
  },
];
