// A participant after docs/participant-contract.md, without Concord's code: its log is a file of JSON lines. Its work is what the payload says: commit,
// abort or read-only. A variant makes one mistake that a first attempt makes. `node naive.ts <participant id> <address> <log> [variant]`
import { appendFileSync, existsSync, fsyncSync, openSync, readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { createProtoClient, type Message } from "../../support/proto-client.ts";

export type Variant = "none" | "obeys-any-coordinator" | "forgets-after-ack" | "ignores-epochs";

const [participantId = "", address = "", path = "", variant = "none"] = process.argv.slice(2) as [
  string,
  string,
  string,
  Variant,
];

type State = "prepared" | "committed" | "aborted";
type Promised = { readonly state: State; readonly coordinatorId: string };
type Claim = { readonly epoch: bigint; readonly id: string };
type Line =
  | ({ readonly type: "promise"; readonly transactionId: string } & Promised)
  | { readonly type: "claim"; readonly coordinatorId: string; readonly epoch: string; readonly id: string };

const records = new Map<string, Promised>();
const claims = new Map<string, Claim>();
/** No and read-only promise nothing: they need not survive. */
const votes = new Map<string, string>();

function take(line: Line): void {
  if (line.type === "promise") records.set(line.transactionId, line);
  else claims.set(line.coordinatorId, { epoch: BigInt(line.epoch), id: line.id });
}

if (existsSync(path)) for (const line of readFileSync(path, "utf8").split("\n").filter(Boolean)) take(JSON.parse(line));
const file = openSync(path, "a");

/** Durable when it returns. */
function write(line: Line): void {
  appendFileSync(file, `${JSON.stringify(line)}\n`);
  fsyncSync(file);
  take(line);
}

/** Whether the log behind this Welcome goes on from the claim that was seen of it. */
function goesOn(seen: Claim, told: readonly Claim[]): boolean {
  const same = told.find(({ epoch }) => epoch === seen.epoch);
  return same ? same.id === seen.id : told.every(({ epoch }) => epoch > seen.epoch);
}

const instanceId = `${process.pid}-${Date.now()}`;
let isLeaving = false;

/** Resolves to how long to wait before the next stream. */
async function converse(attempt: number): Promise<number> {
  const client = createProtoClient(address);
  const stream = client.converse("TwoPhaseCommit/Participate");
  let sequence = 0;
  let coordinatorId: string | undefined;
  let heard = "0";
  let heardMs = performance.now();
  let beating: NodeJS.Timeout | undefined;
  const backoffMs = Math.min(10_000, 100 * 2 ** attempt) * (0.5 + Math.random() / 2);
  let waitMs: number | undefined;
  const rareMs = 30_000 * (1 + Math.random());

  const send = (body: Message): void => {
    sequence += 1;
    stream.send({ sequence, ...body });
  };
  const nack = (message: Message, reason: string, more: Message = {}) =>
    send({ nack: { sequence: message.sequence, reason, ...more } });
  const vote = ({ transaction_id, attempt: asked }: Message, value: string, reason = ""): void =>
    send({ vote: { transaction_id, attempt: asked, value: `VOTE_VALUE_${value}`, reason } });
  const ack = ({ transaction_id }: Message, outcome: string, reason = ""): void =>
    send({ decision_ack: { transaction_id, outcome: `OUTCOME_${outcome}`, reason } });
  const keep = ({ transaction_id: transactionId }: Message, state: State, owner: string): void =>
    write({ type: "promise", transactionId, state, coordinatorId: owner });

  process.removeAllListeners("SIGTERM");
  process.once("SIGTERM", () => {
    isLeaving = true;
    send({ goodbye: { reason: "asked to stop" } });
    stream.endSending();
  });

  function welcome(message: Message) {
    if (coordinatorId !== undefined) return nack(message, "a second Welcome");
    const { coordinator_id: id, heartbeat_interval: every, session_timeout: silence } = message.welcome;
    const told: Claim[] = message.welcome.claims.map((each: Message) => ({ epoch: BigInt(each.epoch), id: each.id }));
    const seen = claims.get(id);
    if (seen && variant !== "ignores-epochs" && !goesOn(seen, told)) {
      nack(message, "an older log", { claim_seen: { epoch: String(seen.epoch), id: seen.id } });
      waitMs = rareMs;
      return stream.endSending();
    }
    coordinatorId = id;
    const [newest] = told;
    if (newest && newest.epoch !== seen?.epoch) {
      write({ type: "claim", coordinatorId: id, epoch: String(newest.epoch), id: newest.id });
    }
    const ms = (duration: Message): number => Number(duration.seconds) * 1000 + duration.nanos / 1e6;
    beating = setInterval(() => {
      if (performance.now() - heardMs > ms(silence)) stream.cancel();
      else send({ heartbeat: { last_sequence_seen: heard } });
    }, ms(every));
  }

  /** Why it is not believed. */
  function refusal({ transaction_id, coordinator_epoch }: Message, from: string): string | undefined {
    const owner = records.get(transaction_id)?.coordinatorId ?? from;
    if (owner !== from && variant !== "obeys-any-coordinator") return `it is promised to ${owner}`;
    if (BigInt(coordinator_epoch) < (claims.get(from)?.epoch ?? 0n) && variant !== "ignores-epochs") return "an older epoch";
    return undefined;
  }

  function prepare(message: Message, from: string) {
    const asked = message.prepare;
    const known = records.get(asked.transaction_id)?.state;
    const payload = Buffer.from(asked.payload).toString();
    const isLate = Number(asked.vote_within?.seconds ?? 0) === 0 && (asked.vote_within?.nanos ?? 0) === 0;
    if (asked.one_phase) {
      const isNo = known === "aborted" || (known === undefined && (isLate || payload === "abort"));
      const state = isNo ? "aborted" : "committed";
      if (known !== state) keep(asked, state, from);
      return ack(asked, state.toUpperCase(), isNo ? "refused, or too late" : "");
    }
    if (known === "committed") return nack(message, "it is committed");
    if (known === "aborted") return vote(asked, "ABORT", "it is aborted");
    if (known === "prepared") return vote(asked, "COMMIT");
    const value =
      votes.get(asked.transaction_id) ??
      (isLate || payload === "abort" ? "ABORT" : payload === "read-only" ? "READ_ONLY" : "COMMIT");
    if (value === "COMMIT") keep(asked, "prepared", from);
    else votes.set(asked.transaction_id, value);
    vote(asked, value, value === "ABORT" ? "refused, or too late" : "");
  }

  function decide(message: Message, from: string) {
    const told = message.decision;
    const known = records.get(told.transaction_id)?.state;
    if (told.outcome === "OUTCOME_COMMITTED") {
      if (known === undefined) return ack(told, "LOST", `no record of a promise in ${path}`);
      if (known === "aborted") return nack(message, "it is aborted here");
      if (known === "prepared") keep(told, "committed", from);
      ack(told, "COMMITTED");
    } else if (told.outcome === "OUTCOME_ABORTED") {
      if (known === "committed") return nack(message, "it is committed here");
      if (known !== "aborted") keep(told, "aborted", from);
      ack(told, "ABORTED");
    } else {
      return nack(message, "no such outcome");
    }
    if (variant === "forgets-after-ack") records.delete(told.transaction_id);
  }

  function onMessage(message: Message) {
    const about = message.prepare ?? message.decision;
    if (message.body === "welcome") return welcome(message);
    if (message.body === "go_away") {
      const { seconds, nanos } = message.go_away.reconnect_after ?? { seconds: 0, nanos: 0 };
      waitMs = Number(seconds) * 1000 + nanos / 1e6;
    }
    if (message.body === undefined) return nack(message, "a kind of message that is not known here");
    if (!about) return;
    if (coordinatorId === undefined) return waitMs === rareMs ? undefined : nack(message, "before Welcome");
    const why = refusal(about, coordinatorId);
    if (why !== undefined) return nack(message, why);
    if (message.prepare) prepare(message, coordinatorId);
    else decide(message, coordinatorId);
  }

  const inDoubt = [...records].filter(([, { state }]) => state === "prepared");
  send({
    hello: {
      participant_id: participantId,
      instance_id: instanceId,
      version_min: 1,
      version_max: 1,
      prepare_credit: 16,
      in_doubt: inDoubt.map(([transaction_id, { coordinatorId: owner }]) => ({ transaction_id, coordinator_id: owner })),
    },
  });
  try {
    for (;;) {
      const message = await stream.next();
      heard = message.sequence;
      heardMs = performance.now();
      onMessage(message);
    }
  } catch {
    const failure = await stream.end();
    clearInterval(beating);
    client.close();
    return waitMs ?? (failure?.code === "FAILED_PRECONDITION" ? rareMs : backoffMs);
  }
}

for (let attempt = 0; !isLeaving; attempt += 1) {
  const startedMs = performance.now();
  const waitMs = await converse(attempt);
  if (performance.now() - startedMs > 10_000) attempt = 0;
  if (!isLeaving) await pause(waitMs);
}
process.exit();
