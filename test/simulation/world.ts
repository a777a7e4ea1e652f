import { createHash } from "node:crypto";
import type { CoordinatorMessage, DecisionAck, ParticipantMessage } from "../../src/commit/core/messages.ts";
import type { TraceEvent } from "../../src/commit/core/trace.ts";
import type { Transaction } from "../../src/commit/core/types.ts";
import { createDriver, type Driver } from "../../src/commit/driver.ts";
import { createParticipant, type Participant } from "../../src/commit/participant/participant.ts";
import type { Logger, ParticipantLog, Trace } from "../../src/commit/ports.ts";
import { createSessions } from "../../src/commit/sessions.ts";
import type { ExecuteFailure } from "../../src/commit/verbs.ts";
import { AssertionError } from "../../src/kernel/assert.ts";
import type { ParticipantId, RequestId, TransactionId } from "../../src/kernel/ids.ts";
import type { Result } from "../../src/kernel/result.ts";
import { createMemoryDecisionLog } from "../../src/storage/memory/decision-log.ts";
import { createMemoryParticipantLog } from "../../src/storage/memory/participant-log.ts";
import { unhurried } from "../support/unhurried.ts";
import { type OpenDisk, openDecisionLog, openDisk, openParticipantLog } from "./disk.ts";
import { createLedger, type Order } from "./ledger.ts";
import { type Cable, type CoordinatorProcess, createCable, createNetwork } from "./network.ts";
import { createDice } from "./random.ts";
import { type Behaviour, behaviours, openResource, type ResourceState } from "./resource.ts";
import { createProcess, createSchedule, type Process } from "./schedule.ts";
import { type Blow, blows, calm, drawSwarm, type Swarm } from "./swarm.ts";
import { createTally } from "./tally.ts";

// One run: the production coordinator and participants in a world whose time, network, disks and chance are made here, from one seed.

export type SimulationOptions = {
  readonly seed: number;
  readonly participantsMin: number;
  readonly participantsMax: number;
  /** The transcript, line by line. */
  readonly onLine?: (line: string) => void;
  /** What each core does, in the order in which it happens. */
  readonly onTrace?: (event: TraceEvent) => void;
};

export type SimulationResult = {
  /** What was violated first. */
  readonly failure: string | undefined;
  /** Of the transcript: equal hashes, equal runs. */
  readonly traceHash: string;
  readonly counts: ReadonlyMap<string, number>;
};

/** How long things go wrong. */
const chaosMs = 60_000;

/** After that, all must end. The longest pauses are those of keepalive, resending and inquiry, 30 s each, one after the other. */
const settleMs = 10 * 60_000;

/**
 * A client gives up when nothing fails and it still gets no decision: the lone participant of its transaction is too slow. Half a minute or
 * so more than a process may still be stopped: what was committed must be told again by then.
 */
const calmCallCountMax = 40;

/** Clocks need not agree. */
const clockSkewMsMax = 30_000;

/** A call that gets no answer is given up. */
const clientTimeoutMs = 30_000;

type CoordinatorActor = CoordinatorProcess & {
  readonly driver: Driver;
  readonly disk: OpenDisk;
  ready: boolean;
  ending: boolean;
};

type ParticipantActor = {
  readonly name: string;
  readonly cable: Cable;
  readonly store: ParticipantLog;
  readonly state: ResourceState;
  running: { readonly process: Process; readonly disk: OpenDisk; readonly sdk: Participant } | undefined;
};

