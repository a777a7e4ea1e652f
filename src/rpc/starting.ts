import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Clock } from "../kernel/clock.ts";
import type { Entry } from "../kernel/roster.ts";
import type { DurationMs } from "../kernel/time.ts";
import { arrivalsPerTurnMax, startsPerTurnMax, turnWaitMaxMs, windowLookMs } from "./limits.ts";
import { type Begun, createWindow, type Window } from "./window.ts";

/** A connection whose calls come one after the other. */
export type Line = {
  readonly socket: Socket | Duplex;
  /** How many have come in this turn of the event loop. */
  came: number;
  turn: number;
};

export const createLine = (socket: Socket | Duplex): Line => ({ socket, came: 0, turn: 0 });

/** A call that has come. */
export type Arrival = {
  readonly line: Line;
  /** How long its caller waits, if it has said so. */
  readonly timeoutMs: DurationMs | undefined;
  readonly begin: (waitedMs: DurationMs) => void;
  /** Of one that has begun: its request has come. */
  readonly isWhole: () => boolean;
  /** Instead of it. Its turn would come after this time. */
  readonly refuse: (waitMs: DurationMs) => void;
};

/** On the monotonic clock. */
type Times = {
  readonly cameMs: DurationMs;
  /** Who is not likely to be answered by then is refused when it comes: what is expected may take twice as long. */
  readonly expectedByMs: DurationMs;
  /** An answer after this is of no use. */
  readonly answerByMs: DurationMs;
};

type Waiting = Arrival & Times & { begun: Entry<Begun> | undefined };

/** The longest way of an answer to its caller, in a network that works. */
const wayMaxMs = 200;

function timesOf(cameMs: DurationMs, timeoutMs: DurationMs | undefined): Times {
  const patienceMs = timeoutMs === undefined ? Infinity : timeoutMs - Math.min(wayMaxMs, timeoutMs / 10);
  const waitMaxMs = Math.min(turnWaitMaxMs, (timeoutMs ?? Infinity) / 2);
  return { cameMs, expectedByMs: cameMs + waitMaxMs, answerByMs: cameMs + patienceMs };
}

/** The calls of one method that have come and have not begun. */
export type Queue = {
  /** Undefined: what lasts begins when it comes. */
  readonly window: Window | undefined;
  /** By connection, in the order of their turns. */
  readonly lines: Map<Line, Set<Waiting>>;
  waitingCount: number;
};

export const createQueue = (sizeMin: number | undefined): Queue => ({
  window: sizeMin === undefined ? undefined : createWindow(sizeMin),
  lines: new Map(),
  waitingCount: 0,
});

export type Starting = {
  /** Begins it, now or later, or refuses it. Returns what must be called when it is over, whether it has begun or not. */
  readonly enter: (queue: Queue, arrival: Arrival) => (isAnswered: boolean) => void;
};

/**
 * Begins calls in turns, as many in one turn of the event loop as do not hold it for long, of each method and each connection one after the
 * other; and of a method no more at a time than its window has room for. A call whose turn would come too late for its caller is refused when it
 * comes. Whoever waits has cost no more than its headers: it is neither read nor decoded.
 */
