import { randomUUID } from "node:crypto";
import { type ServerInterceptingCall, type ServerInterceptor, status as Status } from "@grpc/grpc-js";
import type { RichServerError } from "nice-grpc-error-details";
import type { Logger } from "../runtime/logger.ts";
import { peerText } from "./address.ts";
import { internalError, messageTooLarge, unreadableCall } from "./errors.ts";
import { callStatus } from "./status-headers.ts";

type CallStatus = Parameters<ServerInterceptingCall["sendStatus"]>[0];

/** What grpc-js says when a handler's answer finds its call ended. Nothing was refused: the caller waits no longer. */
const unheard = "Internal server error";

/** Of grpc-js. Its codes do not tell what this process has done wrong from what the caller has. */
const defect = /^(Error serializing response|Error deserializing request|Sent message larger than max)/;

/**
 * Gives the calls that grpc-js answers by itself, which no handler and no middleware hears of, their reason, and logs them: for a
 * `grpc-timeout` or a compression that it cannot read, a message that is too large, an answer that cannot be sent. Must be the first
 * interceptor: only that one is given the call itself. The codes are those of the gRPC specification.
 */
export function transportRefusals(logger: Logger, requestBytesMax: number): ServerInterceptor {
  return ({ path, responseSerialize }, call) => {
    const sendStatus = call.sendStatus.bind(call);
    const sendMessage = call.sendMessage.bind(call);
    let answer: unknown;
    call.sendMessage = (message, callback) => {
      answer = message;
      sendMessage(message, callback);
      answer = undefined;
    };
    call.sendStatus = (status) => {
      // What a handler answers has metadata, its trailers.
      if (status.metadata != null || status.details === unheard) return sendStatus(status);
      const refusal = refusalOf(status, requestBytesMax);
      const fields = {
        request: randomUUID(),
        rpc: path,
        peer: peerText(call.getPeer()),
        code: Status[status.code],
        message: status.details,
      };
      if (defect.test(status.details)) {
        logger.error({ ...fields, err: thrownBy(responseSerialize, answer) }, "call failed: a defect");
      } else {
        logger[status.code === Status.INTERNAL ? "warn" : "debug"](fields, "call answered by the transport");
      }
      sendStatus(refusal === undefined ? status : withTrailers(refusal, fields.request));
    };
    return call as ServerInterceptingCall;
  };
}

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
