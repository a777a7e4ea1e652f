import type { Decision, DecisionAck, Nack, ParticipantMessage, Unreadable, Vote } from "../../commit/core/messages.ts";
import type { Acknowledgement, Outcome, VoteValue } from "../../commit/core/types.ts";
import type { DurationMs } from "../../kernel/time.ts";
import { Broken } from "./broken.ts";

/** What came of a Prepare or a Decision. */
export type Answer =
  | Vote
  | DecisionAck
  | Nack
  | Unreadable
  | { readonly type: "nothing"; readonly withinMs: DurationMs }
  | { readonly type: "stream-ended"; readonly how: string };

/** An answer that keeps to the contract. */
export type Expected = { readonly text: string; readonly is: (answer: Answer) => boolean };

export const anyVote: Expected = { text: "Vote", is: ({ type }) => type === "vote" };

export const nack: Expected = { text: "Nack with the sequence of the message", is: ({ type }) => type === "nack" };

export const vote = (value: VoteValue): Expected => ({
  text: `Vote ${nameOf(value)}`,
  is: (answer) => answer.type === "vote" && answer.value === value,
});

export const ack = (outcome: Acknowledgement): Expected => ({
  text: `DecisionAck ${nameOf(outcome)}`,
  is: (answer) => answer.type === "decision-ack" && answer.outcome === outcome,
});

/** With a text for people. */
export const withReason = ({ text, is }: Expected): Expected => ({
  text: `${text} with a reason`,
  is: (answer) => is(answer) && "reason" in answer && answer.reason !== "",
});

export const either = (a: Expected, b: Expected): Expected => ({
  text: `${a.text}, or ${b.text}`,
  is: (answer) => a.is(answer) || b.is(answer),
});

/** Throws if this is not what the contract asks for. */
export function right(answer: Answer, expected: Expected): void {
  if (!expected.is(answer)) throw new Broken(answerText(answer), expected.text);
}

export const nameOf = (value: VoteValue | Acknowledgement | Outcome): string => value.toUpperCase().replace("-", "_");

const because = (reason: string): string => (reason === "" ? "" : ` (${reason})`);

export function answerText(answer: Answer): string {
  switch (answer.type) {
    case "nothing":
      return `no answer within ${answer.withinMs} ms`;
    case "stream-ended":
      return `the end of the stream, ${answer.how}, without an answer`;
    default:
      return messageText(answer);
  }
}

/** A message in one line, as far as it matters here. */
export function messageText(message: ParticipantMessage | Decision): string {
  switch (message.type) {
    case "vote":
      return `Vote ${nameOf(message.value)}${because(message.reason)}`;
    case "decision-ack":
      return `DecisionAck ${nameOf(message.outcome)}${because(message.reason)}`;
    case "nack":
      return `Nack${because(message.reason)}`;
    case "unreadable":
      return `a message that breaks the contract${because(message.reason)}`;
    default:
      return `${message.type.charAt(0).toUpperCase()}${message.type.slice(1)}`;
  }
}
