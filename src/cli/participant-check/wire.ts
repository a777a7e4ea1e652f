import { BinaryWriter } from "@bufbuild/protobuf/wire";
import type { Prepare as WirePrepare } from "../../commit/core/messages.ts";
import { Prepare } from "../../gen/concord/commit/v1/two_phase_commit.ts";
import { durationToWire } from "../../rpc/duration.ts";
import type { RawMessage } from "./stream.ts";

// Messages that a later version of the contract might send, as bytes. Fields of ParticipateResponse: 1 sequence, 3 prepare, 4 decision.

const varint = 0;
const bytes = 2;

/** No field of the contract has this number. */
const unknownField = 999;

const raw = (write: (writer: BinaryWriter) => BinaryWriter): RawMessage => ({
  type: "raw",
  encode: (sequence) => write(new BinaryWriter().tag(1, varint).uint64(sequence)).finish(),
});

/** A message of a kind that does not exist. */
export const unknownKind: RawMessage = raw((writer) => writer.tag(unknownField, bytes).bytes(new Uint8Array([8, 1])));

/** A Decision whose outcome is this number. */
export const decisionWith = (transactionId: string, outcome: number, coordinatorEpoch: number): RawMessage => {
  const decision = new BinaryWriter().tag(1, bytes).string(transactionId).tag(2, varint).int32(outcome).tag(3, varint);
  const encoded = decision.uint64(coordinatorEpoch).finish();
  return raw((writer) => writer.tag(4, bytes).bytes(encoded));
};

/** A Prepare that has a field more, and so has its message. */
export function prepareWithMore({ transactionId, payload, voteWithinMs, coordinatorEpoch }: WirePrepare): RawMessage {
  const known = Prepare.fromPartial({
    transactionId,
    attempt: 1,
    payload: Buffer.from(payload),
    voteWithin: durationToWire(voteWithinMs),
    coordinatorEpoch: BigInt(coordinatorEpoch),
  });
  const encoded = Prepare.encode(known).tag(unknownField, bytes).string("more").finish();
  const message = raw((writer) => writer.tag(3, bytes).bytes(encoded).tag(unknownField, varint).uint64(7));
  return { ...message, prepares: transactionId };
}
