import type { Message, ProtoClient } from "./proto-client.ts";

/** A participant that does what the test says, message by message. */
export async function joinAs(client: ProtoClient, participantId: string, hello: Message = {}) {
  const stream = client.converse("TwoPhaseCommit/Participate");
  let sequence = 0;
  const send = (body: Message): void => {
    sequence += 1;
    stream.send({ sequence, ...body });
  };
  send({
    hello: {
      participant_id: participantId,
      instance_id: `i-${participantId}`,
      version_min: 1,
      version_max: 1,
      prepare_credit: 8,
      ...hello,
    },
  });
  /** The next message that is no heartbeat. */
  const nextBody = async (): Promise<Message> => {
    for (;;) {
      const message = await stream.next();
      if (message.body !== "heartbeat") return message;
    }
  };
  /** The next message of this kind; whatever comes before it is passed over. */
  const expect = async (kind: string): Promise<Message> => {
    for (;;) {
      const message = await stream.next();
      if (message.body === kind) return { sequence: message.sequence, ...message[kind] };
    }
  };
  const welcome = await expect("welcome");
  return {
    welcome,
    send,
    /** For bytes that no proper client would send. */
    sendBytes: (bytes: Uint8Array) => stream.send(Buffer.from(bytes)),
    expect,
    nextBody,
    end: stream.end,
    endSending: stream.endSending,
    leave: stream.cancel,
    vote: (transaction_id: string, value: string, reason = "") => send({ vote: { transaction_id, attempt: 1, value, reason } }),
    ack: (transaction_id: string, outcome: string) => send({ decision_ack: { transaction_id, outcome } }),
    /** Votes to commit whatever it is asked, and acknowledges, until the stream ends. */
    async agreeToAll() {
      for (;;) {
        const message = await stream.next().catch(() => undefined);
        if (message === undefined) return;
        if (message.body === "prepare" && message.prepare.one_phase)
          this.ack(message.prepare.transaction_id, "OUTCOME_COMMITTED");
        else if (message.body === "prepare") this.vote(message.prepare.transaction_id, "VOTE_VALUE_COMMIT");
        else if (message.body === "decision") this.ack(message.decision.transaction_id, message.decision.outcome);
      }
    },
  };
}
