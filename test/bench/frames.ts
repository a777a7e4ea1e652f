/** Of a stream of gRPC, as it comes in pieces: tells the first byte of each message. */
export function createFrames(onMessage: (firstByte: number) => void): (chunk: Uint8Array) => void {
  const header = new Uint8Array(5);
  let headerBytes = 0;
  let bodyBytes = 0;
  let isFirst = false;
  return (chunk) => {
    let at = 0;
    while (at < chunk.length) {
      if (headerBytes < header.length) {
        header[headerBytes] = chunk[at] ?? 0;
        headerBytes += 1;
        at += 1;
        if (headerBytes < header.length) continue;
        bodyBytes = new DataView(header.buffer).getUint32(1);
        isFirst = true;
      } else {
        if (isFirst) onMessage(chunk[at] ?? 0);
        isFirst = false;
        const taken = Math.min(bodyBytes, chunk.length - at);
        at += taken;
        bodyBytes -= taken;
      }
      if (bodyBytes === 0) headerBytes = 0;
    }
  };
}
