import { assert, unreachable } from "../../kernel/assert.ts";
import type { ParticipantId, TransactionId } from "../../kernel/ids.ts";
import { firstCharacters } from "../../kernel/text.ts";
import type { DurationMs, TimeMs } from "../../kernel/time.ts";
import { type Backoff, backoffMs } from "../core/backoff.ts";
import type { CoordinatorMessage, Decision, Numbered, ParticipantMessage, Prepare } from "../core/messages.ts";
import {
  isInDoubt,
  loadTransaction,
  type ParticipantEffect,
  type ParticipantInput,
  type ParticipantTransaction,
  type ResourceVote,
  stepParticipant,
} from "../core/participant.ts";
import { participantEvent } from "../core/trace.ts";
import {
  inDoubtCountMax,
  inquiryAfterMs,
  inquiryIntervalMs,
  mailboxCountMax,
  participantRetentionMs,
  prepareCredit as prepareCreditDefault,
  protocolVersion,
  purgeBatchSize,
  purgeIntervalMs,
  reasonLengthMax,
  reconnectBackoff,
  resentWithinMs,
  resourceBackoff,
  storageBackoff,
  volatileVoteCountMax,
} from "../limits.ts";
import { createMailbox, type Mailbox } from "../mailbox.ts";
import type { Clock, Logger, ParticipantLog, ParticipantTransport, PrepareWork, Random, Resource, Trace } from "../ports.ts";
import { createQueue, type Queue } from "../queue.ts";

/** Takes part in transactions: reconnects for ever, asks about what is in doubt, and calls the resource. */
export interface Participant {
  /** Reads the log, finishes what was decided here, then connects. Rejects if the log cannot be read. */
  start(): Promise<void>;
  /** True while a session with any coordinator is open. */
  readonly connected: boolean;
  /** Prepared here, outcome unknown here. */
  inDoubt(): readonly TransactionId[];
  /** Says Goodbye, lets work under way come to its vote or its end for this long, then leaves. What is prepared stays prepared. */
  close(drainMs: DurationMs): Promise<void>;
}

/** A point between two effects, for tries of failures. */
export type ParticipantStepName = "before-vote-sent" | "before-ack-sent";

export type ParticipantOptions = {
  readonly coordinators: readonly ParticipantTransport[];
  readonly participantId: ParticipantId;
  /** Fresh for each start of the process. */
  readonly instanceId: string;
  readonly log: ParticipantLog;
  readonly resource: Resource;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Prepares taken at once. */
  readonly prepareCredit?: number;
  /** Called before the message is sent, and awaited. Must not reject. */
  readonly onStep?: (step: { readonly type: ParticipantStepName; readonly transactionId: TransactionId }) => Promise<void>;
  readonly trace?: Trace | undefined;
};

/** The way to one coordinator. */
type Link = {
  readonly transport: ParticipantTransport;
  /** Set while a stream is open. */
  outgoing: Queue<Numbered<ParticipantMessage>> | undefined;
  sequence: number;
  lastSequenceSeen: number;
  lastHeardMs: TimeMs;
  /** Set by Welcome; they outlive the session. */
  coordinatorId: string | undefined;
  coordinatorEpoch: number;
  welcomed: boolean;
  welcomedAtMs: TimeMs;
  reconnectAfterMs: DurationMs | undefined;
};

type Box = {
  transaction: ParticipantTransaction | undefined;
  loaded: boolean;
  /** Where the last message about it came from. */
  link: Link | undefined;
  busy: boolean;
  cancelVoteTimer: () => void;
  readonly mailbox: Mailbox<Envelope>;
};

type Envelope = { readonly input: ParticipantInput; readonly refuse: ((reason: string) => void) | undefined };

