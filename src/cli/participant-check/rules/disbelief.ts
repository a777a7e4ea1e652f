import type { Nack } from "../../../commit/core/messages.ts";
import { messageText } from "../answer.ts";
import { Broken } from "../broken.ts";
import { type Play, quietMs } from "../play.ts";
import type { Rule } from "../rule.ts";
import { type Log, prepareOf } from "../session.ts";
import { prepared } from "./votes.ts";

/** "Rarely" is at most once in 30 seconds; to see the opposite, less will do. */
const rareMs = 5_000;

/** The answer to a Welcome of a log that is older than what it has seen: nothing is acted on, and the stream ends. */
async function disbelieves(play: Play, log: Log): Promise<void> {
  const [seen] = play.own.claims;
  const work = await prepared(play, await play.session());
  play.part();
  const stream = await play.nextStream();
  const session = play.welcome(stream, log);
  const welcomed = stream.sent;
  session.send(prepareOf(play.work(), log));
  session.send({
    type: "decision",
    transactionId: work.transactionId,
    outcome: "aborted",
    coordinatorEpoch: 2 ** 40,
    inReply: true,
  });
  const isRefusal = (message: { readonly type: string }): message is Nack =>
    message.type === "nack" && (message as Nack).sequence === welcomed;
  const refused = await play.watch.until(() => stream.heard.map(({ message }) => message).find(isRefusal), play.patienceMs);
  const acted = stream.heard.find(({ message: { type } }) => type === "vote" || type === "decision-ack");
  if (acted) throw new Broken(`${messageText(acted.message)} to a log that is not believed`, "that nothing is acted on");
  if (!refused) throw new Broken("no Nack of Welcome", "a Nack of Welcome, with claim_seen");
  const { claimSeen } = refused;
  if (claimSeen?.epoch !== seen.epoch || claimSeen.id !== seen.id) {
    throw new Broken(
      claimSeen ? `claim_seen ${claimSeen.epoch} "${claimSeen.id}"` : "no claim_seen",
      `${seen.epoch} "${seen.id}"`,
    );
  }
  const ended = await play.watch.until(() => stream.ended, play.patienceMs);
  if (!ended) throw new Broken(`a stream that goes on for ${play.patienceMs} ms`, "that it ends the stream");
  await staysAway(play);
}

async function staysAway(play: Play): Promise<void> {
  const count = play.streams.length;
  const sinceMs = play.clock.monotonicMs();
  const next = await play.watch.until(() => play.streams[count], rareMs);
  if (next) throw new Broken(`a new stream after ${Math.round(next.openedMs - sinceMs)} ms`, "none for 30 s, or longer");
}

/** The log before its newest claims. */
const before = ({ coordinatorId, claims: [, ...older] }: Log): Log => {
  const [first, ...rest] = older;
  if (first === undefined) throw new Error("a log that is a claim old has no older copy");
  return { coordinatorId, claims: [first, ...rest] };
};

/** When it believes no coordinator, and when none will have it. After each it is to stay away. */
export const disbeliefRules: readonly Rule[] = [
  {
    id: "older-log-is-not-believed",
    says: "A Welcome of an older copy of the log is answered with Nack and claim_seen; nothing is acted on, the stream ended.",
    where: "Participate, Whom to believe; Nack.claim_seen",
    sendsAway: true,
    async run(play) {
      play.takeOver();
      await disbelieves(play, before(play.own));
    },
  },
  {
    id: "copied-log-is-not-believed",
    says: "A Welcome of a copy of the log that went on apart, with another id for the same epoch, is refused so, too.",
    where: "Claim.id",
    sendsAway: true,
    async run(play) {
      play.takeOver();
      const { coordinatorId, claims } = play.own;
      const [newest, ...older] = claims;
      await disbelieves(play, { coordinatorId, claims: [{ ...newest, id: `${newest.id}.copy` }, ...older] });
    },
  },
  {
    id: "claim-is-durable",
    says: "The newest claim that it has seen is durable: an older copy of the log is not believed after a kill either.",
    where: "Participate, Whom to believe",
    needs: ["start"],
    sendsAway: true,
    async run(play) {
      play.takeOver();
      // It has taken this Welcome by then.
      await prepared(play, await play.session());
      const older = before(play.own);
      await play.restart();
      const stream = await play.nextStream();
      play.welcome(stream, older);
      const refused = await play.watch.until(
        () => stream.heard.find(({ message: { type } }) => type === "nack"),
        play.patienceMs,
      );
      if (!refused) throw new Broken("a session with an older log", "a Nack of Welcome, with claim_seen");
      await play.watch.pass(quietMs);
    },
  },
  {
    id: "stays-away-when-refused",
    says: "After FAILED_PRECONDITION it connects again rarely, for that comes again.",
    where: "Participate",
    sendsAway: true,
    async run(play) {
      await play.session();
      play.part();
      const stream = await play.nextStream();
      stream.end({ reason: "PROTOCOL_VERSION", message: "the check speaks no version that you know" });
      await staysAway(play);
    },
  },
];
