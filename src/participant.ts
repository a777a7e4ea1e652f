/** For programs that take part in transactions: what `@concord-workflows/concord/participant` exports. docs/participants.md explains it by example. */
import { randomUUID } from "node:crypto";
import type { ResourceVote } from "./commit/core/participant-step.ts";
import { prepareCredit as prepareCreditDefault } from "./commit/limits.ts";
import { createParticipant as createSdkParticipant } from "./commit/participant/participant.ts";
import type { Logger, ParticipantLog, Resource } from "./commit/ports.ts";
import { addressProblem } from "./kernel/address.ts";
import { idPattern, idWords, type ParticipantId, type TransactionId } from "./kernel/ids.ts";
import { timerMaxMs } from "./kernel/limits.ts";
import type { DurationMs } from "./kernel/time.ts";
import { createParticipantTransport } from "./rpc/clients/participant-transport.ts";
import { type ClientSecurity, checkToken } from "./rpc/clients/security.ts";
import { type SecurityOptions, securityFrom } from "./rpc/clients/security-options.ts";
import { systemClock } from "./runtime/clock.ts";
import { createLogger } from "./runtime/logger.ts";
import { globalSpans } from "./runtime/telemetry/global-spans.ts";
import type { PostgresOpenFailure } from "./storage/postgres/check-server.ts";
import {
  openPostgresResource,
  type PostgresResource,
  type PostgresResourceOptions,
} from "./storage/postgres/transaction-resource.ts";
import { type KeyValueResource, openKeyValueResource } from "./storage/sqlite/key-value-resource.ts";
import { openSqliteParticipantLog, type SqliteParticipantLog } from "./storage/sqlite/participant-log.ts";
import type { OpenFailure } from "./storage/sqlite/statement.ts";

export type { ParticipantRecord, ResourceVote } from "./commit/core/participant-step.ts";
export type {
  ForeignPromise,
  Logger,
  LostPromise,
  OldReceipts,
  ParticipantLog,
  PrepareWork,
  Resource,
  Work,
} from "./commit/ports.ts";
export type { ParticipantId, TransactionId } from "./kernel/ids.ts";
export type { Origin } from "./kernel/origin.ts";
export type { PostgresResource, PostgresResourceOptions, PostgresWork } from "./storage/postgres/transaction-resource.ts";
export { encodeOperations, type KeyValueOperation, type KeyValueResource } from "./storage/sqlite/key-value-resource.ts";

/** Prepares and decisions under way may take this long when the participant is closed. */
const drainMsDefault: DurationMs = 5_000;

/** As in Hello.prepare_credit. */
const prepareCreditMax = 65_536;

export type ParticipantErrorType =
  | "invalid-options"
  /**
   * Of the participant's log: another process uses it; a newer Concord wrote it; it is damaged, lost (missing or empty), another kind of
   * file, or has hard links; its disk is full; it cannot be written.
   */
  | `log-${OpenFailure["type"]}`
  /** Of a key-value store, the same. */
  | `store-${OpenFailure["type"]}`
  | PostgresOpenFailure["type"]
  /** The log could not be read, or the resource could not say what it holds prepared. */
  | "recovery-failed";

/** Why something could not be started. The message is for the operator and says what to do. */
export class ParticipantError extends Error {
  override readonly name = "ParticipantError";
  readonly type: ParticipantErrorType;

  constructor(type: ParticipantErrorType, message: string, options?: ErrorOptions) {
    super(message, options);
    this.type = type;
  }
}

export type ParticipantOptions = SecurityOptions & {
  /** Each coordinator that may enlist this participant, as `host:port` or `unix:/path`. */
  readonly coordinators: readonly string[];
  /** The name under which transactions enlist it: 1 to 128 of `A-Z a-z 0-9 . _ : -`. Keep it for ever: promises are bound to it. */
  readonly participantId: string;
  /**
   * The path of its durable log, an SQLite file that is made if it is not there. Keep it together with the resource: what was promised
   * stands in it. Or a log of another kind, which is not closed here.
   */
  readonly log: string | ParticipantLog;
  readonly resource: Resource;
  /**
   * One structured line per protocol step; pino fits. Default: JSON lines on standard error; if these cannot be written, the participant goes on.
   */
  readonly logger?: Logger;
  /** Prepares taken at once, 1 to 65,536. Default: 256. */
  readonly prepareCredit?: number;
};

export type Participant = {
  /** True while a session with any coordinator is open. */
  readonly connected: boolean;
  /** Transactions that are prepared here and whose outcome is not known here. */
  inDoubt(): readonly TransactionId[];
  /**
   * Says Goodbye to every coordinator, votes no on work that comes after it, and lets what is under way come to its vote or its end for `drainMs`
   * (default: 5 seconds). Then leaves, when its last word is heard or 2 seconds have passed, and closes the log. What is prepared stays
   * prepared. The resource is not closed. May be called again.
   */
  close(drainMs?: DurationMs): Promise<void>;
};

