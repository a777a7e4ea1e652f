import { once } from "node:events";
import { connect } from "node:net";

// RFC 9113, written by hand: what no HTTP/2 library would send.

const types = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
  /** Nobody knows it, and everybody has to pass over it. */
  unknown: 99,
} as const;

export type FrameType = keyof typeof types;

export const flag = { none: 0, ack: 1, endStream: 1, endHeaders: 4 } as const;

const typeNames = new Map<number, FrameType>(Object.entries(types).map(([name, type]) => [type, name as FrameType]));
const frameHeaderBytes = 9;

export function frame(
  type: FrameType,
  streamId: number,
  payload: Uint8Array = new Uint8Array(),
  flags: number = flag.none,
): Buffer {
  const header = Buffer.alloc(frameHeaderBytes);
  header.writeUIntBE(payload.length, 0, 3);
  header.writeUInt8(types[type], 3);
  header.writeUInt8(flags, 4);
  header.writeUInt32BE(streamId, 5);
  return Buffer.concat([header, payload]);
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** HPACK, RFC 7541: each a literal that is not indexed, without Huffman's code. */
export function headerBlock(headers: Readonly<Record<string, string>>): Buffer {
  return Buffer.concat(
    Object.entries(headers).flatMap(([name, value]) => [Uint8Array.of(0), ...literal(name), ...literal(value)]),
  );
}

function literal(text: string): readonly Uint8Array[] {
  const bytes = Buffer.from(text);
  if (bytes.length < 127) return [Uint8Array.of(bytes.length), bytes];
  const length = [127];
  let rest = bytes.length - 127;
  for (; rest >= 128; rest = Math.floor(rest / 128)) length.push((rest % 128) + 128);
  return [Uint8Array.of(...length, rest), bytes];
}

/** Speaks HTTP/2 as far as it is told to. */
export type RawPeer = {
  /** Resolves when there is room for more, or the connection is over. */
  readonly write: (...frames: readonly Uint8Array[]) => Promise<void>;
  /** Reads no more: what is sent to it stays where it is. */
  readonly stopReading: () => void;
  /** How many frames of a type it was sent. */
  readonly received: (type: FrameType) => number;
  readonly closed: () => boolean;
  readonly close: () => void;
};

/** The preface, and SETTINGS with this payload; from an address of its own, whose share of the server is not what others need. */
export async function openPeer(address: string, settings: Uint8Array = new Uint8Array()): Promise<RawPeer> {
  const { hostname, port } = new URL(`http://${address}`);
  const socket = connect({ host: hostname, port: Number(port), localAddress: "127.0.0.2" });
  let resume = (): void => undefined;
  socket.on("error", () => undefined);
  socket.on("drain", () => resume()).on("close", () => resume());
  const counts = new Map<FrameType | undefined, number>();
  let unread = Buffer.alloc(0);
  socket.on("data", (bytes: Buffer) => {
    unread = Buffer.concat([unread, bytes]);
    while (unread.length >= frameHeaderBytes && unread.length >= frameHeaderBytes + unread.readUIntBE(0, 3)) {
      const type = typeNames.get(unread.readUInt8(3));
      counts.set(type, (counts.get(type) ?? 0) + 1);
      unread = unread.subarray(frameHeaderBytes + unread.readUIntBE(0, 3));
    }
  });
  await once(socket, "connect");
  const peer: RawPeer = {
    async write(...frames) {
      if (socket.destroyed || socket.write(Buffer.concat(frames))) return;
      await new Promise<void>((resolve) => {
        resume = resolve;
      });
    },
    stopReading: () => void socket.pause(),
    received: (type) => counts.get(type) ?? 0,
    closed: () => socket.destroyed,
    close: () => void socket.destroy(),
  };
  await peer.write(Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frame("settings", 0, settings));
  return peer;
}
