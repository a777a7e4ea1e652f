import { unreachable } from "../../kernel/assert.ts";
import { backoffMs } from "../../kernel/backoff.ts";
import type { Result } from "../../kernel/result.ts";
import { firstCharacters } from "../../kernel/text.ts";
import type { DurationMs } from "../../kernel/time.ts";
import type { Claim } from "../core/claim.ts";
import type { CoordinatorMessage, Decision, InDoubt, Numbered, ParticipantMessage, Prepare } from "../core/messages.ts";
import { type InSession, newestClaim, type Welcomed } from "../core/session-trace.ts";
import { pause } from "../ends.ts";
import {
  lingerMs,
  outgoingCountMax,
  protocolVersion,
  reasonLengthMax,
  reconnectBackoff,
  refusedBackoff,
  welcomeTimeoutMs,
} from "../limits.ts";
import type { Coordinator, ParticipantTransport, Told } from "../ports.ts";
import { createQueue, type Queue } from "../queue.ts";
import type { Context } from "./context.ts";
import { describeEnd, type End } from "./end.ts";
import { Refusal } from "./refusal.ts";

/** The way to one coordinator: one stream after the other, until the participant closes. */
export interface Link {
  readonly state: LinkState;
  /** Who said Welcome last. Outlives its session. */
  readonly coordinator: Coordinator | undefined;
  /** How it is with the coordinator, for people. */
  readonly standing: Standing;
  /** Lost if no stream is open. */
  send(message: ParticipantMessage): void;
  /** Refuses the message with this sequence. */
  nack(sequence: number, reason: string): void;
  /** Connects, again and again. Resolves when no stream follows. */
  run(): Promise<void>;
  /** Says Goodbye. The stream stays open, for what is under way. Without a session it closes at once: nobody waits for a word. */
  leave(): void;
  /** Says no more, and closes when the coordinator has read what was said. What it says meanwhile it will say again. */
  finish(): void;
}

export type LinkState =
  /** No stream: before the first one, or in the pause before the next. */
  | { readonly type: "away" }
  /** Hello is on its way. */
  | { readonly type: "greeting"; readonly session: Session }
  | { readonly type: "welcomed"; readonly session: Session; readonly sinceMs: DurationMs }
  /** Its Welcome is not believed. Half-closed: the coordinator still reads why; nothing that it says counts. */
  | { readonly type: "refusing"; readonly session: Session; readonly why: Refusal }
  /** Goodbye is said: no new work is taken, and no other stream follows. */
  | { readonly type: "leaving"; readonly session: Session }
  /** Half-closed: the coordinator still reads. */
  | { readonly type: "finishing"; readonly session: Session }
  | { readonly type: "closed" };

/** `isOpen`: undefined before the first attempt has ended. `why` there is no session: a Refusal, until somebody does something about it. */
export type Standing = {
  readonly coordinator: string;
  readonly isOpen: boolean | undefined;
  readonly why?: Refusal | string | undefined;
};

/** One stream. */
type Session = {
  readonly outgoing: Queue<Numbered<ParticipantMessage>>;
  /** Ends the stream; its reason is an End. */
  readonly ending: AbortController;
  /** Which one it is. Undefined until its Welcome is believed. */
  welcomed: Welcomed | undefined;
  /** Of the last message sent. */
  sequence: number;
  lastSequenceSeen: number;
  /** On the monotonic clock, as `sinceMs` above: a wall clock that is set is no silence. */
  lastHeardMs: DurationMs;
  /** As GoAway said. */
  reconnectAfterMs: DurationMs | undefined;
};

/** What is to be done, and on whose behalf. */
export type Instruction = Numbered<Prepare | Decision> & Pick<Told, "origin">;

/** Who acts on what a coordinator says. */
export interface LinkHandler {
  /** What Hello asks about: all that is in doubt, of this coordinator if it is known already. */
  greet(coordinatorId: string | undefined): readonly InDoubt[];
  /** Resolves when what it says may be acted on, or to the claim that was seen and that its decision log does not go on from. */
  admit(coordinatorId: string, claims: readonly Claim[]): Promise<Result<void, Claim>>;
  /** `asked` is what Hello asked about. */
  welcomed(coordinator: Coordinator, asked: readonly InDoubt[]): void;
  message(link: Link, coordinator: Coordinator, told: Instruction): void;
}

/** True while there is a session: what is sent now is heard. */
export const isOpen = ({ state }: Link): boolean => state.type === "welcomed" || state.type === "leaving";

/** True from Goodbye on. */
export const isLeaving = ({ state: { type } }: Link): boolean => type === "leaving" || type === "finishing" || type === "closed";

export const leavingReason = "the participant is shutting down";

