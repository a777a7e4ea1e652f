import { ack, nack, right, vote } from "../answer.ts";
import type { Play } from "../play.ts";
import type { Rule } from "../rule.ts";
import { decisionOf, epochOf, type Work } from "../session.ts";
import { inDoubt } from "./doubt.ts";
import { prepared } from "./votes.ts";

/** A promise to the own log, with a session of another one. */
async function promisedToAnother(play: Play) {
  const work = await prepared(play, await play.session());
  return { work, stranger: await play.session(play.stranger()) };
}

/** Back at its own coordinator, the promise is there, and can be kept. */
async function isStillPromised(play: Play, work: Work): Promise<void> {
  const session = await play.session();
  await inDoubt(play, session, work);
  right(await session.decide(work, "committed"), ack("committed"));
}

/** Whom to believe, of a promise. */
export const ownershipRules: readonly Rule[] = [
  {
    id: "in-doubt-names-its-coordinator",
    says: "What it is in doubt about names the coordinator_id of the Welcome under which it was promised, whoever is asked.",
    where: "InDoubt.coordinator_id",
    async run(play) {
      const { work } = await promisedToAnother(play);
      await isStillPromised(play, work);
    },
  },
  {
    id: "strangers-abort",
    says: "ABORTED from another coordinator than its own ends no promise: it is answered with Nack.",
    where: "Participate, Whom to believe",
    async run(play) {
      const { work, stranger } = await promisedToAnother(play);
      right(await stranger.decide(work, "aborted"), nack);
      await isStillPromised(play, work);
    },
  },
  {
    id: "strangers-commit",
    says: "COMMITTED from another coordinator than its own carries nothing out: it is answered with Nack.",
    where: "Participate, Whom to believe",
    async run(play) {
      const { work, stranger } = await promisedToAnother(play);
      right(await stranger.decide(work, "committed"), nack);
      await isStillPromised(play, work);
    },
  },
  {
    id: "strangers-prepare",
    says: "A Prepare from another coordinator, of what is promised to its own, is answered with Nack, not with a vote.",
    where: "Participate, Whom to believe",
    async run(play) {
      const { work, stranger } = await promisedToAnother(play);
      right(await stranger.prepare(work, { attempt: 2 }), nack);
      await isStillPromised(play, work);
    },
  },
  {
    id: "works-for-a-stranger",
    says: "Another coordinator's own transactions are its own: they are prepared and committed, beside what waits for the first.",
    where: "Participate, Whom to believe",
    async run(play) {
      const { work, stranger } = await promisedToAnother(play);
      const theirs = await prepared(play, stranger);
      right(await stranger.decide(theirs, "committed"), ack("committed"));
      await isStillPromised(play, work);
    },
  },
  {
    id: "larger-epoch-takes-over",
    says: "A coordinator_epoch larger than before is taken: the promise of before is ended by the successor.",
    where: "Welcome.coordinator_epoch",
    async run(play) {
      const work = await prepared(play, await play.session());
      play.takeOver();
      right(await (await play.session()).decide(work, "committed"), ack("committed"));
    },
  },
  {
    id: "smaller-epoch-decides-nothing",
    says: "A Decision with a smaller coordinator_epoch than the largest seen is answered with Nack, and the promise stays.",
    where: "Welcome.coordinator_epoch",
    async run(play) {
      play.takeOver();
      const session = await play.session();
      const work = await prepared(play, session);
      right(await session.decide(work, "aborted", { coordinatorEpoch: epochOf(play.own) - 1 }), nack);
      right(await session.decide(work, "committed"), ack("committed"));
    },
  },
  {
    id: "smaller-epoch-prepares-nothing",
    says: "A Prepare with a smaller coordinator_epoch than the largest seen is answered with Nack, and is not begun.",
    where: "Prepare.coordinator_epoch",
    async run(play) {
      play.takeOver();
      const session = await play.session();
      const work = play.work();
      right(await session.prepare(work, { coordinatorEpoch: epochOf(play.own) - 1 }), nack);
      right(await session.prepare(work, { attempt: 2 }), vote("commit"));
    },
  },
  {
    id: "epoch-of-64-bits",
    says: "An epoch above 32 bits is counted as it is.",
    where: "Claim.epoch",
    async run(play) {
      const largeEpoch = 2 ** 32 + epochOf(play.own);
      play.takeOver(largeEpoch);
      const session = await play.session();
      const work = await prepared(play, session);
      const older = decisionOf(work, "aborted", play.own, { coordinatorEpoch: largeEpoch - 1 });
      right(await session.ask(older, work.transactionId, ["decision-ack"]), nack);
      right(await session.decide(work, "committed"), ack("committed"));
    },
  },
  {
    id: "away-for-all-claims",
    says: "A log all of whose claims are newer than the one that was seen is believed.",
    where: "Welcome.claims",
    async run(play) {
      const work = await prepared(play, await play.session());
      const { coordinatorId } = play.own;
      play.takeOver();
      const [newest] = play.own.claims;
      const session = await play.session({ coordinatorId, claims: [newest] });
      right(await session.decide(work, "committed"), ack("committed"));
    },
  },
];
