import { ack, answerText, anyVote, either, nack, right, vote, withReason } from "../answer.ts";
import { NotTried } from "../broken.ts";
import type { Play } from "../play.ts";
import type { Rule } from "../rule.ts";
import type { Session, Work } from "../session.ts";
import { notInDoubt } from "./doubt.ts";

/** A transaction to which the participant has voted to commit. */
export async function prepared(play: Play, session: Session): Promise<Work> {
  const work = play.work();
  const answer = await session.prepare(work);
  const isOther = answer.type === "vote" && answer.value !== "commit";
  if (isOther) throw new NotTried(`it answers --payload with ${answerText(answer)}; give one that it votes to commit`);
  right(answer, vote("commit"));
  return work;
}

/** 128 characters: as long as an id may be. */
const longest = <Id extends string>(id: Id): Id => id.padEnd(128, ".x") as Id;

const payloadBytesMax = 256 * 1024;

export const voteRules: readonly Rule[] = [
  {
    id: "prepare-is-voted",
    says: "A Prepare is answered with one Vote, which names its transaction and its attempt.",
    where: "Prepare, Vote",
    async run(play) {
      const session = await play.session();
      const work = play.work();
      const answer = await session.prepare(work, { attempt: 7 });
      right(answer, { text: "Vote with attempt 7", is: (each) => anyVote.is(each) && "attempt" in each && each.attempt === 7 });
    },
  },
  {
    id: "votes-to-commit",
    says: "Work that it can do is voted COMMIT.",
    where: "Vote.value",
    run: async (play) => void (await prepared(play, await play.session())),
  },
  {
    id: "same-vote-again",
    says: "A Prepare that comes again is answered with the same Vote, and the new attempt.",
    where: "Participate, 3",
    async run(play) {
      const session = await play.session();
      const work = await prepared(play, session);
      const again = vote("commit");
      const is: typeof again.is = (answer) => again.is(answer) && "attempt" in answer && answer.attempt === 2;
      right(await session.prepare(work, { attempt: 2 }), { text: `${again.text} with attempt 2`, is });
    },
  },
  {
    id: "no-with-reason",
    says: "Work that it refuses is voted ABORT, with a reason.",
    where: "Vote.reason",
    needs: ["abort-payload"],
    run: async (play) => right(await (await play.session()).prepare(play.work("abort")), withReason(vote("abort"))),
  },
  {
    id: "no-stays-no",
    says: "A no is final: the same Prepare again, and the abort of it, are answered as such.",
    where: "Vote.value",
    needs: ["abort-payload"],
    async run(play) {
      const session = await play.session();
      const work = play.work("abort");
      right(await session.prepare(work), vote("abort"));
      right(await session.prepare(work, { attempt: 2 }), vote("abort"));
      right(await session.decide(work, "aborted"), ack("aborted"));
    },
  },
  {
    id: "read-only-is-over",
    says: "What is voted READ_ONLY is over: the same vote again if asked again, and nothing that is in doubt.",
    where: "Vote.value",
    needs: ["read-only-payload"],
    async run(play) {
      const session = await play.session();
      const work = play.work("read-only");
      right(await session.prepare(work), vote("read-only"));
      right(await session.prepare(work, { attempt: 2 }), vote("read-only"));
      play.part();
      notInDoubt(await play.session(), work, "READ_ONLY");
    },
  },
  {
    id: "no-time-to-vote",
    says: "A Prepare with vote_within 0, of what it does not know, is voted ABORT and not begun.",
    where: "Prepare.vote_within",
    async run(play) {
      const session = await play.session();
      const work = play.work();
      right(await session.prepare(work, { voteWithinMs: 0 }), vote("abort"));
      right(await session.prepare(work, { attempt: 2 }), vote("abort"));
    },
  },
  {
    id: "largest-payload",
    says: "A payload of 256 KiB is taken: it is voted on, one way or the other.",
    where: "Prepare.payload",
    async run(play) {
      const session = await play.session();
      const payload = new Uint8Array(payloadBytesMax).fill(0x20);
      right(await session.prepare({ ...play.work(), payload }), anyVote);
    },
  },
  {
    id: "longest-transaction-id",
    says: "A transaction id of 128 characters is taken, and repeated as it is.",
    where: "Vote.transaction_id",
    async run(play) {
      const session = await play.session();
      const { transactionId, payload } = play.work();
      const work = { transactionId: longest(transactionId), payload };
      right(await session.prepare(work), anyVote);
      right(await session.decide(work, "aborted"), ack("aborted"));
    },
  },
  {
    id: "credit-is-kept",
    says: "As many Prepares as Hello gives credit for are taken at once, and each is voted.",
    where: "Hello.prepare_credit",
    async run(play) {
      const session = await play.session();
      const works = Array.from({ length: Math.min(session.hello.prepareCredit, burstMax) }, () => play.work());
      const answers = await Promise.all(works.map((work) => session.prepare(work)));
      for (const answer of answers) right(answer, anyVote);
      for (const answer of await Promise.all(works.map((work) => session.decide(work, "aborted")))) right(answer, ack("aborted"));
    },
  },
  {
    id: "prepare-after-commit",
    says: "A Prepare of what is committed here is answered with Nack, or with the vote of before; nothing is begun.",
    where: "Prepare",
    async run(play) {
      const session = await play.session();
      const work = await prepared(play, session);
      right(await session.decide(work, "committed"), ack("committed"));
      right(await session.prepare(work, { attempt: 2 }), either(nack, vote("commit")));
      right(await session.decide(work, "committed"), ack("committed"));
    },
  },
  {
    id: "prepare-after-abort",
    says: "A Prepare of what is aborted here is voted ABORT.",
    where: "DecisionAck",
    async run(play) {
      const session = await play.session();
      const work = await prepared(play, session);
      right(await session.decide(work, "aborted"), ack("aborted"));
      right(await session.prepare(work, { attempt: 2 }), vote("abort"));
    },
  },
];

/** Prepares at once: enough to see whether they are taken. */
const burstMax = 64;
