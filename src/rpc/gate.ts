import type { OutgoingHttpHeaders } from "node:http2";
import { Status } from "nice-grpc-common";
import type { RichServerError } from "nice-grpc-error-details";
import { HealthDefinition } from "nice-grpc-server-health";
import type { Authentication, Shown, WithoutProof } from "../access/authentication.ts";
import type { Excess } from "../access/core/quota.ts";
import { noProof, type Proof } from "../access/proof.ts";
import type { Counted, Quotas } from "../access/quotas.ts";
import { sha256Of } from "../access/sha256.ts";
import { type Unproved, unknowable, unproved } from "../access/unproved.ts";
import type { Principal } from "../kernel/principal.ts";
import type { Result } from "../kernel/result.ts";
import type { DurationMs } from "../kernel/time.ts";
import { type Authority, methodDenied, openAuthority } from "./authority.ts";
import { rpcError } from "./errors.ts";
import { lasts } from "./lasting.ts";
import { excessAnswerMs } from "./limits.ts";
import { reflectionNames } from "./reflection.ts";
import { statusHeaders } from "./status-headers.ts";

/** A call, from its headers and its connection alone: nothing of its request has been read. */
export type Knock = Shown & {
  /** `/concord.workflow.v1.WorkflowService/GetWorkflow` */
  readonly path: string;
  /** Where it comes from. */
  readonly peer: string;
};

/** Who calls; or, of a call that is refused, all that it is answered, at once or later. */
export type Entrance =
  | { readonly proof: Proof; readonly counted?: Counted | undefined }
  | { readonly answer: OutgoingHttpHeaders; readonly afterMs?: DurationMs };

/** Decides of each call who makes it, and whether that one may make it. In most cases at once. */
export type Gate = {
  readonly enter: (knock: Knock) => Entrance | Promise<Entrance>;
  /** The same of a call that is not made yet, before more of it is read than its headers: it counts against no quota. */
  readonly look: (knock: Knock) => Entrance | Promise<Entrance>;
  /** Counts a question on a stream as a call. The answer, if its principal has used up what there is for it. */
  readonly ask: (question: { readonly path: string; readonly principal: Principal }) => RichServerError | undefined;
  /** By which it decides what they may call, once it is known who they are. */
  readonly authority: Authority;
};

const everybody: Entrance = { proof: noProof };

/** Without an access file: whoever reaches the port may do anything, as nobody. */
export const openGate: Gate = { enter: () => everybody, look: () => everybody, ask: () => undefined, authority: openAuthority };

/** The same; but by the listener that a process has for itself, which asks for no certificate, nobody comes in but that process. */
export function openGateWithOwn(token: string): Gate {
  const own = sha256Of(`Bearer ${token}`);
  return {
    ...openGate,
    enter: ({ isOwn, authorization = "" }) =>
      isOwn && sha256Of(authorization) !== own ? { answer: answers.UNKNOWN_TOKEN } : everybody,
  };
}

/** A call for which nobody has proved anything that counts. */
export type Unknown = { readonly path: string; readonly peer: string; readonly why: Unproved };

/** A call that its caller may not make, and why not. */
export type Denial = {
  readonly path: string;
  readonly peer: string;
  readonly principal: Principal;
  readonly because: readonly string[];
};

/** A call of a principal that has used up what there is for it. */
export type Exceeded = { readonly path: string; readonly principal: Principal; readonly what: Excess["what"] };

