import { once } from "node:events";
import { createServer, type Socket, connect as tcpConnect } from "node:net";
import type { DurationMs } from "../../src/kernel/time.ts";

/** While nobody listens at the other end, the link tries it this often. */
const dialAgainMs: DurationMs = 50;

/**
 * The network between one process and the coordinator: a TCP proxy on the loopback interface. It waits for a coordinator that is being
 * started instead of refusing, so that what is connected through it is back as soon as the coordinator is.
 */
export type Link = {
  readonly address: string;
  /** What one side says is kept on the way, until `reset`. */
  hold(says: "coordinator" | "other"): void;
  /** Ends every connection, and what is kept on the way is lost. New ones are as good as the first. */
  reset(): void;
  /** As `reset`, and new connections hang until `heal`. */
  cut(): void;
  heal(): void;
  close(): void;
};

export async function createLink(target: () => string): Promise<Link> {
  const accepted = new Map<Socket, Socket | undefined>();
  const held = new Set<"coordinator" | "other">();
  let isCut = false;
  const server = createServer(accept);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a TCP server has a port");

  function accept(near: Socket): void {
    accepted.set(near, undefined);
    near.setNoDelay(true);
    near.on("error", () => {});
    near.once("close", () => {
      accepted.get(near)?.destroy();
      accepted.delete(near);
    });
    // Nothing is read before there is somebody to give it to.
    near.pause();
    dial(near);
  }

  function dial(near: Socket): void {
    if (near.destroyed) return;
    const again = (): void => void setTimeout(() => dial(near), dialAgainMs);
    if (isCut) {
      again();
      return;
    }
    const [host, port] = target().split(":");
    const far = tcpConnect({ host: host ?? "", port: Number(port), noDelay: true });
    far.once("error", again);
    far.once("connect", () => {
      far.off("error", again);
      far.on("error", () => {});
      far.once("close", () => near.destroy());
      accepted.set(near, far);
      near.on("data", (chunk) => far.write(chunk));
      far.on("data", (chunk) => near.write(chunk));
      if (!held.has("other")) near.resume();
      if (held.has("coordinator")) far.pause();
    });
  }

  function reset(): void {
    held.clear();
    for (const near of accepted.keys()) near.destroy();
  }

  return {
    address: `127.0.0.1:${address.port}`,
    hold(says) {
      held.add(says);
      for (const [near, far] of accepted) (says === "other" ? near : far)?.pause();
    },
    reset,
    cut() {
      isCut = true;
      reset();
    },
    heal() {
      isCut = false;
    },
    close() {
      server.close();
      reset();
    },
  };
}
