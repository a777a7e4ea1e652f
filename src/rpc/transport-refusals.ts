import { randomUUID } from "node:crypto";
import { type ServerInterceptingCall, type ServerInterceptor, status as Status } from "@grpc/grpc-js";
import type { RichServerError } from "nice-grpc-error-details";
import type { Logger } from "../runtime/logger.ts";
import { peerText } from "./address.ts";
import { internalError, messageTooLarge, unreadableCall } from "./errors.ts";
import { callStatus } from "./status-headers.ts";

type CallStatus = Parameters<ServerInterceptingCall["sendStatus"]>[0];

/** A call of grpc-js, with what it does not show. */
type Inside = Pick<ServerInterceptingCall, "sendMessage" | "sendStatus" | "getPeer"> & {
  readonly handler: { readonly path: string; readonly serialize: (answer: never) => unknown };
  /** Ours: what is being encoded. */
  answer?: unknown;
};

/** What grpc-js says when a handler's answer finds its call ended. Nothing was refused: the caller waits no longer. */
const unheard = "Internal server error";

/** Of grpc-js. Its codes do not tell what this process has done wrong from what the caller has. */
const defect = /^(Error serializing response|Error deserializing request|Sent message larger than max)/;

/**
 * Gives the calls that grpc-js answers by itself, which no handler and no middleware hears of, their reason, and logs them: for a
 * `grpc-timeout` or a compression that it cannot read, a message that is too large, an answer that cannot be sent. Must be the first
 * interceptor: only that one is given the call itself. The codes are those of the gRPC specification. As in call-memory.ts, no call is given functions
 * of its own.
 */
export function transportRefusals(logger: Logger, requestBytesMax: number): ServerInterceptor {
  function sendMessage(this: Inside, ...[message, callback]: Parameters<Inside["sendMessage"]>): void {
    this.answer = message;
    inherited(this).sendMessage.call(this, message, callback);
    this.answer = undefined;
  }

  function sendStatus(this: Inside, status: CallStatus): void {
    const send = (each: CallStatus): void => inherited(this).sendStatus.call(this, each);
    // What a handler answers has metadata, its trailers.
    if (status.metadata != null || status.details === unheard) {
      send(status);
      return;
    }
    const { path, serialize } = this.handler;
    const refusal = refusalOf(status, requestBytesMax);
    const fields = {
      request: randomUUID(),
      rpc: path,
      peer: peerText(this.getPeer()),
      code: Status[status.code],
      message: status.details,
    };
    if (defect.test(status.details)) {
      logger.error({ ...fields, err: thrownBy(serialize, this.answer) }, "call failed: a defect");
    } else {
      logger[status.code === Status.INTERNAL ? "warn" : "debug"](fields, "call answered by the transport");
    }
    send(refusal === undefined ? status : withTrailers(refusal, fields.request));
  }

  return (_method, call) => Object.assign(call, { sendMessage, sendStatus }) as ServerInterceptingCall;
}

const inherited = (call: Inside): Inside => Object.getPrototypeOf(call) as Inside;

function refusalOf({ code, details }: CallStatus, requestBytesMax: number): RichServerError | undefined {
  if (defect.test(details)) return internalError();
  switch (code) {
    case Status.RESOURCE_EXHAUSTED:
      return messageTooLarge(requestBytesMax);
    case Status.INTERNAL:
    case Status.UNIMPLEMENTED:
      return unreadableCall(code, details);
    default:
      // Its time is over.
      return undefined;
  }
}

function withTrailers(refusal: RichServerError, requestId: string): CallStatus {
  const status = callStatus(refusal);
  status.metadata.set("x-request-id", requestId);
  return status;
}

/** grpc-js does not hand on why it could not encode an answer. */
function thrownBy(encode: (answer: never) => unknown, answer: unknown): unknown {
  try {
    if (answer !== undefined) encode(answer as never);
  } catch (error) {
    return error;
  }
  return undefined;
}
