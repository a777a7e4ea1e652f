import { expect, test } from "vitest";
import type { CoordinatorMessage, ParticipantMessage } from "../../src/commit/core/messages.ts";
import { heuristicOf } from "../../src/commit/core/types.ts";
import type { Participant } from "../../src/commit/participant/participant.ts";
import type { DecisionLog, ParticipantLog, ParticipantTransport, Resource } from "../../src/commit/ports.ts";
import { createMemoryDecisionLog } from "../../src/storage/memory/decision-log.ts";
import { createMemoryParticipantLog } from "../../src/storage/memory/participant-log.ts";
import { describeMessage } from "../simulation/network.ts";
import {
  type CoordinatorProcess,
  flush,
  id,
  memoryResource,
  memoryTransport,
  request,
  startCoordinator,
  startParticipant,
  tx,
  virtualClock,
} from "../unit/commit/support.ts";

// Runs of the protocol that a reader should know, as transcripts: what is sent, and what is made durable, in the order in which it
// happens. Driver, sessions and participants are the production ones. `vitest run test/scenarios --update` writes the transcripts anew: read the difference.

/** Nothing of what only keeps a session alive, or ends it. */
function lineOf(message: CoordinatorMessage | ParticipantMessage): string {
  if (message.type === "prepare") return `${describeMessage(message)}, vote within ${message.voteWithinMs} ms`;
  return message.type === "goodbye" || message.type === "go-away" ? "" : describeMessage(message);
}

/** A coordinator and participants whose every message and forced write is a line. */
function stage() {
  const clock = virtualClock();
  const lines: string[] = [];
  const memory = createMemoryDecisionLog();
  let current: CoordinatorProcess | undefined;
  let crashAfterForce = false;
  let ids = 0;
  const say = (line: string): void => void lines.push(line);

  const log: DecisionLog = {
    ...memory,
    async force(transaction) {
      const written = await memory.force(transaction);
      say(
        `coordinator   ${written.ok ? `forces ${transaction.id} ${transaction.phase}` : "is fenced: the log refuses the write"}`,
      );
      if (crashAfterForce) stage.crash();
      return written;
    },
    async record(transaction) {
      const written = await memory.record(transaction);
      if (written.ok) say(`coordinator   records ${transaction.id} ${transaction.phase} ${transaction.outcome}`);
      return written;
    },
  };

  const traced = (name: string, transport: ParticipantTransport): ParticipantTransport => ({
    name: transport.name,
    async *open(outgoing, signal) {
      const seen = (async function* () {
        for await (const numbered of outgoing) {
          const text = lineOf(numbered.message);
          if (text) say(`${name} → c         ${text}`);
          yield numbered;
        }
      })();
      for await (const numbered of transport.open(seen, signal)) {
        const text = lineOf(numbered.message);
        if (text) say(`c → ${name}         ${text}`);
        yield numbered;
      }
    },
  });

  const stage = {
    clock,
    say,
    /** Who waits for it learns nothing; the log stays. */
    crash() {
      crashAfterForce = false;
      say("coordinator   crashes");
      current?.driver.close();
      current = undefined;
    },
    crashAfterForce() {
      crashAfterForce = true;
    },
    async start() {
      say("coordinator   starts");
      current = await startCoordinator(log, clock, { newTransactionId: () => tx(`t${++ids}`) });
    },
    get coordinator() {
      if (!current) throw new Error("no coordinator runs");
      return current;
    },
    async participant(name: string, votes?: Resource["prepare"]) {
      const parts = memoryResource(votes);
      const kept = createMemoryParticipantLog();
      const own: ParticipantLog = {
        ...kept,
        async persist(record) {
          await kept.persist(record);
          say(`${name}             forces ${record.transactionId} ${record.state}`);
        },
      };
      let process: Participant | undefined;
      const actor = {
        async start() {
          process = await startParticipant(name, clock, {
            log: own,
            resource: parts.resource,
            coordinators: [
              traced(
                name,
                memoryTransport(() => current?.sessions),
              ),
            ],
          });
        },
        async crash() {
          say(`${name}             crashes`);
          const closed = process?.close(0);
          await clock.advance(0);
          await closed;
        },
        state: parts.state,
      };
      await actor.start();
      return actor;
    },
    async execute(names: readonly string[]): Promise<void> {
      say(`client → c    execute with ${names.join(", ")}`);
      const answer = await stage.coordinator.driver.execute(request(names));
      say(`c → client    ${answer.ok ? answer.value.outcome?.toUpperCase() : answer.error.type}`);
    },
    transcript: () => `${lines.join("\n")}\n`,
  };
  return stage;
}

