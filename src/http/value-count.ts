const [quote, backslash] = ['"', "\\"].map((text) => text.charCodeAt(0));
const counted = new Set([..."{[,"].map((text) => text.charCodeAt(0)));

/** How many values JSON has, about: what begins an object or a list, or parts two values, outside of texts. Twice as many at most. */
export function valueCount(bytes: Uint8Array): number {
  let count = 0;
  let isText = false;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (byte === quote) isText = !isText;
    else if (isText && byte === backslash) at += 1;
    else if (!isText && byte !== undefined && counted.has(byte)) count += 1;
  }
  return count;
}
