import { expect, test } from "vitest";
import { ParticipateRequest, ParticipateResponse } from "../../../src/gen/concord/commit/v1/two_phase_commit.ts";
import { coordinatorMessageFromWire, participantMessageToWire } from "../../../src/rpc/convert-transaction.ts";

test("a coordinator that counts beyond 2^53 can still be answered", () => {
  const received = coordinatorMessageFromWire(
    ParticipateResponse.fromPartial({
      sequence: 2n ** 64n - 1n,
      body: { $case: "heartbeat", value: { lastSequenceSeen: 2n ** 64n - 1n } },
    }),
  );
  expect(received).toMatchObject({ sequence: Number.MAX_SAFE_INTEGER, message: { lastSequenceSeen: Number.MAX_SAFE_INTEGER } });
  const answer = participantMessageToWire({
    sequence: 1,
    message: { type: "nack", sequence: received.sequence, reason: "beyond" },
  });
  const bytes = ParticipateRequest.encode(ParticipateRequest.fromPartial(answer)).finish();
  expect(ParticipateRequest.decode(bytes).body).toMatchObject({ value: { sequence: BigInt(Number.MAX_SAFE_INTEGER) } });
});

test("a Welcome says which claims its decision log has, its own first; else it cannot be read", () => {
  const read = (claims: readonly { readonly epoch: bigint; readonly id: string }[]) => {
    const value = {
      ...{ sessionEpoch: 1n, coordinatorId: "c", coordinatorEpoch: 2n, version: 1, claims: [...claims] },
      ...{ heartbeatInterval: { seconds: 5n, nanos: 0 }, sessionTimeout: { seconds: 15n, nanos: 0 } },
    };
    return coordinatorMessageFromWire(ParticipateResponse.fromPartial({ sequence: 1n, body: { $case: "welcome", value } }))
      .message;
  };
  const claims = [2n, 1n].map((epoch) => ({ epoch, id: `claim ${epoch}` }));
  expect(read(claims)).toMatchObject({ type: "welcome", claims: [2, 1].map((epoch) => ({ epoch, id: `claim ${epoch}` })) });
  for (const wrong of [[], claims.slice(1)]) {
    expect(read(wrong)).toEqual({ type: "unreadable", reason: "welcome.claims: the first must have coordinator_epoch" });
  }
});
