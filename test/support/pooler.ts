import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

// What PgBouncer does with sessions, and nothing else of it. A client's startup and authentication are passed through to a backend of its own;
// in transaction mode that backend then belongs to everybody. What a client sends goes to a free backend, which is its own until PostgreSQL
// says ReadyForQuery outside of a transaction.

type Backend = { readonly socket: Socket; onData: (data: Buffer) => void };

export async function startPooler(options: {
  readonly host: string;
  readonly port: number;
  readonly mode: "session" | "transaction";
  /** How many stay, in transaction mode. */
  readonly backends: number;
}) {
  const free: Backend[] = [];
  const waiting: ((backend: Backend) => void)[] = [];
  const sockets = new Set<Socket>();
  let backendCount = 0;

  const keep = (socket: Socket): Socket => {
    sockets.add(socket);
    return socket.on("error", () => {}).on("close", () => sockets.delete(socket));
  };

  function release(backend: Backend): void {
    const next = waiting.shift();
    if (next) next(backend);
    else free.push(backend);
  }

  const acquire = (): Promise<Backend> => {
    // The one that was used last, as PgBouncer does.
    const backend = free.pop();
    return backend ? Promise.resolve(backend) : new Promise((resolve) => waiting.push(resolve));
  };

  const server = createServer((client) => {
    keep(client);
    const socket = keep(connect(options.port, options.host));
    const starting: Backend = { socket, onData: () => {} };
    socket.on("data", (data: Buffer) => starting.onData(data));
    let own: Backend | undefined = starting;
    let asked: Promise<Backend> | undefined;
    const isReady = createReadyReader();
    let started = false;
    const onData = (data: Buffer): void => {
      client.write(data);
      const status = isReady(data);
      if (status === undefined || options.mode === "session") return;
      if (!started) {
        started = true;
        own = undefined;
        if (backendCount === options.backends) return void socket.destroy();
        backendCount += 1;
        release(starting);
      } else if (status === "I" && own) {
        const done = own;
        own = undefined;
        asked = undefined;
        release(done);
      }
    };
    starting.onData = onData;
    client.on("data", async (data) => {
      // Goodbye is the client's own.
      if (started && data[0] === 0x58) return void client.end();
      if (!own) {
        asked ??= acquire();
        own = await asked;
        own.onData = onData;
      }
      own.socket.write(data);
    });
    client.on("close", () => options.mode === "session" && socket.destroy());
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async close(): Promise<void> {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Reads what a backend sends, in pieces of any size. Answers with the transaction status of the last ReadyForQuery in a piece. */
function createReadyReader(): (data: Buffer) => string | undefined {
  let rest = Buffer.alloc(0);
  return (data) => {
    rest = Buffer.concat([rest, data]);
    let status: string | undefined;
    while (rest.length >= 5 && rest.length > rest.readUInt32BE(1)) {
      if (rest[0] === 0x5a) status = String.fromCharCode(rest[5] ?? 0);
      rest = rest.subarray(1 + rest.readUInt32BE(1));
    }
    return status;
  };
}
