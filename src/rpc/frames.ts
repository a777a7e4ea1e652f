// How gRPC puts messages into a stream of bytes: each behind a prefix of its own, one after the other.

/** Whether it is compressed, and how long it is. */
const prefixBytes = 5;

const nothing: readonly Buffer[] = [];

/** One behind the other, none of them compressed. */
export function framed(messages: readonly Uint8Array[]): Buffer {
  let at = 0;
  for (const { length } of messages) at += prefixBytes + length;
  const frames = Buffer.allocUnsafe(at);
  at = 0;
  for (const message of messages) {
    frames.writeUInt8(0, at);
    frames.writeUInt32BE(message.length, at + 1);
    frames.set(message, at + prefixBytes);
    at += prefixBytes + message.length;
  }
  return frames;
}

/**
 * Reads what comes in chunks: each time the messages that are whole by now, without a copy if they came in one chunk. Throws if one is compressed,
 * which nobody here has asked for, or larger than this.
 */
export function createFrameReader(bytesMax: number): (chunk: Buffer) => readonly Buffer[] {
  let chunks: Buffer[] = [];
  let bytes = 0;
  /** As far as is known: the message that is not whole, with its prefix. */
  let wanted = prefixBytes;

  return (chunk) => {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes < wanted) return nothing;
    const whole = chunks.length === 1 ? chunk : Buffer.concat(chunks, bytes);
    const messages: Buffer[] = [];
    let at = 0;
    for (;;) {
      const left = bytes - at;
      wanted = left < prefixBytes ? prefixBytes : prefixBytes + lengthAt(whole, at, bytesMax);
      if (left < wanted) break;
      messages.push(whole.subarray(at + prefixBytes, at + wanted));
      at += wanted;
    }
    chunks = at < bytes ? [whole.subarray(at)] : [];
    bytes -= at;
    return messages;
  };
}

function lengthAt(chunk: Buffer, at: number, bytesMax: number): number {
  if (chunk[at] !== 0) throw new Error("a message is compressed, which was not asked for");
  const length = chunk.readUInt32BE(at + 1);
  if (length > bytesMax) throw new Error(`a message has ${length} bytes, more than ${bytesMax}`);
  return length;
}
