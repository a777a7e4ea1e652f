import { type ServerInterceptingCall, type ServerInterceptor, status as Status } from "@grpc/grpc-js";
import type { Logger } from "../runtime/logger.ts";

/** What grpc-js says when a handler's answer finds its call ended. Nothing was refused: the caller waits no longer. */
const unheard = "Internal server error";

/**
 * Logs the calls that grpc-js answers by itself, which no handler and no middleware hears of: for a `grpc-timeout` or a compression that
 * it cannot read, a message that is too large, an answer that cannot be encoded. Must be the first interceptor: only that one is given
 * the call itself. The codes are those of the gRPC specification.
 */
export function transportRefusals(logger: Logger): ServerInterceptor {
  return ({ path }, call) => {
    const sendStatus = call.sendStatus.bind(call);
    call.sendStatus = (status) => {
      // What a handler answers has metadata, its trailers.
      if (status.metadata == null && status.details !== unheard) {
        const level = status.code === Status.INTERNAL ? "warn" : "debug";
        const fields = { rpc: path, peer: call.getPeer(), code: Status[status.code], message: status.details };
        logger[level](fields, "call answered by the transport");
      }
      sendStatus(status);
    };
    return call as ServerInterceptingCall;
  };
}
