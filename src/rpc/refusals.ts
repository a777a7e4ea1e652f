import { createSeldomLog } from "../kernel/seldom.ts";
import type { DurationMs } from "../kernel/time.ts";
import type { Logger } from "../runtime/logger.ts";

/** By the shape of the method. A watch answers without end, or waits before it answers; of a session both sides speak without end. */
export type CallKind = "call" | "watch" | "session";

/** How many there may be of what, for whom. */
export type Bound = {
  readonly kind: CallKind | "waiting-call" | "connection" | "request-byte" | "answer-byte" | "header-byte";
  /** Empty: of all services. */
  readonly service: string;
  readonly of: "process" | "address" | "connection";
  readonly limit: number;
};

export type Refused = (bound: Bound) => void;

const plurals = {
  call: "calls",
  "waiting-call": "waiting calls",
  watch: "watches",
  session: "sessions",
  connection: "connections",
  "request-byte": "bytes of half-sent requests",
  "answer-byte": "bytes of unread answers",
  "header-byte": "bytes of headers",
} as const;
const whose = { process: "", address: " from one address", connection: " on one connection" } as const;

export function boundWords({ kind, service, of }: Bound): string {
  const what = of === "connection" ? "watches and sessions" : plurals[kind];
  return `${what}${service && ` of ${service}`} at once${whose[of]}`;
}

/** Who is refused is told; who has to know besides is told seldom, however many there are. */
export function logRefusals(logger: Logger, nowMs = (): DurationMs => performance.now()): Refused {
  const seldom = createSeldomLog(logger, nowMs);
  return (bound) => {
    if (bound.kind === "waiting-call") {
      seldom.warn("", {}, `refused: calls of ${bound.service} come faster than they are answered`);
      return;
    }
    const words = boundWords(bound);
    seldom.warn("", { limit: bound.limit }, `refused: more ${words} than there may be`);
  };
}
