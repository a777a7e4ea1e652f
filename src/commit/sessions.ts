import { assert } from "../kernel/assert.ts";
import { backoffMs } from "../kernel/backoff.ts";
import type { Clock } from "../kernel/clock.ts";
import type { ParticipantId, TransactionId } from "../kernel/ids.ts";
import { type Origin, originFields } from "../kernel/origin.ts";
import { createSeldomLog } from "../kernel/seldom.ts";
import type { DurationMs, TimeMs } from "../kernel/time.ts";
import type { WriteResult } from "../kernel/write.ts";
import type { Claim } from "./core/claim.ts";
import type {
  CoordinatorMessage,
  Decision,
  DecisionAck,
  Hello,
  Inquiry,
  Nack,
  Numbered,
  ParticipantMessage,
  PendingPrepare,
  Vote,
} from "./core/messages.ts";
import { type EndSignal, pause } from "./ends.ts";
import { messageBytes } from "./footprint.ts";
import {
  awayCountMax,
  heartbeatIntervalMs,
  helloTimeoutMs,
  outgoingBytesMax,
  outgoingCountMax,
  outgoingPrepareBytesMax,
  protocolVersion,
  readingCountMax,
  reconnectAfterMs,
  rivalBackoff,
  rivalHelloCountMax,
  sessionTimeoutMs,
} from "./limits.ts";
import { type CommitMetrics, noMetrics } from "./metrics.ts";
import type { Claimed, DecisionLog, Fenced, Logger, ParticipantSession, StreamEnd, Told, Trace } from "./ports.ts";
import { createQueue } from "./queue.ts";
import { createRivalries } from "./rivalries.ts";
import { createSent, type Sent } from "./sent.ts";

/** One Participate stream. Its owner feeds it, and writes out what it yields. */
export interface Session {
  /** Messages in the order of the stream. The next one may come when this resolves. */
  receive(numbered: Numbered<ParticipantMessage>): Promise<void>;
  /** Ends when the session has ended. */
  readonly outgoing: AsyncIterable<Told>;
  /** Why it ended. Set when `outgoing` ends. */
  readonly end: StreamEnd | undefined;
  /** The stream is gone. */
  disconnect(): void;
}

/** Who acts on what participants say. */
export interface SessionHandler {
  /**
   * Welcome has been sent. What is due to this participant is sent now, and one answer for each transaction in doubt; in slices, while what it
   * says is heard.
   */
  connected(participantId: ParticipantId, inDoubt: readonly TransactionId[]): Promise<void>;
  disconnected(participantId: ParticipantId): void;
  /** The participant has answered a Prepare or a Decision with Nack. */
  nacked(participantId: ParticipantId, transactionId: TransactionId, reason: string): void;
  /** `refuse` answers the message with Nack. */
  message(
    participantId: ParticipantId,
    message: Vote | DecisionAck | Inquiry,
    refuse: (reason: string) => void,
  ): Promise<void> | undefined;
}

/** A participant that has said Hello, and is not forgotten. */
export type KnownParticipant = ParticipantSession & {
  readonly connected: boolean;
  readonly lastSeenAtMs: TimeMs;
  readonly peer: string;
  readonly prepareCredit: number;
};

