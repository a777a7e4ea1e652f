import { expect, test } from "vitest";
import { Refusal } from "../../../src/commit/participant/refusal.ts";
import { GetServerStatusRequest, GetServerStatusResponse } from "../../../src/gen/concord/server/v1/server_status.ts";
import { createStatusService, type StatusSource } from "../../../src/rpc/status-service.ts";

const well: StatusSource = {
  version: "1.2.3",
  startedAtMs: 0 as StatusSource["startedAtMs"],
  services: () => [],
  loopDelayMs: () => 0,
  gauge: async () => 0,
  diskFreeBytes: () => 2 ** 40,
  peers: () => [],
  storeMismatches: [],
  coordinator: () => ({ coordinatorId: "c", coordinatorEpoch: 1 }),
  unbelieving: () => [],
  standings: () => [],
  participantId: "m",
};

/** As who asks has it. */
async function told(source: Partial<StatusSource>): Promise<GetServerStatusResponse> {
  const { getServerStatus } = createStatusService({ ...well, ...source });
  const answer = await getServerStatus(GetServerStatusRequest.create(), {} as Parameters<typeof getServerStatus>[1]);
  return GetServerStatusResponse.decode(GetServerStatusResponse.encode(GetServerStatusResponse.fromPartial(answer)).finish());
}

test("a disk without a free byte is told from one that cannot be seen", async () => {
  expect((await told({ diskFreeBytes: () => 0 })).diskFreeBytes).toBe(0n);
  expect((await told({ diskFreeBytes: () => Number.POSITIVE_INFINITY })).diskFreeBytes).toBeUndefined();
});

test("how the workflow manager is with each coordinator: not known yet, in session, or why not, and what helps", async () => {
  const { coordinatorSessions } = await told({
    standings: () => [
      { coordinator: "new", isOpen: undefined },
      { coordinator: "well", isOpen: true },
      { coordinator: "away", isOpen: false, why: "nobody answers" },
      { coordinator: "older", isOpen: false, why: new Refusal("an older log", "put the newer one back") },
    ],
  });
  expect(coordinatorSessions).toEqual([
    { address: "new", participantId: "m", open: undefined, reason: "", remedy: "" },
    { address: "well", participantId: "m", open: true, reason: "", remedy: "" },
    { address: "away", participantId: "m", open: false, reason: "nobody answers", remedy: "" },
    { address: "older", participantId: "m", open: false, reason: "an older log", remedy: "put the newer one back" },
  ]);
});

test("who does not believe the coordinator: as many as one screen has", async () => {
  const names = Array.from({ length: 101 }, (_, i) => `p${i}`);
  const { coordinator } = await told({ unbelieving: () => names });
  expect(coordinator?.unbelievingParticipants).toEqual(names.slice(0, 100));
});
