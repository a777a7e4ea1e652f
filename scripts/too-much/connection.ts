import { once } from "node:events";
import { connect } from "node:net";
import { flag, frame, headerBlock, uint32 } from "../../test/support/http2-frames.ts";
import { framed } from "../../test/support/raw-call.ts";

/** How a call has ended: its `grpc-status`, or "reset". */
export type Status = number | "reset";

export type Connection = {
  /** One call, with all of its request. Returns what cancels it. */
  readonly call: (request: Uint8Array, timeoutMs: number | undefined, ended: (status: Status) => void) => () => void;
  readonly close: () => void;
};

const headerBytes = 9;
const windowBytes = 2 ** 30;
const [dataType, headersType, resetType, settingsType, pingType, goawayType] = [0, 1, 3, 4, 6, 7];
/** "grpc-status", as HPACK's code of Huffman has it, with its length. */
const statusName = Buffer.from("889acac8b21234da8f", "hex");

/**
 * HTTP/2 with as little as a caller of gRPC needs, so that load costs a tenth of what it causes. The table of headers is of size 0, hence
 * each status is written out.
 */
export async function openConnection(address: string, path: string): Promise<Connection> {
  const { hostname, port } = new URL(`http://${address}`);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  await once(socket, "connect");
  const underWay = new Map<number, (status: Status) => void>();
  let nextId = 1;
  let unread: Buffer = Buffer.alloc(0);
  let consumed = 0;
  /** What is sent in one turn of the loop goes in one write. */
  let outgoing: Uint8Array[] = [];

  function send(...frames: readonly Uint8Array[]): void {
    if (outgoing.length === 0) {
      setImmediate(() => {
        socket.write(Buffer.concat(outgoing));
        outgoing = [];
      });
    }
    outgoing.push(...frames);
  }

  const blockOf = (timeout: Readonly<Record<string, string>>): Buffer =>
    headerBlock({
      ":method": "POST",
      ":scheme": "http",
      ":path": path,
      ":authority": address,
      "content-type": "application/grpc",
      te: "trailers",
      ...timeout,
    });
  const blocks = new Map<number | undefined, Buffer>();
  function block(timeoutMs: number | undefined): Buffer {
    const known = blocks.get(timeoutMs) ?? blockOf(timeoutMs === undefined ? {} : { "grpc-timeout": `${timeoutMs}m` });
    blocks.set(timeoutMs, known);
    return known;
  }

  function begin(headers: Uint8Array, request: Uint8Array): number {
    const id = nextId;
    nextId += 2;
    send(frame("headers", id, headers, flag.endHeaders), frame("data", id, framed(request), flag.endStream));
    return id;
  }

  function end(id: number, status: Status): void {
    const ended = underWay.get(id);
    underWay.delete(id);
    ended?.(status);
  }

  function onFrame(type: number, flags: number, id: number, payload: Buffer): void {
    if (type === dataType) {
      consumed += payload.length;
      if (consumed > 2 ** 20) {
        send(frame("windowUpdate", 0, uint32(consumed)));
        consumed = 0;
      }
    } else if (type === headersType && (flags & flag.endStream) !== 0) end(id, statusOf(payload));
    else if (type === resetType) end(id, "reset");
    else if (type === settingsType && (flags & flag.ack) === 0) send(frame("settings", 0, new Uint8Array(), flag.ack));
    else if (type === pingType && (flags & flag.ack) === 0) send(frame("ping", 0, payload, flag.ack));
    else if (type === goawayType) throw new Error("the server has closed a connection");
  }

  socket.on("data", (bytes: Buffer) => {
    unread = unread.length === 0 ? bytes : Buffer.concat([unread, bytes]);
    let at = 0;
    while (unread.length - at >= headerBytes) {
      const next = at + headerBytes + unread.readUIntBE(at, 3);
      if (unread.length < next) break;
      const payload = unread.subarray(at + headerBytes, next);
      onFrame(unread.readUInt8(at + 3), unread.readUInt8(at + 4), unread.readUInt32BE(at + 5), payload);
      at = next;
    }
    unread = unread.subarray(at);
  });

  // No table of headers, no push, windows as large as they may be.
  const settings = Object.entries({ 1: 0, 2: 0, 4: windowBytes });
  const payload = Buffer.concat(settings.flatMap(([id, value]) => [Buffer.of(0, Number(id)), uint32(value)]));
  send(
    Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    frame("settings", 0, payload),
    frame("windowUpdate", 0, uint32(windowBytes)),
  );
  return {
    call: (request, timeoutMs, ended) => {
      const id = begin(block(timeoutMs), request);
      underWay.set(id, ended);
      return () => {
        if (underWay.delete(id)) send(frame("reset", id, uint32(8)));
      };
    },
    close: () => socket.destroy(),
  };
}

/** A code below ten is one byte, by whichever code. */
function statusOf(headers: Buffer): number {
  const at = headers.indexOf(statusName);
  if (at < 0) throw new Error(`no status in ${headers.toString("hex")}`);
  const [length = 0, first = 0, second = 0] = headers.subarray(at + statusName.length);
  return length === 1 ? first - 48 : (first - 48) * 10 + second - 48;
}