export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const { seed, onLine, onTrace } = options;
  const dice = createDice(seed);
  const schedule = createSchedule();
  const startMs = schedule.nowMs;
  const tally = createTally();
  const hash = createHash("sha256");
  const drawn = drawSwarm(dice);
  let swarm: Swarm = drawn;
  let failure: string | undefined;
  let over = false;

  const say = (text: string): void => {
    const line = `${((schedule.nowMs - startMs) / 1_000).toFixed(3).padStart(9)}  ${text}`;
    hash.update(line).update("\n");
    onLine?.(line);
  };
  const fail = (text: string): void => {
    if (failure !== undefined) return;
    failure = text;
    say(`VIOLATED  ${text}`);
  };
  const onFailure = (error: unknown): void => fail(error instanceof Error ? `${error.name}: ${error.message}` : String(error));

  const ledger = createLedger(fail);
  const world = createProcess(schedule, "world", 0);
  const decisions = createMemoryDecisionLog(() => schedule.nowMs);
  const orders: Order[] = [];
  const created: TransactionId[] = [];
  const decisionsSent = new Set<string>();
  const lossesTold = new Set<string>();
  let coordinators: CoordinatorActor[] = [];
  let started = 0;
  let openOrders = 0;

  const network = createNetwork({ schedule, dice, faults: () => swarm.network, tally, say, onSend, onFailure });

  function onSend(participant: string, message: ParticipantMessage | CoordinatorMessage): void {
    if (message.type === "vote") tally.count(`votes: ${message.value}`);
    if (message.type === "inquiry") tally.count("inquiries");
    if (message.type === "nack") tally.count("nacks");
    if (message.type === "decision-ack") onAck(participant, message);
    if (message.type === "hello" && message.inDoubt.length > 0) tally.count("reconnects in doubt");
    if (message.type === "welcome" && message.coordinatorId === "stranger") tally.count("strangers asked about promises");
    if (message.type === "prepare") {
      if (message.onePhase) tally.count("one-phase prepares");
      if (message.attempt > 1) tally.count("prepares sent again");
    }
    if (message.type !== "decision") return;
    const key = `${participant} ${message.transactionId}`;
    tally.count(decisionsSent.has(key) ? "decisions sent again" : `decisions: ${message.outcome}`);
    decisionsSent.add(key);
  }

  function onAck(participant: string, { transactionId, outcome }: DecisionAck): void {
    const state = resources.get(participant)?.get(transactionId);
    const key = `${participant} ${transactionId}`;
    if (outcome === "lost") {
      tally.count("acks: lost");
      lossesTold.add(key);
    }
    if (outcome !== "committed") return;
    if (state === "prepared" || state === "lost") fail(`AckHonest: ${key} is ${state}, and acknowledged as committed`);
    if (lossesTold.delete(key)) tally.count("promises restored and kept");
  }

  const loggerOf = (name: string): Logger => ({
    debug() {},
    info() {},
    warn: (_, message) => say(`${name}: ${message}`),
    error(fields, message) {
      say(`${name}: ${message}`);
      // An assertion that somebody has caught is a defect all the same.
      if ("err" in fields && fields.err instanceof AssertionError) onFailure(fields.err);
    },
  });

  /** A dead process goes on to the end of what it was doing, and nobody hears of it. */
  const traceOf = (process: Process): Trace | undefined =>
    onTrace &&
    ((event) => {
      if (process.alive) onTrace(event);
    });

  const skewMs = (): number => dice.between(-clockSkewMsMax, clockSkewMsMax);

  const diskOf = (process: Process): OpenDisk =>
    openDisk({ process, dice, faults: () => swarm.disk, tally, say: (text) => say(`${process.name}: ${text}`) });

  // ---- The coordinator, and those it replaces.

  function startCoordinator(): void {
    started += 1;
    const process = createProcess(schedule, `c${started}`, skewMs());
    const disk = diskOf(process);
    const log = openDecisionLog(decisions, disk, (text) => {
      say(`${process.name}  ${text}`);
      if (text.includes(" COMMITTING")) tally.count("commits forced");
      if (text.startsWith("the log refuses")) tally.count("writes fenced");
      if (text.startsWith("force") && dice.chance(swarm.crashBetween)) {
        tally.count("coordinator crashes after a forced write");
        crashCoordinator(actor);
      }
    });
    const { clock } = process;
    const logger = loggerOf(process.name);
    const trace = traceOf(process);
    const sessions = createSessions({ log, clock, logger, trace });
    const driver = createDriver({
      log,
      sessions,
      clock,
      logger,
      random: dice.unit,
      newTransactionId() {
        const id = `t${String(created.length + 1).padStart(4, "0")}` as TransactionId;
        created.push(id);
        return id;
      },
      newCoordinatorId: () => "c",
      turns: unhurried,
      trace,
    });
    const actor: CoordinatorActor = { process, disk, sessions, driver, ready: false, ending: false };
    coordinators.push(actor);
    void driver.replaced.then(() => end(actor));
    tally.count("coordinators started");
    say(`${process.name} starts`);
    void decisions
      .unfinished({ afterId: undefined, limit: 1 })
      .then((unfinished) => {
        if (unfinished.length > 0) tally.count("take-overs of unfinished transactions");
        return driver.start().then((result) => {
          if (result.ok) actor.ready = true;
          else if (process.alive) {
            say(`${process.name} cannot start: ${result.error.type}`);
            crashCoordinator(actor);
          }
        });
      })
      .catch(onFailure);
  }

  const newest = (): CoordinatorActor | undefined => coordinators.at(-1);

  /** An address may still lead to a coordinator that was replaced. */
  const anyCoordinator = (): CoordinatorActor | undefined =>
    swarm !== calm && dice.chance(0.2) && coordinators.length > 0 ? dice.pick(coordinators) : newest();

  /** Serves the coordinator's address at times, with a decision log of its own. */
  const stranger = createStranger();

  function createStranger(): CoordinatorProcess {
    const process = createProcess(schedule, "stranger", 0);
    const { clock } = process;
    const log = createMemoryDecisionLog(() => schedule.nowMs);
    const logger = loggerOf("stranger");
    const sessions = createSessions({ log, clock, logger });
    const newTransactionId = (): TransactionId => "strange" as TransactionId;
    const driver = createDriver({
      log,
      sessions,
      clock,
      logger,
      random: dice.unit,
      newTransactionId,
      newCoordinatorId: () => "stranger",
      turns: unhurried,
    });
    driver.start().catch(onFailure);
    return { process, sessions };
  }

  function reachable(): CoordinatorProcess | undefined {
    if (!dice.chance(swarm.strangers)) return anyCoordinator();
    schedule.after(dice.between(0, 10_000), () => network.reset(stranger.process));
    return stranger;
  }

  /** Whoever is replaced ends, sooner or later, and is started anew if nobody else is there. */
  function end(actor: CoordinatorActor): void {
    if (!actor.ending) schedule.after(dice.between(0, 10_000), () => crashCoordinator(actor));
    actor.ending = true;
  }

  function crashCoordinator(actor: CoordinatorActor): void {
    if (!actor.process.alive) return;
    say(`${actor.process.name} dies`);
    actor.process.kill();
    actor.disk.crash();
    network.reset(actor.process);
    coordinators = coordinators.filter((each) => each !== actor);
    schedule.after(dice.between(0, 8_000), () => {
      if (coordinators.every(({ ending }) => ending)) startCoordinator();
    });
  }

  function drainCoordinator(actor: CoordinatorActor): void {
    say(`${actor.process.name} drains`);
    actor.ending = true;
    void actor.driver.drain(dice.between(0, 3_000)).then(() => {
      actor.driver.close();
      crashCoordinator(actor);
    }, onFailure);
  }

  // ---- The participants.

  const count = dice.between(options.participantsMin, options.participantsMax);
  const participants = Array.from(
    { length: count },
    (_, index): ParticipantActor => ({
      name: `p${index + 1}`,
      cable: createCable(),
      store: createMemoryParticipantLog(),
      state: new Map(),
      running: undefined,
    }),
  );

  const orderOf = (payload: Uint8Array): Order | undefined => orders[Number(new TextDecoder().decode(payload))];

  function startParticipant(actor: ParticipantActor): void {
    const { name } = actor;
    const process = createProcess(schedule, name, skewMs());
    const disk = diskOf(process);
    const log = openParticipantLog(actor.store, disk, (record) => {
      say(`${name}  forces ${record.transactionId} ${record.state}`);
      ledger.onRecord(name, record);
    });
    const resource = openResource({
      process,
      state: actor.state,
      dice,
      failure: () => swarm.resourceFailure,
      losing: () => swarm.losing,
      tally,
      behaviourOf: (payload) => orderOf(payload)?.parts.get(name) ?? "commit",
      onCommit: (id) => ledger.onResourceCommit(name, id),
      onViolation: fail,
    });
    const sdk = createParticipant({
      participantId: name as ParticipantId,
      instanceId: `${name}-${schedule.nowMs}`,
      log,
      resource: {
        ...resource,
        prepare(work) {
          const order = orderOf(work.payload);
          if (order) ledger.onWork(work.transactionId, order);
          return resource.prepare(work);
        },
      },
      clock: process.clock,
      random: dice.unit,
      logger: loggerOf(name),
      trace: traceOf(process),
      coordinators: [network.transport({ from: process, participant: name, cable: actor.cable, coordinator: reachable })],
      async onStep({ type }) {
        if (!dice.chance(swarm.crashBetween)) return;
        tally.count(`participant crashes ${type.replaceAll("-", " ")}`);
        crashParticipant(actor);
        await process.sleep(0);
      },
    });
    actor.running = { process, disk, sdk };
    say(`${name} starts`);
    sdk.start().catch(onFailure);
  }

  function crashParticipant(actor: ParticipantActor): void {
    if (!actor.running) return;
    const { process, disk, sdk } = actor.running;
    say(`${actor.name} dies`);
    if (sdk.inDoubt().length > 0) tally.count("participants died in doubt");
    actor.running = undefined;
    process.kill();
    disk.crash();
    network.reset(process);
    schedule.after(dice.between(0, 10_000), () => startParticipant(actor));
  }

  function closeParticipant(actor: ParticipantActor): void {
    const { running } = actor;
    if (!running) return;
    say(`${actor.name} leaves`);
    void running.sdk.close(dice.between(0, 3_000)).then(() => {
      if (actor.running === running) crashParticipant(actor);
    }, onFailure);
  }

  // ---- The clients.

  function newOrder(participantsOf: readonly ParticipantActor[], draw: () => Behaviour, repeatable: boolean): Order {
    const number = orders.length;
    const parts = new Map(participantsOf.map(({ name }) => [name, draw()]));
    const order: Order = { number, parts, requestId: repeatable ? `r${number}` : undefined };
    orders.push(order);
    return order;
  }

  type Answer = Result<Transaction, ExecuteFailure> | "no answer";

  /** One call over a network: the request, the answer, or both may be lost. */
  function call(order: Order, waitForParticipantsMs: number): Promise<Answer> {
    return new Promise((resolve) => {
      const target = anyCoordinator();
      const hangUp = new AbortController();
      if (dice.chance(swarm.leaving)) {
        tally.count("clients that left");
        world.after(dice.between(0, 3_000), () => hangUp.abort());
      }
      world.after(clientTimeoutMs, () => resolve("no answer"));
      if (!target?.ready) return void world.after(500, () => resolve("no answer"));
      target.process.after(dice.between(0, swarm.network.delayMs), () => {
        const request = {
          enlistments: [...order.parts.keys()].map((name) => ({
            participantId: name as ParticipantId,
            payload: new TextEncoder().encode(String(order.number)),
          })),
          prepareTimeoutMs: dice.between(500, 8_000),
          waitForParticipantsMs,
          request: order.requestId === undefined ? undefined : { id: order.requestId as RequestId, digest: order.requestId },
          reason: "",
          requestedBy: "client",
        };
        target.driver.execute(request, hangUp.signal).then((answer) => {
          if (!target.process.alive || dice.chance(swarm.network.loss)) return;
          world.after(dice.between(0, swarm.network.delayMs), () => resolve(answer));
        }, onFailure);
      });
    });
  }

  async function runOrder(order: Order, waitForParticipantsMs: number): Promise<Transaction | undefined> {
    let calmCalls = 0;
    for (;;) {
      if (swarm === calm) calmCalls += 1;
      const answer = await call(order, waitForParticipantsMs);
      if (answer !== "no answer" && answer.ok) {
        const { id, outcome } = answer.value;
        say(`client  hears ${id} ${outcome}`);
        if (outcome === undefined) fail(`the client is told that ${id} is undecided`);
        else ledger.onTold(id, outcome, order);
        tally.count(`clients told: ${outcome}`);
        if (order.parts.size === 0) tally.count("empty transactions");
        return answer.value;
      }
      const why = answer === "no answer" ? answer : answer.ok ? "" : answer.error.type;
      tally.count(`clients told: ${why}`);
      if (why === "request-id-reused") fail(`request ${order.requestId} is new, and refused as used`);
      if (order.requestId === undefined || calmCalls >= calmCallCountMax) return undefined;
      tally.count("calls repeated");
      await world.sleep(dice.between(100, 3_000));
    }
  }

  async function client(order: Order): Promise<void> {
    const first = await runOrder(order, dice.pick([0, 0, 5_000]));
    if (order.requestId === undefined || !dice.chance(0.3)) return;
    await world.sleep(dice.between(0, 20_000));
    const second = await runOrder(order, 0);
    tally.count("calls repeated after an answer");
    const binds = [...order.parts.values()].some((behaviour) => behaviour === "commit" || behaviour === "slow");
    if (first?.outcome === "committed" && binds && second?.id !== first.id) {
      fail(`request ${order.requestId} was committed as ${first.id}; its repetition is ${second?.id}`);
    }
  }

  // ---- What goes wrong.

  function cutCable(cable: Cable, name: string, directions: readonly ("up" | "down")[]): void {
    for (const direction of directions) cable[direction] = false;
    say(`${name}'s cable is cut: ${directions.join(" and ")}`);
    schedule.after(dice.between(100, 40_000), () => restoreCable(cable));
  }

  function restoreCable(cable: Cable): void {
    cable.up = true;
    cable.down = true;
    for (const each of [...cable.onRestored]) each();
  }

  /** The right backup is found. */
  function restorePromises({ name, state }: ParticipantActor): void {
    for (const [id, each] of state) if (each === "lost") state.set(id, "prepared");
    say(`${name} has its promises again`);
    network.breakStream(name);
  }

  function strike(blow: Blow): void {
    const coordinator = coordinators.length > 0 ? dice.pick(coordinators) : undefined;
    const participant = dice.pick(participants);
    switch (blow) {
      case "crash coordinator":
        if (coordinator) crashCoordinator(coordinator);
        break;
      case "drain coordinator":
        if (coordinator?.ready) drainCoordinator(coordinator);
        break;
      case "take over":
        if (coordinators.length < 3) startCoordinator();
        break;
      case "crash participant":
        crashParticipant(participant);
        break;
      case "close participant":
        closeParticipant(participant);
        break;
      case "stop coordinator":
      case "stop participant": {
        const process = blow === "stop coordinator" ? coordinator?.process : participant.running?.process;
        const forMs = dice.between(100, 30_000);
        process?.stop(forMs);
        say(`${process?.name ?? "nobody"} is stopped for ${forMs} ms`);
        break;
      }
      case "set clock": {
        const process = dice.chance(0.5) ? coordinator?.process : participant.running?.process;
        const byMs = dice.between(-90_000, 90_000);
        process?.setClock(byMs);
        say(`${process?.name ?? "nobody"}'s clock is set by ${byMs} ms`);
        break;
      }
      case "restore promise":
        restorePromises(participant);
        break;
      case "cut cable":
        cutCable(participant.cable, participant.name, ["up", "down"]);
        break;
      case "cut cable one way":
        cutCable(participant.cable, participant.name, [dice.pick(["up", "down"] as const)]);
        break;
      case "break stream":
        network.breakStream(participant.name);
        break;
    }
    tally.count(`blows: ${blow}`);
  }

  async function rage(): Promise<void> {
    const weighted = blows.flatMap((blow) => Array.from({ length: Math.round(swarm.blows[blow] * 10) }, () => blow));
    while (schedule.nowMs < startMs + chaosMs) {
      await world.sleep(dice.between(1, 2 * swarm.gapMs));
      if (weighted.length > 0) strike(dice.pick(weighted));
    }
  }

  function heal(): void {
    say("---- from here on, nothing fails");
    swarm = calm;
    for (const { cable } of participants) restoreCable(cable);
    network.reset(stranger.process);
    for (const actor of participants) restorePromises(actor);
    // A replaced coordinator learns of it when it writes. One that has nothing to write is ended by whoever replaced it.
    for (const actor of coordinators.slice(0, -1)) crashCoordinator(actor);
  }

  // ---- The whole.

  const resources = new Map(participants.map(({ name, state }) => [name, state]));

  async function unsettled(): Promise<readonly string[]> {
    const { transactions } = await decisions.list({ beforeId: undefined, limit: Number.POSITIVE_INFINITY });
    const calls = openOrders > 0 ? [`${openOrders} clients wait`] : [];
    return [...calls, ...ledger.unsettled(transactions, resources)];
  }

  async function begin(order: Order): Promise<void> {
    openOrders += 1;
    await client(order);
    openOrders -= 1;
  }

  async function drama(): Promise<void> {
    const yes = dice.pick([0.5, 0.8, 1]);
    for (let left = dice.between(5, 20); left > 0; left -= 1) {
      const chosen = participants.filter(() => dice.chance(0.7));
      const parts = dice.chance(0.2) ? chosen.slice(0, 1) : chosen;
      const order = newOrder(parts, () => (dice.chance(yes) ? "commit" : dice.pick(behaviours)), dice.chance(0.7));
      world.after(dice.between(0, chaosMs), () => void begin(order).catch(onFailure));
    }
    await rage();
    heal();
    while ((await unsettled()).length > 0) await world.sleep(1_000);
    // It is not only at rest, it still works.
    for (;;) {
      const probe = await runOrder(
        newOrder(participants, () => "commit", true),
        30_000,
      );
      if (probe?.outcome === "committed") break;
    }
    while ((await unsettled()).length > 0) await world.sleep(1_000);
    over = true;
  }

  process.on("unhandledRejection", onFailure);
  try {
    startCoordinator();
    for (const actor of participants) startParticipant(actor);
    drama().catch(onFailure);
    await schedule.run(startMs + chaosMs + settleMs, () => over || failure !== undefined);
    if (!over && failure === undefined)
      fail(`Termination: ${(await unsettled()).join("; ") || "the last transaction is not committed"}`);
  } catch (error) {
    onFailure(error);
  } finally {
    process.off("unhandledRejection", onFailure);
  }
  tally.count(failure === undefined ? "runs that ended" : "runs that failed");
  return { failure, traceHash: hash.digest("hex"), counts: tally.counts };
}