export function createLink(
  context: Context,
  options: {
    readonly transport: ParticipantTransport;
    readonly prepareCredit: number;
    readonly handler: LinkHandler;
    readonly onRefused: ((refusal: Refusal) => void) | undefined;
  },
): Link {
  const { participantId, instanceId, clock, random, logger, seldom, trace } = context;
  const { transport, prepareCredit, handler, onRefused } = options;
  /** Ends the pause, the stream, and the loop of both. */
  const ending = new AbortController();
  context.signal.addEventListener("abort", () => close(context.signal.reason ?? { type: "closed" }), { once: true });
  let state: LinkState = { type: "away" };
  let coordinator: Coordinator | undefined;
  /** The refusal that was told last. */
  let refused: string | undefined;
  /** Why the last stream ended. */
  let ended: Refusal | string | undefined;
  const tell =
    trace &&
    (({ welcomed }: Session, event: InSession): void => {
      if (welcomed) trace({ ...event, ...welcomed, participant: participantId, instance: instanceId });
    });

  const link: Link = {
    get state() {
      return state;
    },
    get coordinator() {
      return coordinator;
    },
    get standing() {
      if (isOpen(link)) return { coordinator: transport.name, isOpen: true };
      return { coordinator: transport.name, isOpen: ended === undefined ? undefined : false, why: ended };
    },
    send(message) {
      if (!("session" in state)) return;
      if (message.type === "vote")
        tell?.(state.session, { action: "SayVote", transaction: message.transactionId, value: message.value });
      sendOn(state.session, message);
    },
    nack: (sequence, reason) => link.send({ type: "nack", sequence, reason: firstCharacters(reason, reasonLengthMax) }),
    run,
    leave() {
      if (state.type === "welcomed") {
        state = { type: "leaving", session: state.session };
        link.send({ type: "goodbye", reason: leavingReason });
      } else if (state.type !== "leaving") {
        close({ type: "closed" });
      }
    },
    finish() {
      if (state.type !== "leaving") return;
      state = { type: "finishing", session: state.session };
      state.session.outgoing.close();
    },
  };
  return link;

  function close(end: End): void {
    if ("session" in state) state.session.ending.abort(end);
    state = { type: "closed" };
    ending.abort(end);
  }

  async function run(): Promise<void> {
    for (let attempt = 1; !ending.signal.aborted; attempt += 1) {
      const startedMs = clock.monotonicMs();
      const session = openSession();
      const said = await converse(session);
      if (isLeaving(link)) return close({ type: "closed" });
      const why = state.type === "refusing" ? state.why : said;
      ended = why;
      if (state.type === "welcomed") refused = undefined;
      state = { type: "away" };
      // A session that ended soon is a failed attempt too: two processes with one participant id must not fight at full speed.
      if (clock.monotonicMs() - startedMs >= reconnectBackoff.maxMs) attempt = 1;
      const backoff = why instanceof Refusal ? refusedBackoff : reconnectBackoff;
      const retryInMs = session.reconnectAfterMs ?? backoffMs(backoff, attempt, random());
      disconnected(why, retryInMs);
      await pause({ clock, signal: ending.signal }, retryInMs);
    }
  }

  /** A refusal is told loudly, once: it lasts until somebody does something. */
  function disconnected(why: Refusal | string, retryInMs: DurationMs): void {
    const fields = { coordinator: transport.name, participant: participantId, retryInMs };
    if (why instanceof Refusal && why.message !== refused) {
      refused = why.message;
      logger.error({ ...fields, reason: why.message, remedy: why.remedy }, why.headline);
      onRefused?.(why);
    } else {
      logger.warn({ ...fields, reason: why instanceof Refusal ? why.message : why }, "disconnected");
    }
  }

  function openSession(): Session {
    const session: Session = {
      outgoing: createQueue(),
      ending: new AbortController(),
      welcomed: undefined,
      sequence: 0,
      lastSequenceSeen: 0,
      lastHeardMs: clock.monotonicMs(),
      reconnectAfterMs: undefined,
    };
    state = { type: "greeting", session };
    return session;
  }

  /** Resolves to why the session ended. */
  async function converse(session: Session): Promise<Refusal | string> {
    const { outgoing, ending: sessionEnding } = session;
    let stopTimer = clock.setTimer(welcomeTimeoutMs, () =>
      sessionEnding.abort({ type: "not-welcomed", afterMs: welcomeTimeoutMs } satisfies End),
    );
    try {
      const asked = handler.greet(coordinator?.coordinatorId);
      sendOn(session, {
        type: "hello",
        participantId,
        instanceId,
        versionMin: protocolVersion,
        versionMax: protocolVersion,
        inDoubt: asked,
        prepareCredit,
      });
      for await (const { sequence, message, origin } of transport.open(outgoing.items, sessionEnding.signal)) {
        session.lastHeardMs = clock.monotonicMs();
        session.lastSequenceSeen = sequence;
        if (message.type !== "welcome") {
          onMessage(session, { sequence, origin }, message);
        } else if (state.type === "greeting") {
          stopTimer();
          stopTimer = startBeating(session, message);
          if (await onWelcome(session, sequence, message, asked)) continue;
          stopTimer();
          const { coordinatorId } = message;
          stopTimer = clock.setTimer(lingerMs, () => sessionEnding.abort({ type: "not-believed", coordinatorId } satisfies End));
        } else {
          link.nack(sequence, "a second Welcome");
        }
      }
    } catch (error) {
      if (error instanceof Refusal) return error;
      if (!sessionEnding.signal.aborted) {
        logger.debug({ coordinator: transport.name, participant: participantId, err: error }, "the stream failed");
        return error instanceof Error ? error.message : String(error);
      }
    } finally {
      stopTimer();
      outgoing.close();
    }
    return sessionEnding.signal.aborted ? describeEnd(sessionEnding.signal.reason) : "the stream ended";
  }

  /** False: it is not believed. */
  async function onWelcome(
    session: Session,
    sequence: number,
    { coordinatorId, coordinatorEpoch, claims, sessionEpoch }: Extract<CoordinatorMessage, { type: "welcome" }>,
    asked: readonly InDoubt[],
  ): Promise<boolean> {
    const admitted = await handler.admit(coordinatorId, claims);
    // It may have left meanwhile.
    if (session.ending.signal.aborted) return true;
    if (!admitted.ok) {
      const why = olderLog(coordinatorId, admitted.error, asked);
      link.send({ type: "nack", sequence, reason: why.message, claimSeen: admitted.error });
      session.outgoing.close();
      state = { type: "refusing", session, why };
      return false;
    }
    state = { type: "welcomed", session, sinceMs: clock.monotonicMs() };
    session.welcomed = { coordinatorId, epoch: coordinatorEpoch, session: sessionEpoch };
    tell?.(session, { action: "Admit", claim: newestClaim(claims) });
    coordinator = { coordinatorId, coordinatorEpoch };
    logger.info(
      { coordinator: transport.name, coordinatorId, coordinatorEpoch, participant: participantId, sessionEpoch },
      "connected",
    );
    handler.welcomed(coordinator, asked);
    return true;
  }

  function onMessage(
    session: Session,
    { sequence, origin }: Omit<Told, "message">,
    message: Exclude<CoordinatorMessage, { type: "welcome" }>,
  ): void {
    switch (message.type) {
      case "prepare":
      case "decision":
        if (!coordinator || state.type === "greeting") link.nack(sequence, "the first message must be Welcome");
        else if (isOpen(link)) {
          const action = message.type === "prepare" ? "HearPrepare" : "HearDecision";
          tell?.(session, { action, transaction: message.transactionId });
          handler.message(link, coordinator, { sequence, message, origin });
        }
        break;
      case "heartbeat":
        break;
      case "go-away":
        session.reconnectAfterMs = message.reconnectAfterMs;
        seldom.info(transport.name, { coordinator: transport.name, reason: message.reason }, "the coordinator is about to leave");
        break;
      case "nack":
        seldom.warn(
          transport.name,
          { coordinator: transport.name, sequence: message.sequence, reason: message.reason },
          "message was refused",
        );
        break;
      case "unreadable":
        link.nack(sequence, message.reason);
        break;
      default:
        unreachable(message);
    }
  }

  function startBeating(
    session: Session,
    limits: { readonly heartbeatIntervalMs: DurationMs; readonly sessionTimeoutMs: DurationMs },
  ): () => void {
    let cancel = (): void => {};
    const beatLater = (): void => {
      const dueMs = clock.monotonicMs() + limits.heartbeatIntervalMs;
      cancel = clock.setTimer(limits.heartbeatIntervalMs, () => {
        // Until the beat was due: if this process stood still since, what it was sent meanwhile is still to be read.
        const silentMs = Math.round(dueMs - session.lastHeardMs);
        if (silentMs >= limits.sessionTimeoutMs) {
          session.ending.abort({ type: "silence", silentMs } satisfies End);
          return;
        }
        sendOn(session, { type: "heartbeat", sentAtMs: clock.nowMs(), lastSequenceSeen: session.lastSequenceSeen });
        beatLater();
      });
    };
    beatLater();
    return () => cancel();
  }
}

/** It would presume aborted what the newer log has committed. */
function olderLog(coordinatorId: string, seen: Claim, asked: readonly InDoubt[]): Refusal {
  const own = asked.filter((each) => each.coordinatorId === coordinatorId).map(({ transactionId }) => transactionId);
  const named = own.slice(0, namedCountMax).join(", ");
  return new Refusal(
    `the decision log of coordinator "${coordinatorId}" does not have its claim ${seen.epoch} (${seen.id}), which was seen here: it was restored from an older copy, or is another one`,
    `put the newer decision log back; in doubt here: ${own.length}${named && ` (${named})`}; if that log is lost, see docs/operations.md, A decision log that is older than its participants`,
    { headline: "this participant does not believe the coordinator" },
  );
}

/** Transactions that one line names. */
const namedCountMax = 10;

/** A coordinator that does not read loses what would wait: it is asked again, and asks again. */
function sendOn(session: Session, message: ParticipantMessage): void {
  if (session.outgoing.count >= outgoingCountMax) return;
  session.sequence += 1;
  session.outgoing.push({ sequence: session.sequence, message });
}
