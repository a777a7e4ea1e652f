import { anyVote, messageText, right } from "../answer.ts";
import { Away, Broken } from "../broken.ts";
import { type Play, quietMs, reconnectWithinMs } from "../play.ts";
import type { Rule } from "../rule.ts";
import { prepareOf } from "../session.ts";

/** How a stream begins, and when the next one does. */
export const openingRules: readonly Rule[] = [
  {
    id: "hello-first",
    says: "The first message of a stream is Hello; its sequence is 1.",
    where: "ParticipateRequest",
    async run(play) {
      const stream = await play.nextStream();
      const [first] = stream.heard;
      if (first?.message.type === "unreadable") throw new Broken(messageText(first.message), "a Hello within its field rules");
      if (first?.message.type !== "hello") throw new Broken(first ? messageText(first.message) : "nothing", "Hello");
      if (first.sequence !== 1) throw new Broken(`Hello with sequence ${first.sequence}`, "sequence 1");
      play.welcome(stream);
    },
  },
  {
    id: "hello-says-who",
    says: "Hello names the participant, speaks version 1, and gives a credit of 1 to 65,536 Prepares.",
    where: "Hello",
    async run(play) {
      const { hello } = await play.session();
      const { participantId, versionMin, versionMax } = hello;
      if (participantId !== play.participantId) throw new Broken(`participant_id "${participantId}"`, `"${play.participantId}"`);
      if (versionMin > 1 || versionMax < 1) throw new Broken(`versions ${versionMin} to ${versionMax}`, "version 1 among them");
    },
  },
  {
    id: "reconnects-with-growing-pauses",
    says: "When its stream breaks it connects again, with pauses that grow and have jitter.",
    where: "Participate",
    async run(play) {
      await play.session();
      const pauses = await pausesAfterBreaks(play);
      const text = `pauses of ${pauses.map((ms) => `${Math.round(ms)} ms`).join(", ")}`;
      if (!haveGrown(pauses)) throw new Broken(text, "pauses that grow");
      const factors = pauses.slice(1).map((ms, index) => ms / (pauses[index] ?? 1));
      const spread = Math.max(...factors) / Math.min(...factors);
      if (spread < 1.01) throw new Broken(`${text}: each the same multiple of the last`, "jitter");
    },
  },
  {
    id: "quiet-before-welcome",
    says: "Between Hello and Welcome it says nothing.",
    where: "Participate, 1",
    async run(play) {
      play.part();
      const stream = await play.nextStream();
      await play.watch.pass(2 * quietMs);
      const [, second] = stream.heard;
      if (second) throw new Broken(messageText(second.message), "nothing before Welcome");
      right(await play.welcome(stream).prepare(play.work()), anyVote);
    },
  },
  {
    id: "prepare-before-welcome",
    says: "A Prepare that comes before Welcome is not acted on.",
    where: "ParticipateResponse.welcome",
    async run(play) {
      play.part();
      const stream = await play.nextStream();
      const work = play.work();
      stream.send(prepareOf(work, play.own));
      await play.watch.pass(2 * quietMs);
      const early = stream.heard.find(({ message: { type } }) => type === "vote" || type === "decision-ack");
      if (early) throw new Broken(messageText(early.message), "Nack, or nothing");
      // It may have given the stream up for that.
      if (!stream.ended) play.welcome(stream);
      right(await (await play.session()).prepare(play.work()), anyVote);
    },
  },
];

/** By more than a busy machine makes of pauses that are all the same. */
const haveGrown = ([first = 0, ...later]: readonly number[]): boolean => later.some((ms) => ms > 1.5 * first);

/**
 * From the end of one stream to the Hello of the next. Each ends without a word, before its Welcome. A few; more of those that have not grown, for
 * the first is long where a process loads then, for the first time, what it needs.
 */
async function pausesAfterBreaks(play: Play): Promise<readonly number[]> {
  const pauses: number[] = [];
  (await play.session()).stream.end({ reason: "CLOSED", message: "" });
  for (let broken = 1; ; broken += 1) {
    const brokenMs = play.clock.monotonicMs();
    const stream = await play.nextStream().catch((error: unknown) => {
      throw error instanceof Away
        ? new Away(`no new stream within ${reconnectWithinMs / 1000} s`, "that it connects again")
        : error;
    });
    pauses.push(stream.openedMs - brokenMs);
    if ((broken >= 4 && haveGrown(pauses)) || broken === 8) {
      play.welcome(stream);
      return pauses;
    }
    stream.end({ reason: "CLOSED", message: "" });
  }
}