export function createStarting(
  clock: Pick<Clock, "monotonicMs" | "setTimer" | "nextTurn">,
  /** How long the event loop has been idle so far. */
  idleMs: () => DurationMs,
): Starting {
  /** Those in which calls wait, in the order of their turns. */
  const waiting = new Set<Queue>();
  /** Those that are looked at. */
  const looked = new Set<Queue>();
  let stopped: Line[] = [];
  let turn = 1;
  let startedInTurn = 0;
  let isTurnDue = false;
  let lookedAtMs = 0;
  let idleAtMs = 0;

  function turnLater(): void {
    if (isTurnDue) return;
    isTurnDue = true;
    clock.nextTurn(nextTurn);
  }

  function nextTurn(): void {
    isTurnDue = false;
    turn += 1;
    startedInTurn = 0;
    for (const line of stopped) read(line, true);
    stopped = [];
    for (const queue of waiting) {
      if (!mayStart(queue)) continue;
      startNext(queue);
      if (waiting.delete(queue)) waiting.add(queue);
    }
    if (startedInTurn > 0) turnLater();
  }

  const mayStart = ({ window }: Queue): boolean => startedInTurn < startsPerTurnMax && (window?.hasRoom() ?? true);

  function start(queue: Queue, call: Waiting): void {
    startedInTurn += 1;
    turnLater();
    const nowMs = clock.monotonicMs();
    call.begun = queue.window?.begin({ atMs: nowMs, isWhole: call.isWhole });
    call.begin(nowMs - call.cameMs);
  }

  /** Of each connection one after the other. */
  function startNext(queue: Queue): void {
    const [line, calls] = first(queue.lines);
    const call = first(calls);
    leave(queue, call);
    // The others are first.
    if (queue.lines.delete(line)) queue.lines.set(line, calls);
    const { serviceMs } = forecast(queue, 0);
    if (clock.monotonicMs() + serviceMs <= call.answerByMs) start(queue, call);
    else {
      startedInTurn += 1;
      call.refuse(serviceMs);
    }
  }

  function wait(queue: Queue, call: Waiting): void {
    const calls = queue.lines.get(call.line);
    if (calls === undefined) queue.lines.set(call.line, new Set([call]));
    else calls.add(call);
    queue.waitingCount += 1;
    waiting.add(queue);
    turnLater();
  }

  function leave(queue: Queue, call: Waiting): void {
    const calls = queue.lines.get(call.line);
    if (calls?.delete(call) !== true) return;
    queue.waitingCount -= 1;
    if (calls.size === 0) queue.lines.delete(call.line);
    if (queue.waitingCount === 0) waiting.delete(queue);
  }

  function arrive({ line }: Waiting): void {
    if (line.turn !== turn) Object.assign(line, { came: 0, turn });
    line.came += 1;
    if (line.came !== arrivalsPerTurnMax) return;
    read(line, false);
    stopped.push(line);
    turnLater();
  }

  function lookAt(queue: Queue): void {
    if (queue.window === undefined || looked.has(queue)) return;
    if (looked.size === 0) {
      lookedAtMs = clock.monotonicMs();
      idleAtMs = idleMs();
      clock.setTimer(windowLookMs, look);
    }
    queue.window.measureAnew();
    looked.add(queue);
  }

  function look(): void {
    const [nowMs, nowIdleMs] = [clock.monotonicMs(), idleMs()];
    const tookMs = nowMs - lookedAtMs;
    const idleShare = (nowIdleMs - idleAtMs) / tookMs;
    [lookedAtMs, idleAtMs] = [nowMs, nowIdleMs];
    for (const queue of looked) {
      if (queue.window?.look(nowMs, tookMs, idleShare, queue.waitingCount) !== true) looked.delete(queue);
      if (queue.waitingCount > 0 && mayStart(queue)) turnLater();
    }
    if (looked.size > 0) clock.setTimer(windowLookMs, look);
  }

  return {
    enter(queue, arrival) {
      const cameMs = clock.monotonicMs();
      const call: Waiting = { ...arrival, ...timesOf(cameMs, arrival.timeoutMs), begun: undefined };
      arrive(call);
      if (queue.window?.hasRoom() === false) lookAt(queue);
      if (queue.waitingCount === 0 && mayStart(queue)) start(queue, call);
      else {
        const { waitMs, serviceMs } = forecast(queue, aheadOf(queue, arrival.line));
        if (cameMs + waitMs + serviceMs > call.expectedByMs) call.refuse(waitMs);
        else wait(queue, call);
      }
      return (isAnswered) => {
        if (call.begun !== undefined) queue.window?.end(call.begun, isAnswered);
        else leave(queue, call);
        if (queue.waitingCount > 0) turnLater();
      };
    },
  };
}

/** How many begin before the next one of this connection, at most: of each other one as many as of its own, and one more. */
function aheadOf({ lines, waitingCount }: Queue, line: Line): number {
  const own = lines.get(line)?.size ?? 0;
  return Math.min(waitingCount, own + (own + 1) * (lines.has(line) ? lines.size - 1 : lines.size));
}

const forecast = ({ window }: Queue, waitingCount: number) => window?.forecast(waitingCount) ?? { waitMs: 0, serviceMs: 0 };

function first<Item>(items: Iterable<Item>): Item {
  for (const item of items) return item;
  throw new Error("nobody waits here");
}

/** Node has no other way to leave what a client sends in the kernel's buffer: HTTP/2 has no flow control for calls. */
type Handle = { readStart(): void; readStop(): void };

function read({ socket }: Line, reads: boolean): void {
  const handle = (socket as unknown as { readonly _handle?: Handle | null })._handle;
  if (reads) handle?.readStart();
  else handle?.readStop();
}
