import { assert } from "../../kernel/assert.ts";
import type { Clock } from "../../kernel/clock.ts";
import type { ParticipantId, TransactionId } from "../../kernel/ids.ts";
import { originFields } from "../../kernel/origin.ts";
import { createSeldomLog } from "../../kernel/seldom.ts";
import type { Spans } from "../../kernel/spans.ts";
import type { DurationMs } from "../../kernel/time.ts";
import type { InDoubt } from "../core/messages.ts";
import { participantEvent } from "../core/trace.ts";

import { pause } from "../ends.ts";
import { inDoubtCountMax, lingerMinMs, lingerMs, prepareCredit as prepareCreditDefault } from "../limits.ts";
import type { Coordinator, Logger, ParticipantLog, ParticipantTransport, Random, Resource, Trace } from "../ports.ts";
import type { Box } from "./box.ts";
import { createBoxes } from "./boxes.ts";
import type { Context } from "./context.ts";
import type { ParticipantStepName } from "./effects.ts";
import type { End } from "./end.ts";
import { createEpochs } from "./epochs.ts";
import { inquireRegularly } from "./inquiries.ts";
import { createLink, type Instruction, isOpen, type Link, type LinkHandler, type Standing } from "./link.ts";
import { purgeRegularly } from "./purge.ts";
import { reconcile } from "./reconcile.ts";
import type { Refusal } from "./refusal.ts";

/** Takes part in transactions: reconnects for ever, asks about what is in doubt, and calls the resource. */
export interface Participant {
  /** Reads the log, finishes what was decided here, then connects. Rejects if the log cannot be read. */
  start(): Promise<void>;
  /** True while a session with any coordinator is open. */
  readonly connected: boolean;
  /** True while a session with the coordinator of this decision log is open. */
  connectedTo(coordinatorId: string): boolean;
  /** How it is with each coordinator. */
  standings(): readonly Standing[];
  /** Prepared here, outcome unknown here. */
  inDoubt(): readonly TransactionId[];
  /** An operator has ended this transaction in the log, without its coordinator: from now on it is as the log has it. */
  reread(transactionId: TransactionId): void;
  /**
   * Says Goodbye and takes no more work, lets what is under way come to its vote or its end for this long, waits until every coordinator
   * has heard that, or for what is left of this time (a moment at least), then leaves. What is prepared stays prepared.
   */
  close(drainMs: DurationMs): Promise<void>;
}

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
  readonly spans?: Spans | undefined;
  /**
   * A coordinator will not have this participant, or is not believed by it. It is asked again rarely; the error is in the log. Told once for
   * each reason.
   */
  readonly onRefused?: (refusal: Refusal) => void;
};

