import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { IncomingHttpHeaders } from "node:http2";
import type { Socket } from "node:net";
import { timerMaxMs } from "../kernel/limits.ts";

/** The connections to one port of this process, as Node reports them: grpc-js shows none of this. */
export type Connections = {
  /** Ends them, whatever they speak, and watches no longer. */
  readonly destroy: () => void;
};

const millisecondsByUnit: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

export function watchConnections(port: number): Connections {
  const sockets = new Set<Socket>();
  const onSocket = (message: unknown): void => {
    const { socket } = message as { readonly socket: Socket };
    if (socket.localPort !== port) return;
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  };
  subscribe("net.server.socket", onSocket);
  subscribe("http2.server.stream.created", dropFarDeadline);
  return {
    destroy() {
      unsubscribe("net.server.socket", onSocket);
      unsubscribe("http2.server.stream.created", dropFarDeadline);
      for (const socket of sockets) socket.destroy();
    },
  };
}

/**
 * grpc-js counts a deadline in 32 bits and makes one beyond them a deadline in the past. No timer can hold it either, so it is as good as
 * none. The headers are those that grpc-js is about to read.
 */
function dropFarDeadline(message: unknown): void {
  const { headers } = message as { readonly headers: IncomingHttpHeaders };
  const [, amount, unit = ""] = /^(\d{1,8})([HMSmun])$/.exec(String(headers["grpc-timeout"])) ?? [];
  if (Number(amount) * (millisecondsByUnit[unit] ?? 0) > timerMaxMs) delete headers["grpc-timeout"];
}