export function createParticipant(options: ParticipantOptions): Participant {
  const { coordinators, participantId, instanceId, log, resource, clock, random, onStep, trace } = options;
  const { prepareCredit = prepareCreditDefault } = options;
  const logger = options.logger;
  const boxes = new Map<TransactionId, Box>();
  /** Oldest first: transactions that ended here without a record. */
  const volatile = new Set<TransactionId>();
  const epochSeen = new Map<string, number>();
  const closing = new AbortController();
  const links = coordinators.map(
    (transport): Link => ({
      transport,
      outgoing: undefined,
      sequence: 0,
      lastSequenceSeen: 0,
      lastHeardMs: 0,
      coordinatorId: undefined,
      coordinatorEpoch: 0,
      welcomed: false,
      welcomedAtMs: 0,
      reconnectAfterMs: undefined,
    }),
  );
  let loops: readonly Promise<void>[] = [];
  let leaving = false;
  let onIdle = (): void => {};

  function boxOf(transactionId: TransactionId): Box {
    const known = boxes.get(transactionId);
    if (known) return known;
    const box: Box = {
      transaction: undefined,
      loaded: false,
      link: undefined,
      busy: false,
      cancelVoteTimer: () => {},
      mailbox: createMailbox<Envelope>((envelope) => handle(transactionId, box, envelope)),
    };
    boxes.set(transactionId, box);
    return box;
  }

  function post(transactionId: TransactionId, input: ParticipantInput, link?: Link, sequence?: number): void {
    const box = boxOf(transactionId);
    if (link) box.link = link;
    const refuse = link && sequence !== undefined ? (reason: string) => nack(link, sequence, reason) : undefined;
    // What the coordinator says can be lost; what the resource says cannot.
    const posted = box.mailbox.post({ input, refuse }, refuse && mailboxCountMax);
    if (!posted) logger.warn({ transaction: transactionId, input: input.type }, "input lost");
  }

  async function handle(transactionId: TransactionId, box: Box, { input, refuse }: Envelope): Promise<void> {
    box.busy = true;
    if (!box.loaded) {
      const record = await untilDone("the participant log cannot be read", storageBackoff, () => log.get(transactionId));
      if (closing.signal.aborted) return;
      box.transaction ??= record && loadTransaction(record);
      box.loaded = true;
    }
    const { transaction, effects } = stepParticipant(box.transaction, input);
    box.transaction = transaction;
    for (const effect of effects) {
      await carryOut(transactionId, box, effect, refuse);
      // A stop between two effects is a crash between them, and is recovered from like one.
      if (closing.signal.aborted) return;
    }
    box.busy = false;
    tidy(transactionId, box);
    onIdle();
  }

  /** What is in the log need not be in memory. A vote without a record is kept for a while. */
  function tidy(transactionId: TransactionId, box: Box): void {
    const { transaction } = box;
    if (transaction?.busy || !box.mailbox.isEmpty()) return;
    const state = transaction?.state;
    if (state === undefined || state === "committed" || state === "aborted") {
      boxes.delete(transactionId);
      volatile.delete(transactionId);
    } else if (state !== "prepared") {
      volatile.add(transactionId);
      for (const oldest of volatile) {
        if (volatile.size <= volatileVoteCountMax) break;
        volatile.delete(oldest);
        boxes.delete(oldest);
      }
    }
  }

  async function carryOut(
    transactionId: TransactionId,
    box: Box,
    effect: ParticipantEffect,
    refuse: ((reason: string) => void) | undefined,
  ): Promise<void> {
    switch (effect.type) {
      case "resource-prepare":
        startPrepare(transactionId, box, effect);
        return;
      case "resource-commit":
        logger.info({ transaction: transactionId, participant: participantId, decision: "committed" }, "committing");
        await untilDone("the resource cannot commit", resourceBackoff, async () => {
          const answer = await resource.commit({ transactionId, payload: effect.payload, logId: log.id });
          if (answer) throw new Error(answer.lost);
        });
        return;
      case "resource-abort":
        logger.info({ transaction: transactionId, participant: participantId, decision: "aborted" }, "aborting");
        await abortResource(transactionId, effect.payload);
        return;
      case "persist":
        await untilDone("the participant log cannot write", storageBackoff, () => log.persist(effect.record));
        return;
      case "trace":
        trace?.(participantEvent(effect, participantId, instanceId));
        return;
      case "send": {
        const { message } = effect;
        if (message.type === "vote") {
          box.cancelVoteTimer();
          await onStep?.({ type: "before-vote-sent", transactionId });
          const { value: vote, reason } = message;
          logger.info({ transaction: transactionId, participant: participantId, vote, reason }, "vote sent");
        } else if (message.type === "decision-ack") {
          box.cancelVoteTimer();
          await onStep?.({ type: "before-ack-sent", transactionId });
          const { outcome: decision } = message;
          logger.info({ transaction: transactionId, participant: participantId, decision }, "decision acknowledged");
        } else {
          logger.info({ transaction: transactionId, participant: participantId }, "in doubt: inquiry sent");
        }
        const link = linkOf(box);
        if (link)
          send(link, "reason" in message ? { ...message, reason: firstCharacters(message.reason, reasonLengthMax) } : message);
        return;
      }
      case "refuse":
        logger.warn({ transaction: transactionId, participant: participantId, reason: effect.reason }, "message refused");
        refuse?.(effect.reason);
        return;
      default:
        unreachable(effect);
    }
  }

  function startPrepare(
    transactionId: TransactionId,
    box: Box,
    asked: Extract<ParticipantEffect, { type: "resource-prepare" }>,
  ): void {
    const { payload, voteWithinMs, coordinatorId, coordinatorEpoch } = asked;
    const startedMs = clock.nowMs();
    const reason = `not prepared within ${voteWithinMs} ms`;
    box.cancelVoteTimer = clock.setTimer(voteWithinMs, () =>
      post(transactionId, { type: "unilateral-abort", reason, nowMs: clock.nowMs() }),
    );
    const work = { transactionId, payload, logId: log.id, voteWithinMs, coordinatorId, coordinatorEpoch };
    void prepareResource(work).then((vote) => {
      box.cancelVoteTimer();
      const tookMs = clock.nowMs() - startedMs;
      logger.info({ transaction: transactionId, participant: participantId, vote: vote.value, tookMs }, "resource prepared");
      post(transactionId, { type: "resource-voted", vote, nowMs: clock.nowMs() });
    });
  }

  async function prepareResource(work: PrepareWork): Promise<ResourceVote> {
    const { transactionId, payload } = work;
    try {
      return await resource.prepare(work);
    } catch (error) {
      logger.warn({ transaction: transactionId, participant: participantId, err: error }, "the resource failed to prepare");
      await abortResource(transactionId, payload);
      return { value: "abort", reason: `prepare failed: ${error instanceof Error ? error.message : String(error)}` };
    }
  }

  async function abortResource(transactionId: TransactionId, payload: Uint8Array): Promise<void> {
    await untilDone("the resource cannot abort", resourceBackoff, () =>
      resource.abort({ transactionId, payload, logId: log.id }),
    );
  }

  /** A promise binds, so there is no giving up. Ends without a result only when the participant closes. */
  async function untilDone<T>(failure: string, backoff: Backoff, run: () => Promise<T>): Promise<T | undefined> {
    for (let attempt = 1; !closing.signal.aborted; attempt += 1) {
      try {
        return await run();
      } catch (error) {
        logger.error({ participant: participantId, attempt, err: error }, `${failure}; trying again`);
        await pause(backoffMs(backoff, attempt, random()));
      }
    }
    return undefined;
  }

  /** Ends early when the participant closes. */
  function pause(delayMs: DurationMs): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        cancel();
        closing.signal.removeEventListener("abort", done);
        resolve();
      };
      const cancel = clock.setTimer(delayMs, done);
      closing.signal.addEventListener("abort", done, { once: true });
      if (closing.signal.aborted) done();
    });
  }

  /** A transaction is its coordinator's business, and nobody else's: the newest's, if two processes are the same one. */
  function linkOf({ transaction, link }: Box): Link | undefined {
    const coordinatorId = transaction?.coordinatorId;
    if (coordinatorId === undefined) return link ?? links[0];
    return links
      .filter((each) => each.welcomed && each.coordinatorId === coordinatorId)
      .sort((a, b) => b.coordinatorEpoch - a.coordinatorEpoch)[0];
  }

  function send(link: Link, message: ParticipantMessage): void {
    link.outgoing?.push({ sequence: ++link.sequence, message });
  }

  const nack = (link: Link, sequence: number, reason: string): void =>
    send(link, { type: "nack", sequence, reason: firstCharacters(reason, reasonLengthMax) });

  function inDoubt(coordinatorId?: string): TransactionId[] {
    const found: TransactionId[] = [];
    for (const [id, { transaction }] of boxes) {
      if (!transaction || !isInDoubt(transaction)) continue;
      if (coordinatorId === undefined || transaction.coordinatorId === undefined || transaction.coordinatorId === coordinatorId) {
        found.push(id);
      }
    }
    return found;
  }

  async function keepConnected(link: Link): Promise<void> {
    for (let attempt = 1; !leaving; attempt += 1) {
      const startedMs = clock.nowMs();
      const why = await converse(link);
      link.welcomed = false;
      if (leaving) return;
      // A session that ended soon is a failed attempt too: two processes with one participant id must not fight at full speed.
      if (clock.nowMs() - startedMs >= reconnectBackoff.maxMs) attempt = 1;
      const delayMs = link.reconnectAfterMs ?? backoffMs(reconnectBackoff, attempt, random());
      Object.assign(link, { outgoing: undefined, reconnectAfterMs: undefined });
      logger.warn(
        { coordinator: link.transport.name, participant: participantId, reason: why, retryInMs: delayMs },
        "disconnected",
      );
      await pause(delayMs);
    }
  }

  /** One session. Resolves to why it ended. */
  async function converse(link: Link): Promise<string> {
    const stop = new AbortController();
    const onClose = (): void => stop.abort();
    closing.signal.addEventListener("abort", onClose);
    const outgoing = createQueue<Numbered<ParticipantMessage>>();
    let cancelBeat = (): void => {};
    Object.assign(link, { outgoing, sequence: 0, lastSequenceSeen: 0, lastHeardMs: clock.nowMs() });
    const asked = inDoubt(link.coordinatorId).slice(0, inDoubtCountMax);
    for (const id of trace ? asked : []) {
      const transaction = boxes.get(id)?.transaction;
      if (transaction) trace?.(participantEvent({ type: "trace", action: "Inquire", transaction }, participantId, instanceId));
    }
    send(link, {
      type: "hello",
      participantId,
      instanceId,
      versionMin: protocolVersion,
      versionMax: protocolVersion,
      inDoubt: asked,
      prepareCredit,
    });
    let why = "the stream ended";
    try {
      for await (const numbered of link.transport.open(outgoing.items, stop.signal)) {
        link.lastHeardMs = clock.nowMs();
        link.lastSequenceSeen = numbered.sequence;
        const { message } = numbered;
        if (message.type === "welcome") {
          onWelcome(link, message);
          cancelBeat();
          cancelBeat = startBeating(link, message.heartbeatIntervalMs, message.sessionTimeoutMs, () => stop.abort());
          // What Hello had no room for, and what was prepared since: its vote found no session.
          const askedAlready = new Set(asked);
          for (const id of inDoubt(link.coordinatorId)) {
            if (!askedAlready.has(id)) post(id, { type: "inquire", nowMs: clock.nowMs() });
          }
        } else {
          onMessage(link, numbered.sequence, message);
        }
      }
    } catch (error) {
      why = error instanceof Error ? error.message : String(error);
    } finally {
      closing.signal.removeEventListener("abort", onClose);
      cancelBeat();
      stop.abort();
      outgoing.close();
    }
    return why;
  }

  function onWelcome(link: Link, welcome: Extract<CoordinatorMessage, { type: "welcome" }>): void {
    const { coordinatorId, coordinatorEpoch, sessionEpoch } = welcome;
    Object.assign(link, { welcomed: true, welcomedAtMs: clock.nowMs(), coordinatorId, coordinatorEpoch });
    epochSeen.set(coordinatorId, Math.max(coordinatorEpoch, epochSeen.get(coordinatorId) ?? 0));
    logger.info(
      { coordinator: link.transport.name, coordinatorId, coordinatorEpoch, participant: participantId, sessionEpoch },
      "connected",
    );
  }

  function startBeating(link: Link, intervalMs: DurationMs, timeoutMs: DurationMs, onSilence: () => void): () => void {
    const beat = (): void => {
      if (clock.nowMs() - link.lastHeardMs >= timeoutMs) {
        onSilence();
        return;
      }
      send(link, { type: "heartbeat", sentAtMs: clock.nowMs(), lastSequenceSeen: link.lastSequenceSeen });
      cancel = clock.setTimer(intervalMs, beat);
    };
    let cancel = clock.setTimer(intervalMs, beat);
    return () => cancel();
  }

  function onMessage(link: Link, sequence: number, message: Exclude<CoordinatorMessage, { type: "welcome" }>): void {
    switch (message.type) {
      case "prepare":
      case "decision":
        onProtocolMessage(link, sequence, message);
        break;
      case "heartbeat":
        break;
      case "go-away":
        link.reconnectAfterMs = message.reconnectAfterMs;
        logger.info({ coordinator: link.transport.name, reason: message.reason }, "the coordinator is about to leave");
        break;
      case "nack":
        logger.warn(
          { coordinator: link.transport.name, sequence: message.sequence, reason: message.reason },
          "message was refused",
        );
        break;
      case "unreadable":
        nack(link, sequence, message.reason);
        break;
      default:
        unreachable(message);
    }
  }

  function onProtocolMessage(link: Link, sequence: number, message: Prepare | Decision): void {
    const { coordinatorId } = link;
    if (!link.welcomed || coordinatorId === undefined) {
      nack(link, sequence, "the first message must be Welcome");
      return;
    }
    const { transactionId } = message;
    const fields = { transaction: transactionId, participant: participantId };
    const from = { coordinatorId, epochSeen: epochSeen.get(coordinatorId) ?? 0 };
    const nowMs = clock.nowMs();
    if (message.type === "prepare") {
      const { attempt, onePhase, voteWithinMs } = message;
      logger.info({ ...fields, attempt, onePhase, voteWithinMs }, "prepare received");
      post(transactionId, { type: "prepare", message, from, nowMs }, link, sequence);
    } else {
      logger.info({ ...fields, decision: message.outcome }, "decision received");
      post(transactionId, { type: "decision", message, from, nowMs }, link, sequence);
    }
  }

  function inquireOnTimer(): () => void {
    const inquire = (): void => {
      const nowMs = clock.nowMs();
      for (const id of inDoubt()) {
        const preparedAtMs = boxes.get(id)?.transaction?.updatedAtMs ?? 0;
        if (nowMs - preparedAtMs >= inquiryAfterMs) post(id, { type: "inquire", nowMs });
      }
      cancel = clock.setTimer(backoffMs({ firstMs: inquiryIntervalMs, maxMs: inquiryIntervalMs }, 1, random()), inquire);
    };
    let cancel = clock.setTimer(inquiryIntervalMs, inquire);
    return () => cancel();
  }

  function purgeOnTimer(): () => void {
    const purge = async (): Promise<void> => {
      const nowMs = clock.nowMs();
      const updatedBeforeMs = nowMs - participantRetentionMs;
      try {
        for (const { coordinatorId, welcomed, welcomedAtMs } of links) {
          // Who is away may still have to ask.
          if (coordinatorId === undefined || !welcomed || nowMs - welcomedAtMs < resentWithinMs) continue;
          while ((await log.purge({ coordinatorId, updatedBeforeMs, limit: purgeBatchSize })) === purgeBatchSize);
        }
      } catch (error) {
        logger.warn({ participant: participantId, err: error }, "the participant log is not purged");
      }
      if (!closing.signal.aborted) cancel = clock.setTimer(purgeIntervalMs, () => void purge());
    };
    let cancel = clock.setTimer(purgeIntervalMs, () => void purge());
    return () => cancel();
  }

  /** specs/TwoPhaseCommit.tla: PartRecover. */
  async function recover(): Promise<void> {
    trace?.({ action: "Start", participant: participantId, instance: instanceId });
    const records = await log.load();
    for (const record of records) {
      assert(record.state === "prepared", "PartRecover: what is loaded is prepared");
      assert(record.coordinatorId !== undefined || links.length === 1, "one coordinator, or each record names its own");
      const box = boxOf(record.transactionId);
      box.transaction = loadTransaction(record);
      box.loaded = true;
      post(record.transactionId, { type: "recover", nowMs: clock.nowMs() });
    }
    for (const transactionId of (await resource.prepared?.(log.id)) ?? []) {
      if (!(await log.get(transactionId))) await abortResource(transactionId, new Uint8Array());
    }
    logger.info({ participant: participantId, instance: instanceId, inDoubt: inDoubt().length }, "participant started");
  }

  const isIdle = (): boolean => [...boxes.values()].every((box) => !box.busy && !box.transaction?.busy);

  return {
    get connected() {
      return links.some((link) => link.welcomed);
    },
    inDoubt: () => inDoubt(),
    async start() {
      await recover();
      const cancels = [inquireOnTimer(), purgeOnTimer()];
      closing.signal.addEventListener("abort", () => {
        for (const cancel of cancels) cancel();
      });
      loops = links.map(keepConnected);
    },
    async close(drainMs) {
      leaving = true;
      for (const link of links) {
        if (link.welcomed) send(link, { type: "goodbye", reason: "the participant is shutting down" });
      }
      await new Promise<void>((resolve) => {
        const cancel = clock.setTimer(drainMs, resolve);
        onIdle = () => {
          if (!isIdle()) return;
          cancel();
          resolve();
        };
        onIdle();
      });
      closing.abort();
      for (const box of boxes.values()) box.cancelVoteTimer();
      await Promise.all(loops);
    },
  };
}
