import { expect, test } from "vitest";
import { troublesOf } from "../../../src/cli/status/troubles.ts";
import { GetServerStatusResponse } from "../../../src/gen/concord/server/v1/server_status.ts";
import { Sink, SinkState } from "../../../src/gen/concord/workflow/v1/sink.ts";

// What `concord status` finds worth a look, at its bounds.

type Status = Parameters<typeof GetServerStatusResponse.fromPartial>[0];

const well: Status = {
  diskFreeBytes: 2n ** 40n,
  coordinator: { coordinatorEpoch: 1n },
  services: [{ name: "s", serving: true }],
};

const told = (status: Status, sinks: readonly Parameters<typeof Sink.fromPartial>[0][] = []): readonly string[] =>
  troublesOf([
    {
      ...{ address: "here", failure: undefined, refused: false, participants: [], unseen: [] },
      status: GetServerStatusResponse.fromPartial({ ...well, ...status }),
      sinks: sinks.map((sink) => Sink.fromPartial({ name: "hook", state: SinkState.DELIVERING, ...sink })),
    },
  ]).map(({ what }) => what);

const seconds = (count: number) => ({ seconds: BigInt(count), nanos: 0 });

test("nothing of one that is well, nor of a disk that cannot be seen", () => {
  expect([told({}), told({ diskFreeBytes: undefined }), told({}, [{}])]).toEqual([[], [], []]);
});

test.each<[string, Status, string]>([
  [
    "a service that does not serve",
    { services: [{ name: "s", serving: false, reason: "full" }] },
    "s at here does not serve: full",
  ],
  ["a disk that is full", { diskFreeBytes: 0n }, "the disk of here has 0 B free"],
  ["a disk that is nearly full", { diskFreeBytes: 2n ** 30n - 1n }, "the disk of here has 1024.0 MiB free"],
  ["a loop that is held", { loopDelay: { seconds: 0n, nanos: 201_000_000 } }, "here is busy: its event loop is 201 ms late"],
  [
    "what is in doubt for long",
    { coordinator: { inDoubt: 2, oldestInDoubt: seconds(301) } },
    "2 transactions in doubt, the oldest for 5.1 min",
  ],
  [
    "a peer that is away",
    { peers: [{ name: "p", address: "there", answers: false, reason: "refused" }] },
    "here hears nothing of p at there: refused",
  ],
  [
    "a manager that has no session",
    { coordinatorSessions: [{ address: "there", participantId: "m", open: false, reason: "refused" }] },
    "m of here has no session with the coordinator at there, so no move is made together with others, and no hold ends: refused",
  ],
  [
    "a coordinator that one participant does not believe",
    { coordinator: { unbelievingParticipants: ["a"] } },
    "the coordinator at here is not believed by a: it has seen a newer decision log",
  ],
  [
    "a coordinator that several do not believe",
    { coordinator: { unbelievingParticipants: ["a", "b"] } },
    "the coordinator at here is not believed by a, b: they have seen a newer decision log",
  ],
])("%s", (_, status, what) => {
  expect(told(status)).toEqual([what]);
});

test("what is at its bound is well; of a peer or a session that was not tried yet, nothing is known", () => {
  const atBound: Status = {
    ...{ diskFreeBytes: 2n ** 30n, loopDelay: { seconds: 0n, nanos: 200_000_000 }, peers: [{ name: "p", address: "there" }] },
    coordinator: { inDoubt: 1, oldestInDoubt: seconds(300) },
    coordinatorSessions: [{ address: "there" }, { address: "here", open: true }],
  };
  expect(told(atBound, [{ lag: seconds(60) }])).toEqual([]);
});

test("sinks that do not deliver, are behind, or have dead letters, in one line each", () => {
  const sinks = [
    { state: SinkState.RETRYING, lag: seconds(120), lastError: "nobody listens" },
    { name: "nats", deadLetters: 1 },
  ];
  expect(told({}, sinks)).toEqual(["sink hook is RETRYING, is 2 min behind (nobody listens)", "sink nats has 1 dead letter"]);
});
