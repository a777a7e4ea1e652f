import { ServerInterceptingCall, type ServerInterceptor } from "@grpc/grpc-js";
import type { CallContext } from "nice-grpc-common";

/** Names the watch to the handler's side, over whatever the caller may have sent under that name. */
const watchKey = "concord-watch";

/**
 * Keeps a watch at the pace of its reader. nice-grpc pulls 16 messages more for one who does not read; here one is on its way, and one
 * waits for it.
 */
export type Pace = {
  readonly interceptor: ServerInterceptor;
  readonly follow: <Message>(
    messages: AsyncGenerator<Message, void>,
    context: Pick<CallContext, "metadata" | "signal">,
  ) => AsyncGenerator<Message, void>;
};

export function createPace(): Pace {
  /** Of each watch whose handler runs: a message is on its way, so those before it are gone. */
  const onItsWay = new Map<string, () => void>();
  let watchCount = 0;
  return {
    interceptor({ requestStream, responseStream }, call) {
      if (requestStream || !responseStream) return call as ServerInterceptingCall;
      watchCount += 1;
      const watch = String(watchCount);
      return new ServerInterceptingCall(call, {
        start: (next) =>
          next({
            onReceiveMetadata: (metadata, proceed) => {
              metadata.set(watchKey, watch);
              proceed(metadata);
            },
          }),
        sendMessage: (message, next) => {
          onItsWay.get(watch)?.();
          next(message);
        },
      });
    },
    async *follow(messages, { metadata, signal }) {
      const watch = String(metadata.get(watchKey));
      let waits = false;
      let resume = (): void => undefined;
      onItsWay.set(watch, () => {
        waits = false;
        resume();
      });
      const leave = (): void => resume();
      signal.addEventListener("abort", leave);
      try {
        for await (const message of messages) {
          waits = true;
          yield message;
          if (waits && !signal.aborted) {
            await new Promise<void>((resolve) => {
              resume = resolve;
            });
          }
        }
      } finally {
        onItsWay.delete(watch);
        signal.removeEventListener("abort", leave);
      }
    },
  };
}
