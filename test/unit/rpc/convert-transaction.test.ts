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