export function createGate(
  authentication: Authentication,
  authority: Authority,
  quotas: Quotas,
  told: {
    readonly unknown: (call: Unknown) => void;
    readonly denied: (denial: Denial) => void;
    readonly exceeded: (call: Exceeded) => void;
  },
): Gate {
  function judge({ path, peer }: Knock, proof: Result<Proof, Unproved>): Entrance {
    if (!proof.ok) {
      told.unknown({ path, peer, why: proof.error });
      return { answer: answers[proof.error] };
    }
    const { principal } = proof.value;
    const decision = authority.decide(principal, path);
    if (decision.allowed) return { proof: proof.value };
    told.denied({ path, peer, principal, because: decision.because });
    return { answer: statusHeaders(methodDenied(path)) };
  }

  function count({ path }: Knock, entrance: Entrance): Entrance {
    if (entrance === everybody || "answer" in entrance) return entrance;
    const { proof } = entrance;
    const { principal } = proof;
    const counted = quotas.enter(principal, lasts(path) ? "streams" : "calls");
    if (counted === undefined) return entrance;
    if ("leave" in counted) return { proof, counted };
    return { answer: statusHeaders(refusalOf({ path, principal }, counted)), afterMs: excessAnswerMs };
  }

  function refusalOf(call: Omit<Exceeded, "what">, excess: Excess): RichServerError {
    told.exceeded({ ...call, what: excess.what });
    return quotaExceeded(excess);
  }

  function look(knock: Knock): Entrance | Promise<Entrance> {
    const { path } = knock;
    const open = openServices.get(path.slice(1, path.lastIndexOf("/")));
    if (open !== undefined && authentication.isOpen(open)) return everybody;
    const proof = authentication.authenticate(knock);
    return proof instanceof Promise ? proof.then((known) => judge(knock, known)) : judge(knock, proof);
  }

  return {
    authority,
    look,
    ask: (question) => {
      const excess = quotas.ask(question.principal);
      return excess && refusalOf(question, excess);
    },
    enter: (knock) => {
      const entrance = look(knock);
      return entrance instanceof Promise ? entrance.then((known) => count(knock, known)) : count(knock, entrance);
    },
  };
}

/** Those that have a switch of their own. */
const openServices: ReadonlyMap<string, WithoutProof> = new Map([
  [HealthDefinition.fullName, "health"],
  ...reflectionNames.map((name) => [name, "reflection"] as const),
]);

export const unauthenticated = (why: keyof typeof unproved): RichServerError =>
  rpcError({ code: Status.UNAUTHENTICATED, reason: "UNAUTHENTICATED", message: unproved[why], metadata: { why } });

/** A good token may be refused for the moment, and is as good in a moment. */
const unknown: Readonly<Record<keyof typeof unknowable, RichServerError>> = {
  KEYS_UNAVAILABLE: rpcError({
    code: Status.UNAVAILABLE,
    reason: "ISSUER_UNAVAILABLE",
    message: `${unknowable.KEYS_UNAVAILABLE}; retry later`,
    retryAfterMs: 1_000,
  }),
  TOO_MANY: rpcError({
    code: Status.RESOURCE_EXHAUSTED,
    reason: "OVERLOADED",
    message: `${unknowable.TOO_MANY}; retry later`,
    retryAfterMs: 500,
  }),
};

const excessWords: Readonly<Record<Excess["what"], string>> = {
  calls: "calls under way",
  streams: "streams that are open",
  rate: "calls a second",
  bytes: "bytes of requests a second",
};

/** Nobody is sent away for longer: quotas may change. */
const retryAfterMsMax: DurationMs = 60_000;

const quotaExceeded = ({ what, limit, retryAfterMs }: Excess): RichServerError =>
  rpcError({
    code: Status.RESOURCE_EXHAUSTED,
    reason: "OVERLOADED",
    message: `more than ${limit} ${excessWords[what]}, which is what there is for this principal; retry later`,
    metadata: { limit: String(limit) },
    retryAfterMs: Math.min(retryAfterMsMax, Math.ceil(retryAfterMs)),
  });

const reasons = Object.keys(unproved) as (keyof typeof unproved)[];

/** Made once: whoever proves nothing costs next to nothing. */
const answers = {
  ...Object.fromEntries(reasons.map((why) => [why, statusHeaders(unauthenticated(why))])),
  ...Object.fromEntries(Object.entries(unknown).map(([why, failure]) => [why, statusHeaders(failure)])),
} as Readonly<Record<Unproved, OutgoingHttpHeaders>>;