/** The sessions of all participants. A slow one delays nobody else: each has its own queue and its own credit. */
export interface Sessions {
  /** Before it, every Hello is told to come back. */
  start(coordinator: Claimed, handler: SessionHandler): void;
  open(peer: string): Session;
  /** Lost if the participant has no session; the core sends it again when there is one. */
  send(participantId: ParticipantId, message: PendingPrepare | Decision, origin?: Origin): void;
  /** Those that take new work. */
  readonly connected: ReadonlySet<ParticipantId>;
  /** Those that do not believe this decision log, for they have seen a newer one. */
  readonly unbelieving: ReadonlySet<ParticipantId>;
  /** Undefined: it has no session, and has had none since the start. */
  lastSeenAtMs(participantId: ParticipantId): TimeMs | undefined;
  find(participantId: ParticipantId): Promise<KnownParticipant | undefined>;
  list(page: { readonly afterId: ParticipantId | undefined; readonly limit: number }): Promise<readonly KnownParticipant[]>;
  /** Forgets those of them that have not said Hello since then. None of them may be connected. */
  forget(participantIds: readonly ParticipantId[], connectedBeforeMs: TimeMs): WriteResult<void, Fenced>;
  /** Tells all that the coordinator is about to leave. Sessions go on. */
  goAway(reason: string): void;
  /** Ends all, and every one that comes after. */
  close(end: StreamEnd): void;
}

export const fencedEnd = ({ coordinatorEpoch }: Fenced): StreamEnd => ({
  reason: "COORDINATOR_FENCED",
  message: "another coordinator took over",
  metadata: { coordinator_epoch: String(coordinatorEpoch) },
});

function silenceEnd({ identity }: Open, silentMs: DurationMs): StreamEnd {
  return {
    reason: "SESSION_TIMEOUT",
    message: identity ? `nothing was heard for ${Math.round(silentMs)} ms` : `no Hello within ${helloTimeoutMs} ms`,
    ...(identity && { metadata: { participant_id: identity.participantId } }),
  };
}

/** The first message is none that opens a session. */
function noHelloEnd(message: Exclude<ParticipantMessage, Hello>): StreamEnd {
  if (message.type === "unreadable" && message.violations !== undefined) {
    return { reason: "INVALID_REQUEST", message: message.reason, violations: message.violations };
  }
  return { reason: "PROTOCOL_VIOLATION", message: "the first message must be Hello" };
}

type Open = {
  readonly peer: string;
  /** Undefined until Welcome. */
  identity?: ParticipantSession;
  /** How many Prepares the participant takes at once. */
  credit: number;
  /** Prepares. */
  readonly outstanding: Sent;
  /** Decisions. */
  readonly told: Sent;
  /** Prepares that wait for credit. */
  readonly waiting: Map<TransactionId, Due>;
  /** Prepares whose payload is being read. */
  readonly reading: Map<TransactionId, Due>;
  /** When something was heard last, to be shown; and, on the monotonic clock, to measure silence. */
  lastSeenAtMs: TimeMs;
  lastHeardMs: DurationMs;
  lastSequenceSeen: number;
  /** What waits in this session hangs on it. */
  readonly ended: EndSignal<StreamEnd>;
  /** For a Prepare. */
  readonly hasRoom: () => boolean;
  readonly emit: (message: CoordinatorMessage, origin?: Origin) => number | undefined;
  readonly finish: (end: StreamEnd) => void;
};

/** A Prepare that is still to be sent. */
type Due = { readonly prepare: PendingPrepare; readonly origin: Origin | undefined };