export function createParticipant(options: ParticipantOptions): Participant {
  const { coordinators, participantId, instanceId, log, resource, clock, random, logger, trace, spans, onStep } = options;
  const { prepareCredit = prepareCreditDefault, onRefused } = options;
  const closing = new AbortController();
  const seldom = createSeldomLog(logger, clock.monotonicMs);
  const context: Context = { participantId, instanceId, clock, random, logger, seldom, trace, spans, signal: closing.signal };
  const epochs = createEpochs(context, log);
  const boxes = createBoxes({ ...context, log, resource, onStep, send: (box, message) => linkOf(box)?.send(message) });
  const handler: LinkHandler = { greet, admit: epochs.admit, welcomed, message: onMessage };
  const links = coordinators.map((transport) => createLink(context, { transport, prepareCredit, handler, onRefused }));
  let runs: readonly Promise<void>[] = [];
  let loops: readonly Promise<void>[] = [];

  /** A transaction is its coordinator's business, and nobody else's: the newest's, if two processes are the same one. */
  function linkOf({ transaction, link }: Box): Link | undefined {
    // Nothing is known of it: whoever has asked is answered.
    if (!transaction) return link;
    const { coordinatorId } = transaction;
    const epochOf = ({ coordinator }: Link): number => coordinator?.coordinatorEpoch ?? 0;
    return links
      .filter((each) => isOpen(each) && each.coordinator?.coordinatorId === coordinatorId)
      .sort((a, b) => epochOf(b) - epochOf(a))[0];
  }

  function greet(coordinatorId: string | undefined): readonly InDoubt[] {
    const asked = boxes.inDoubt(coordinatorId).slice(0, inDoubtCountMax);
    for (const { transactionId } of trace ? asked : []) {
      const transaction = boxes.get(transactionId);
      if (transaction) trace?.(participantEvent({ type: "trace", action: "Inquire", transaction }, participantId, instanceId));
    }
    return asked;
  }

  function welcomed({ coordinatorId }: Coordinator, asked: readonly InDoubt[]): void {
    // What Hello had no room for, and what was prepared since: its vote found no session.
    const askedAlready = new Set(asked.map(({ transactionId }) => transactionId));
    for (const { transactionId } of boxes.inDoubt(coordinatorId)) {
      if (!askedAlready.has(transactionId)) boxes.post(transactionId, { type: "inquire", nowMs: clock.nowMs() });
    }
    if (links.every(isOpen)) nameForeign();
  }

  /** Promises to coordinators that are not at any of the addresses. They are kept until their own is back. */
  function nameForeign(): void {
    const present = new Set(links.map(({ coordinator }) => coordinator?.coordinatorId));
    const foreign = boxes.inDoubt().filter(({ coordinatorId }) => !present.has(coordinatorId));
    if (foreign.length === 0) return;
    logger.warn(
      {
        participant: participantId,
        count: foreign.length,
        transaction: foreign[0]?.transactionId,
        coordinators: [...new Set(foreign.map(({ coordinatorId }) => coordinatorId))],
        connectedTo: [...present],
      },
      "in doubt about transactions of another coordinator: they stay prepared until it is back",
    );
  }

  function onMessage(link: Link, { coordinatorId }: Coordinator, { sequence, message, origin }: Instruction): void {
    const { transactionId } = message;
    const fields = { transaction: transactionId, participant: participantId, ...originFields(origin) };
    const from = { coordinatorId, epochSeen: epochs.largest(coordinatorId) };
    const nowMs = clock.nowMs();
    if (message.type === "prepare") {
      const { attempt, onePhase, voteWithinMs } = message;
      logger.info({ ...fields, attempt, onePhase, voteWithinMs }, "prepare received");
      boxes.post(transactionId, { type: "prepare", message, from, nowMs }, { link, sequence, origin });
    } else {
      logger.info({ ...fields, decision: message.outcome }, "decision received");
      boxes.post(transactionId, { type: "decision", message, from, logId: log.id, nowMs }, { link, sequence, origin });
    }
  }

  /** specs/TwoPhaseCommit.tla: PartRecover. */
  async function recover(): Promise<void> {
    const [records] = await Promise.all([log.load(), epochs.load()]);
    trace?.({ action: "Start", participant: participantId, instance: instanceId });
    for (const record of records) {
      assert(record.state === "prepared", "PartRecover: what is loaded is prepared");
      boxes.load(record);
      boxes.post(record.transactionId, { type: "recover", nowMs: clock.nowMs() });
    }
    await reconcile({ ...context, log, resource });
    const inDoubt = boxes.inDoubt().length;
    logger.info({ participant: participantId, instance: instanceId, log: log.id, inDoubt }, "participant started");
  }

  return {
    get connected() {
      return links.some(isOpen);
    },
    connectedTo: (coordinatorId) => links.some((link) => isOpen(link) && link.coordinator?.coordinatorId === coordinatorId),
    standings: () => links.map(({ standing }) => standing),
    reread: boxes.reread,
    inDoubt: () => boxes.inDoubt().map(({ transactionId }) => transactionId),
    async start() {
      await recover();
      loops = [inquireRegularly(context, boxes, links), purgeRegularly(context, { log, resource, links })];
      runs = links.map((link) => link.run());
    },
    async close(drainMs) {
      const endMs = clock.monotonicMs() + drainMs;
      for (const link of links) link.leave();
      await Promise.race([boxes.idle(), pause(context, drainMs)]);
      for (const link of links) link.finish();
      const leftMs = Math.max(lingerMinMs, endMs - clock.monotonicMs());
      await Promise.race([Promise.all(runs), pause(context, Math.min(lingerMs, leftMs))]);
      closing.abort({ type: "closed" } satisfies End);
      await Promise.all([...runs, ...loops]);
    },
  };
}