test("two participants commit", async () => {
  const s = stage();
  await s.start();
  await s.participant("a");
  await s.participant("b");
  await s.execute(["a", "b"]);
  await flush();
  await expect(s.transcript()).toMatchFileSnapshot("commit.golden.txt");
});

test("one participant votes no", async () => {
  const s = stage();
  await s.start();
  await s.participant("a");
  await s.participant("b", async () => ({ value: "abort", reason: "no space" }));
  await s.execute(["a", "b"]);
  await flush();
  await expect(s.transcript()).toMatchFileSnapshot("abort.golden.txt");
});

test("one participant only reads: it leaves the protocol with its vote", async () => {
  const s = stage();
  await s.start();
  await s.participant("a");
  await s.participant("b");
  await s.participant("r", async () => ({ value: "read-only", reason: "" }));
  await s.execute(["a", "b", "r"]);
  await flush();
  await expect(s.transcript()).toMatchFileSnapshot("read-only.golden.txt");
});

test("a single participant decides, in one phase", async () => {
  const s = stage();
  await s.start();
  await s.participant("a");
  await s.execute(["a"]);
  await flush();
  await expect(s.transcript()).toMatchFileSnapshot("one-phase.golden.txt");
});

test("work is enlisted as it happens, then committed", async () => {
  const s = stage();
  await s.start();
  for (const name of ["a", "b"]) await s.participant(name);
  const { driver } = s.coordinator;
  const asked = { reason: "test", requestedBy: "alice", request: undefined };
  s.say("client → c    begin");
  await driver.begin({ ...request([]), idleTimeoutMs: 60_000 });
  for (const name of ["a", "b"]) {
    await s.clock.advance(10_000);
    s.say(`client → c    enlist ${name}`);
    await driver.enlist(tx("t1"), { participantId: id(name), payload: new Uint8Array() }, asked);
  }
  s.say("client → c    commit");
  const answer = await driver.commit(tx("t1"), asked);
  s.say(`c → client    ${answer.ok ? answer.value.outcome?.toUpperCase() : answer.error.type}`);
  await flush();
  await expect(s.transcript()).toMatchFileSnapshot("enlisted-as-it-happens.golden.txt");
});

test("a participant does not vote in time, and learns with its late vote that it is over", async () => {
  const s = stage();
  await s.start();
  const gate = Promise.withResolvers<{ readonly value: "commit"; readonly reason: string }>();
  await s.participant("a");
  const b = await s.participant("b", () => gate.promise);
  const executed = s.execute(["a", "b"]);
  await s.clock.advance(10_000);
  await executed;
  gate.resolve({ value: "commit", reason: "" });
  await s.clock.advance(1_000);
  expect(b.state.get(tx("t1"))).toBe("aborted");
  await expect(s.transcript()).toMatchFileSnapshot("vote-timeout.golden.txt");
});

test("a participant dies before its vote and is asked again when it is back", async () => {
  const s = stage();
  await s.start();
  await s.participant("a");
  let asked = 0;
  const b = await s.participant("b", () => {
    asked += 1;
    return asked === 1 ? new Promise(() => {}) : Promise.resolve({ value: "commit", reason: "" });
  });
  const executed = s.execute(["a", "b"]);
  await flush();
  await b.crash();
  await b.start();
  await executed;
  await flush();
  await expect(s.transcript()).toMatchFileSnapshot("participant-dies-before-vote.golden.txt");
});