export function createSessions(options: {
  readonly log: DecisionLog;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics?: CommitMetrics;
  readonly trace?: Trace | undefined;
}): Sessions {
  const { log, clock, logger, metrics = noMetrics, trace } = options;
  const seldom = createSeldomLog(logger, clock.monotonicMs);
  const current = new Map<ParticipantId, Open>();
  const connected = new Set<ParticipantId>();
  /** Of known participants that are away. */
  const lastSeen = new Map<ParticipantId, TimeMs>();
  /** Those that have said why they do not believe this decision log, and have not beaten since: it is told once. */
  const unbelieving = new Set<ParticipantId>();
  const rivalries = createRivalries();
  const all = new Set<Open>();
  let started: { readonly coordinator: Claimed; readonly handler: SessionHandler } | undefined;
  /** Its reason is the StreamEnd of all sessions. */
  const closing = new AbortController();

  function open(peer: string): Session {
    const queue = createQueue<Told>(() => {
      if (session.waiting.size > 0) sendWaiting(session);
    });
    const ending = new AbortController();
    let sequence = 0;
    let cancelBeat = (): void => {};
    const session: Open = {
      peer,
      credit: 0,
      outstanding: createSent(Number.POSITIVE_INFINITY),
      told: createSent(outgoingCountMax),
      waiting: new Map(),
      reading: new Map(),
      lastSeenAtMs: clock.nowMs(),
      lastHeardMs: clock.monotonicMs(),
      lastSequenceSeen: 0,
      ended: ending.signal,
      hasRoom: () => queue.bytes < outgoingPrepareBytesMax,
      emit(message, origin) {
        // A Prepare has waited for room, and is not sent again within a session: it must not be dropped.
        const isFull = queue.count >= outgoingCountMax || queue.bytes >= outgoingBytesMax;
        if (isFull && message.type !== "prepare") return undefined;
        const told = origin === undefined ? { sequence: sequence + 1, message } : { sequence: sequence + 1, message, origin };
        if (!queue.push(told, messageBytes(told))) return undefined;
        sequence += 1;
        return sequence;
      },
      finish(end) {
        if (ending.signal.aborted) return;
        ending.abort(end);
        cancelBeat();
        queue.close();
        all.delete(session);
        leave(session, end);
      },
    };
    const beatLater = (): void => {
      const dueMs = clock.monotonicMs() + heartbeatIntervalMs;
      cancelBeat = clock.setTimer(heartbeatIntervalMs, () => {
        // Until the beat was due: if this process was stopped or starved since, what it was sent meanwhile is still to be read.
        const silentMs = dueMs - session.lastHeardMs;
        if (silentMs >= (session.identity ? sessionTimeoutMs : helloTimeoutMs)) {
          session.finish(silenceEnd(session, silentMs));
          return;
        }
        if (session.identity) {
          session.emit({ type: "heartbeat", sentAtMs: clock.nowMs(), lastSequenceSeen: session.lastSequenceSeen });
        }
        beatLater();
      });
    };
    all.add(session);
    if (closing.signal.aborted) session.finish(closing.signal.reason);
    else beatLater();

    return {
      outgoing: queue.items,
      get end() {
        return session.ended.reason;
      },
      disconnect: () => session.finish({ reason: "CLOSED", message: "the stream is gone" }),
      async receive({ sequence: number, message }) {
        if (session.ended.aborted) return;
        session.lastSeenAtMs = clock.nowMs();
        session.lastHeardMs = clock.monotonicMs();
        session.lastSequenceSeen = number;
        const nack = (reason: string): void => {
          const participant = session.identity?.participantId;
          seldom.warn(participant ?? "", { participant, peer, kind: message.type, reason }, "message refused");
          session.emit({ type: "nack", sequence: number, reason });
        };
        if (session.identity) return onMessage(session, session.identity.participantId, message, nack);
        if (message.type !== "hello") {
          session.finish(noHelloEnd(message));
          return;
        }
        cancelBeat();
        const welcomed = await onHello(session, message);
        if (!welcomed) return;
        // Before Welcome it had nothing to say.
        session.lastHeardMs = clock.monotonicMs();
        beatLater();
        void started?.handler.connected(message.participantId, ownPromises(message));
      },
    };
  }

  async function onHello(session: Open, hello: Hello): Promise<boolean> {
    if (!started) {
      session.finish({ reason: "SHUTTING_DOWN", message: "the coordinator is not ready" });
      return false;
    }
    if (hello.versionMin > protocolVersion || hello.versionMax < protocolVersion) {
      const metadata = { version_min: String(protocolVersion), version_max: String(protocolVersion) };
      session.finish({ reason: "PROTOCOL_VERSION", message: `this coordinator speaks version ${protocolVersion}`, metadata });
      return false;
    }
    const { coordinator } = started;
    const { participantId, instanceId } = hello;
    await letOlderWork(session, participantId, instanceId);
    if (session.ended.aborted) return false;
    const identity = { participantId, instanceId, connectedAtMs: clock.nowMs() };
    const epoch = coordinator.coordinatorEpoch;
    const opened = await log.openSession(identity, epoch);
    const streamOf = ({ sessionEpoch: number }: ParticipantSession) => ({
      ...{ epoch, participant: participantId, instance: instanceId, session: number },
    });
    if (opened.ok) trace?.({ action: "OpenSession", ...streamOf(opened.value) });
    if (session.ended.aborted) return false;
    if (!opened.ok) {
      session.finish(
        opened.error.type === "conflict"
          ? fencedEnd(opened.error.conflict)
          : { reason: "STORAGE_UNAVAILABLE", message: "the coordinator's store cannot write now" },
      );
      return false;
    }
    const { sessionEpoch } = opened.value;
    const older = current.get(participantId);
    const supersededBy = (epoch: number): StreamEnd => ({
      reason: "SESSION_SUPERSEDED",
      message: "a newer Hello of this participant id won",
      metadata: { participant_id: participantId, session_epoch: String(epoch) },
    });
    if (older?.identity && older.identity.sessionEpoch > sessionEpoch) {
      session.finish(supersededBy(older.identity.sessionEpoch));
      return false;
    }
    session.identity = opened.value;
    session.credit = hello.prepareCredit;
    current.set(participantId, session);
    trace?.({ action: "Welcome", ...streamOf(opened.value) });
    older?.finish(supersededBy(sessionEpoch));
    connected.add(participantId);
    metrics.sessionOpened();
    seldom.info(
      participantId,
      { participant: participantId, instance: instanceId, sessionEpoch, peer: session.peer },
      "participant connected",
    );
    session.emit({
      type: "welcome",
      sessionEpoch,
      coordinatorId: coordinator.coordinatorId,
      coordinatorEpoch: coordinator.coordinatorEpoch,
      version: protocolVersion,
      claims: coordinator.claims,
      heartbeatIntervalMs,
      sessionTimeoutMs,
    });
    return true;
  }

  /** What was promised to another decision log is not presumed aborted by this one. */
  function ownPromises({ participantId, inDoubt }: Hello): readonly TransactionId[] {
    const own = inDoubt.filter(({ coordinatorId }) => coordinatorId === started?.coordinator.coordinatorId);
    if (own.length < inDoubt.length) {
      const foreign = inDoubt.filter(({ coordinatorId }) => coordinatorId !== started?.coordinator.coordinatorId);
      const coordinators = [...new Set(foreign.map(({ coordinatorId }) => coordinatorId))];
      seldom.warn(
        participantId,
        { participant: participantId, count: foreign.length, transaction: foreign[0]?.transactionId, coordinators },
        "the participant is in doubt about transactions of another coordinator, which are not answered here",
      );
    }
    return own.map(({ transactionId }) => transactionId);
  }

  /** Processes that fight for one participant id do so at a pace at which transactions end in between. */
  async function letOlderWork(session: Open, participantId: ParticipantId, instanceId: string): Promise<void> {
    const older = current.get(participantId);
    if (!older || older.identity?.instanceId === instanceId) return;
    const count = rivalries.add(participantId, clock.monotonicMs());
    if (count <= rivalHelloCountMax) return;
    const delayMs = backoffMs(rivalBackoff, count - rivalHelloCountMax, 1);
    seldom.warn(
      participantId,
      {
        participant: participantId,
        instances: [older.identity?.instanceId, instanceId],
        peers: [older.peer, session.peer],
        delayMs,
      },
      "two processes use this participant id",
    );
    await pause({ clock, signal: session.ended }, delayMs);
  }

  async function onMessage(
    session: Open,
    participantId: ParticipantId,
    message: ParticipantMessage,
    nack: (reason: string) => void,
  ): Promise<void> {
    assert(current.get(participantId) === session, "PartRecover: a superseded session is not heard");
    switch (message.type) {
      case "hello":
        session.finish({ reason: "PROTOCOL_VIOLATION", message: "a second Hello" });
        return;
      case "vote":
      case "decision-ack":
        if (message.type === "vote") traceVote(session, participantId, message);
        session.outstanding.delete(message.transactionId);
        if (message.type === "decision-ack") session.told.delete(message.transactionId);
        await started?.handler.message(participantId, message, nack);
        sendWaiting(session);
        return;
      case "inquiry":
        if (message.coordinatorId === started?.coordinator.coordinatorId) {
          await started.handler.message(participantId, message, nack);
        } else {
          nack(`the promise belongs to coordinator "${message.coordinatorId}"`);
        }
        return;
      case "credit":
        session.credit = Math.min(session.credit + message.prepares, 65_536);
        sendWaiting(session);
        return;
      case "goodbye":
        seldom.info(participantId, { participant: participantId, reason: message.reason }, "participant says goodbye");
        connected.delete(participantId);
        return;
      case "nack":
        if (message.claimSeen !== undefined) onNewerLogSeen(participantId, message.claimSeen);
        seldom.warn(
          participantId,
          { participant: participantId, sequence: message.sequence, reason: message.reason },
          "participant refused a message",
        );
        onRefused(session, participantId, message);
        sendWaiting(session);
        return;
      case "heartbeat":
        // Who does not believe has left by the first beat.
        unbelieving.delete(participantId);
        return;
      case "unreadable":
        nack(message.reason);
    }
  }

  function traceVote({ identity }: Open, participant: ParticipantId, { transactionId: transaction, value }: Vote): void {
    if (!started || !identity) return;
    const { coordinatorEpoch: epoch } = started.coordinator;
    trace?.({ action: "HearVote", epoch, participant, session: identity.sessionEpoch, transaction, value });
  }

  function onRefused(session: Open, participantId: ParticipantId, { sequence, reason }: Nack): void {
    const transactionId = session.outstanding.take(sequence) ?? session.told.take(sequence);
    if (transactionId !== undefined) started?.handler.nacked(participantId, transactionId, reason);
  }

  /** It has left by now: what this coordinator knows nothing of stays prepared there. */
  function onNewerLogSeen(participantId: ParticipantId, claimSeen: Claim): void {
    metrics.newerLogSeen();
    if (unbelieving.has(participantId)) return;
    unbelieving.add(participantId);
    keepNewest(unbelieving, awayCountMax);
    const { coordinatorId, coordinatorEpoch } = started?.coordinator ?? {};
    logger.error(
      {
        participant: participantId,
        claimSeen,
        coordinatorId,
        coordinatorEpoch,
        remedy: "stop, and put the newer decision log back",
      },
      "a participant has seen a newer decision log: this one was restored from an older copy, or is another one",
    );
  }

  function leave(session: Open, end: StreamEnd): void {
    const { identity } = session;
    if (!identity) {
      seldom.info(end.reason, { peer: session.peer, reason: end.reason, detail: end.message }, "session refused");
      return;
    }
    const { participantId, sessionEpoch } = identity;
    seldom.info(
      participantId,
      { participant: participantId, sessionEpoch, reason: end.reason, detail: end.message },
      "participant disconnected",
    );
    metrics.sessionEnded(end.reason);
    lastSeen.delete(participantId);
    lastSeen.set(participantId, session.lastSeenAtMs);
    keepNewest(lastSeen, awayCountMax);
    if (current.get(participantId) !== session) return;
    current.delete(participantId);
    connected.delete(participantId);
    started?.handler.disconnected(participantId);
  }

  function emitPrepare(session: Open, due: Due): void {
    const { payload } = due.prepare;
    if (payload === undefined) void emitStored(session, due);
    else emitWhole(session, due, payload);
  }

  function emitWhole(session: Open, { prepare: { deadlineMs, ...prepare }, origin }: Due, payload: Uint8Array): void {
    const sequence = session.emit({ ...prepare, payload, voteWithinMs: Math.max(0, deadlineMs - clock.nowMs()) }, origin);
    if (sequence !== undefined) session.outstanding.add(prepare.transactionId, sequence);
  }

  /** Its payload is read when there is credit for it, so that no more are in memory than are under way. */
  async function emitStored(session: Open, due: Due): Promise<void> {
    const { transactionId } = due.prepare;
    session.reading.set(transactionId, due);
    const payload = await log.payload(transactionId).catch((error: unknown) => {
      const fields = { transaction: transactionId, ...originFields(due.origin), err: error };
      logger.error(fields, "the decision log cannot be read: a Prepare is not sent");
    });
    // Not if it was decided meanwhile: a Prepare behind its decision would begin the work anew.
    if (session.reading.get(transactionId) !== due) return;
    session.reading.delete(transactionId);
    if (payload) emitWhole(session, due, payload);
    sendWaiting(session);
  }

  function sendWaiting(session: Open): void {
    if (session.ended.aborted) return;
    for (const [transactionId, due] of session.waiting) {
      const isBusy = session.reading.size >= readingCountMax || !session.hasRoom();
      if (isBusy || session.outstanding.size + session.reading.size >= session.credit) return;
      session.waiting.delete(transactionId);
      emitPrepare(session, due);
    }
  }

  function asKnown(stored: ParticipantSession): KnownParticipant {
    const session = current.get(stored.participantId);
    return {
      ...stored,
      connected: session !== undefined,
      lastSeenAtMs: session?.lastSeenAtMs ?? lastSeen.get(stored.participantId) ?? stored.connectedAtMs,
      peer: session?.peer ?? "",
      prepareCredit: session ? Math.max(0, session.credit - session.outstanding.size) : 0,
    };
  }

  return {
    start: (coordinator, handler) => {
      started = { coordinator, handler };
    },
    open,
    connected,
    unbelieving,
    send(participantId, message, origin) {
      const session = current.get(participantId);
      if (!session) return;
      if (message.type === "decision") {
        session.waiting.delete(message.transactionId);
        session.reading.delete(message.transactionId);
        const sequence = session.emit(message, origin);
        if (sequence !== undefined) session.told.add(message.transactionId, sequence);
      } else {
        session.waiting.set(message.transactionId, { prepare: message, origin });
        sendWaiting(session);
      }
    },
    lastSeenAtMs: (participantId) => current.get(participantId)?.lastSeenAtMs ?? lastSeen.get(participantId),
    async find(participantId) {
      const stored = await log.participant(participantId);
      return stored && asKnown(stored);
    },
    list: async (page) => (await log.participants(page)).map(asKnown),
    async forget(participantIds, connectedBeforeMs) {
      assert(started !== undefined, "only a coordinator that has its epoch forgets");
      const forgotten = await log.forgetParticipants({ participantIds, connectedBeforeMs }, started.coordinator.coordinatorEpoch);
      if (forgotten.ok) {
        for (const participantId of participantIds) {
          lastSeen.delete(participantId);
          unbelieving.delete(participantId);
          rivalries.delete(participantId);
        }
      }
      return forgotten;
    },
    goAway(reason) {
      for (const session of all) session.emit({ type: "go-away", reason, reconnectAfterMs });
    },
    close(end) {
      closing.abort(end);
      for (const session of [...all]) session.finish(end);
    },
  };
}

/** Of what was added first, the oldest go. */
function keepNewest<Key>(
  kept: { readonly size: number; keys(): Iterable<Key>; delete(key: Key): boolean },
  countMax: number,
): void {
  for (const key of kept.keys()) {
    if (kept.size <= countMax) return;
    kept.delete(key);
  }
}
