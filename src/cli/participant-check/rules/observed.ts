import { messageText } from "../answer.ts";
import { Broken, NotTried } from "../broken.ts";
import type { Rule } from "../rule.ts";
import type { Heard, Stream } from "../stream.ts";

/** All that was heard; there must be something. */
function everything(streams: readonly Stream[]): readonly Heard[] {
  const heard = streams.flatMap((stream) => stream.heard);
  if (heard.length === 0) throw new NotTried("nothing was heard");
  return heard;
}

/** What holds of all that was heard. */
export const observedRules: readonly Rule[] = [
  {
    id: "sequence-counts",
    says: "The messages of each stream are numbered 1, 2, 3, …",
    where: "ParticipateRequest.sequence",
    observes: true,
    async run({ streams }) {
      everything(streams);
      for (const { heard } of streams) {
        const wrong = heard.find(({ sequence }, index) => sequence !== index + 1);
        if (wrong)
          throw new Broken(`${messageText(wrong.message)} with sequence ${wrong.sequence}`, `${heard.indexOf(wrong) + 1}`);
      }
    },
  },
  {
    id: "within-field-rules",
    says: "Every message is of a kind that there is, and its fields are within their rules.",
    where: "ParticipateRequest",
    observes: true,
    async run({ streams }) {
      const bad = everything(streams).find(({ message }) => message.type === "unreadable");
      if (bad) throw new Broken(messageText(bad.message), "a message within its field rules");
    },
  },
  {
    id: "one-hello-a-stream",
    says: "Hello is said once a stream: a second is a PROTOCOL_VIOLATION.",
    where: "ParticipateRequest.body",
    observes: true,
    async run({ streams }) {
      everything(streams);
      const twice = streams.some(({ heard }) => heard.slice(1).some(({ message }) => message.type === "hello"));
      if (twice) throw new Broken("a second Hello", "one");
    },
  },
  {
    id: "votes-on-what-is-asked",
    says: "It votes on nothing that it was not asked about.",
    where: "Vote.transaction_id",
    observes: true,
    async run({ streams, prepares }) {
      const odd = everything(streams).find(({ message }) => message.type === "vote" && !prepares.has(message.transactionId));
      if (odd) throw new Broken(`${messageText(odd.message)} without a Prepare`, "votes on what is asked");
    },
  },
  {
    id: "doubts-what-was-prepared",
    says: "It is in doubt about nothing but what it was asked to prepare, and asks about it by its own coordinator's id.",
    where: "Inquiry, InDoubt",
    observes: true,
    async run({ streams, prepares }) {
      const doubts = everything(streams).flatMap(({ message }) =>
        message.type === "hello" ? message.inDoubt : message.type === "inquiry" ? [message] : [],
      );
      // What is of another run is of another coordinator.
      const isOfRun = new Set([...prepares.values()].flatMap((logs) => [...logs]));
      for (const { transactionId, coordinatorId } of doubts) {
        if (!isOfRun.has(coordinatorId)) continue;
        if (prepares.get(transactionId)?.has(coordinatorId)) continue;
        throw new Broken(`in doubt: "${transactionId}" of coordinator "${coordinatorId}"`, "what that one has asked to prepare");
      }
    },
  },
  {
    id: "credit-is-given-once",
    says: "It sends no Credit for what a Vote, DecisionAck or Nack has returned already.",
    where: "Credit",
    observes: true,
    async run({ streams }) {
      const heard = everything(streams).map(({ message }) => message);
      const answers = heard.filter(({ type }) => type === "vote" || type === "decision-ack" || type === "nack").length;
      const given = heard.filter(({ type }) => type === "credit").length;
      if (given > 0 && given >= answers)
        throw new Broken(`${given} Credits, and ${answers} answers`, "Credit only for more than was answered");
    },
  },
];