test("an operator guesses what the lone participant has decided, and guesses wrong", async () => {
  const s = stage();
  await s.start();
  const a = await s.participant("a", async () => {
    s.crash();
    return { value: "commit", reason: "" };
  });
  await s.execute(["a"]);
  await flush();
  await a.crash();
  await s.start();
  const { driver } = s.coordinator;
  s.say("operator → c  resolve t1 ABORTED");
  await driver.resolve(tx("t1"), "aborted", { reason: "the machine is gone", requestedBy: "olga", request: undefined });
  await a.start();
  const found = await driver.get(tx("t1"));
  s.say(`coordinator   t1 is ${found.ok ? heuristicOf(found.value) : found.error.type}`);
  await expect(s.transcript()).toMatchFileSnapshot("resolved-wrongly.golden.txt");
});

test("two processes fight for one participant id", async () => {
  const s = stage();
  await s.start();
  await s.participant("a");
  const other = await s.participant("a");
  await s.clock.advance(3_000);
  await other.crash();
  await s.clock.advance(10_000);
  await s.execute(["a"]);
  await expect(s.transcript()).toMatchFileSnapshot("fight-for-one-id.golden.txt");
});

test("a participant dies after its vote and comes back", async () => {
  const s = stage();
  await s.start();
  const gate = Promise.withResolvers<{ readonly value: "commit"; readonly reason: string }>();
  const a = await s.participant("a");
  await s.participant("b", () => gate.promise);
  const executed = s.execute(["a", "b"]);
  await flush();
  await a.crash();
  gate.resolve({ value: "commit", reason: "" });
  await executed;
  await a.start();
  await expect(s.transcript()).toMatchFileSnapshot("participant-dies-after-vote.golden.txt");
});

test("the coordinator dies when its decision is durable and nobody knows it", async () => {
  const s = stage();
  await s.start();
  await s.participant("a");
  await s.participant("b");
  s.crashAfterForce();
  await s.execute(["a", "b"]);
  await s.start();
  await s.clock.advance(1_000);
  await expect(s.transcript()).toMatchFileSnapshot("coordinator-dies-after-decision.golden.txt");
});

test("the coordinator dies before its decision", async () => {
  const s = stage();
  await s.start();
  await s.participant("a");
  await s.participant("b", () => new Promise(() => {}));
  const executed = s.execute(["a", "b"]);
  await flush();
  s.crash();
  await executed;
  await s.start();
  await s.clock.advance(1_000);
  await expect(s.transcript()).toMatchFileSnapshot("coordinator-dies-before-decision.golden.txt");
});

test("one participant decides alone, and its coordinator dies before it hears", async () => {
  const s = stage();
  await s.start();
  const a = await s.participant("a");
  s.crashAfterForce();
  await s.execute(["a"]);
  await s.start();
  await s.clock.advance(1_000);
  expect(a.state.get(tx("t1"))).toBe("committed");
  await expect(s.transcript()).toMatchFileSnapshot("one-phase-coordinator-dies.golden.txt");
});

test("a coordinator that was replaced decides nothing", async () => {
  const s = stage();
  await s.start();
  await s.participant("a");
  await s.participant("b");
  const replaced = s.coordinator;
  s.say("              (a second coordinator takes the log over; the first does not know)");
  await s.start();
  s.say("client → old  execute with a, b");
  const answer = await replaced.driver.execute(request(["a", "b"]));
  s.say(`old → client  ${answer.ok ? answer.value.outcome : answer.error.type}`);
  await s.clock.advance(1_000);
  await expect(s.transcript()).toMatchFileSnapshot("replaced-coordinator.golden.txt");
});