/**
 * Opens the log, recovers what an earlier process left, and connects in the background, for ever. Keeps the process alive until it is
 * closed. Rejects with a ParticipantError; once it has resolved, it does not fail any more.
 */
export async function createParticipant(options: ParticipantOptions): Promise<Participant> {
  const { resource, logger = createLogger({ level: "info", format: "json" }) } = options;
  const { coordinators, participantId, prepareCredit = prepareCreditDefault } = options;
  checkOptions({ coordinators, participantId, prepareCredit });
  const security = securityOf(options);
  const own = typeof options.log === "string" ? await openLog(options.log) : undefined;
  const log = own ?? (options.log as ParticipantLog);
  const participant = createSdkParticipant({
    coordinators: coordinators.map((address) => createParticipantTransport({ address, security })),
    participantId: participantId as ParticipantId,
    instanceId: randomUUID(),
    log,
    resource,
    clock: systemClock,
    random: Math.random,
    logger,
    prepareCredit,
    spans: await globalSpans(),
  });
  // Neither a lost connection nor a pause before the next one may end the process.
  const keepAlive = setInterval(() => {}, timerMaxMs);

  let closing: Promise<void> | undefined;
  async function close(drainMs: DurationMs): Promise<void> {
    await participant.close(drainMs);
    await own?.close();
    clearInterval(keepAlive);
  }

  try {
    await participant.start();
  } catch (error) {
    await close(0);
    const cause = error instanceof Error ? error.message : String(error);
    throw new ParticipantError("recovery-failed", `participant "${participantId}" cannot recover: ${cause}`, { cause: error });
  }
  return {
    get connected() {
      return closing === undefined && participant.connected;
    },
    inDoubt: () => participant.inDoubt(),
    close: (drainMs = drainMsDefault) => {
      closing ??= close(drainMs);
      return closing;
    },
  };
}

function checkOptions(options: Required<Pick<ParticipantOptions, "coordinators" | "participantId" | "prepareCredit">>): void {
  const { coordinators, participantId, prepareCredit } = options;
  const fail = (message: string): never => {
    throw new ParticipantError("invalid-options", message);
  };
  if (coordinators.length === 0) fail("coordinators: there must be one at least");
  for (const address of coordinators) {
    const problem = addressProblem(address);
    if (problem !== undefined) fail(`coordinators: "${address}" ${problem}`);
  }
  if (!idPattern.test(participantId)) fail(`participantId: "${participantId}" ${idWords}`);
  if (!Number.isInteger(prepareCredit) || prepareCredit < 1 || prepareCredit > prepareCreditMax) {
    fail(`prepareCredit: must be a whole number from 1 to ${prepareCreditMax}`);
  }
}

function securityOf(options: ParticipantOptions): ClientSecurity {
  try {
    const security = securityFrom(options);
    for (const address of options.coordinators) checkToken(address, security);
    return security;
  } catch (error) {
    throw new ParticipantError("invalid-options", error instanceof Error ? error.message : String(error), { cause: error });
  }
}

async function openLog(path: string): Promise<SqliteParticipantLog> {
  const opened = await openSqliteParticipantLog({ path });
  if (!opened.ok) throw new ParticipantError(`log-${opened.error.type}`, opened.error.message);
  return opened.value;
}

/** The vote of a resource that has promised. */
export const voteCommit: ResourceVote = { value: "commit", reason: "" };

/** The vote of a resource that has changed nothing, and need not hear how it ends. */
export const voteReadOnly: ResourceVote = { value: "read-only", reason: "" };

/** The vote of a resource that refuses. Up to 1,000 characters of the reason reach the client. */
export const voteAbort = (reason: string): ResourceVote => ({ value: "abort", reason });

/**
 * PostgreSQL (14 or newer) as a resource, through PREPARE TRANSACTION: `work` is all that is to be written. Makes its table of receipts if
 * it is not there. Rejects with a ParticipantError, also when the server has `max_prepared_transactions` = 0, or when a pooler between
 * pools transactions: connect to the server itself, or through a pooler that pools sessions.
 */
export async function createPostgresResource(options: PostgresResourceOptions): Promise<PostgresResource> {
  const opened = await openPostgresResource(options);
  if (!opened.ok) throw new ParticipantError(opened.error.type, opened.error.message);
  return opened.value;
}

/** A store of JSON values in an SQLite file as a resource. The payload is made by `encodeOperations`. Rejects with a ParticipantError. */
export async function createKeyValueResource(options: { readonly path: string }): Promise<KeyValueResource> {
  const opened = await openKeyValueResource(options);
  if (!opened.ok) throw new ParticipantError(`store-${opened.error.type}`, opened.error.message);
  return opened.value;
}
