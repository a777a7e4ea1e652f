import { headerBytesMax } from "./limits.ts";

/** What the headers of one request take. */
export type HeaderSize = {
  /** As HTTP/2 counts them (RFC 9113, section 6.5.2), with each value of a binary header counted as a header. */
  readonly bytes: number;
  /** In memory, for as long as the stream is open. */
  readonly keptBytes: number;
};

/** RFC 9113: besides its name and its value. */
const headerOverheadBytes = 32;

/** Measured: what Node and grpc-js keep of a header besides its bytes. */
const headerKeptBytes = 160;

/** Measured: a Buffer, and its place. */
const binaryValueKeptBytes = 224;

const comma = ",".charCodeAt(0);

/** Whether a request shows two proofs of who asks: Node shows only the first. `rawHeaders`: names and values in turn, each as often as it came. */
export function hasTwoProofs(
  { authorization }: { readonly authorization?: string | undefined },
  rawHeaders: readonly string[],
): boolean {
  if (authorization === undefined) return false;
  let count = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) if (rawHeaders[index]?.toLowerCase() === "authorization") count += 1;
  return count > 1;
}

/** `rawHeaders`: names and values in turn, each as often as it came. Of more than `headerBytesMax` it counts no more than that they are more. */
export function sizeOfHeaders(rawHeaders: readonly string[]): HeaderSize {
  const count = rawHeaders.length / 2;
  let textBytes = 0;
  let decodedBytes = 0;
  let binaryValueCount = 0;
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string;
    const value = rawHeaders[index + 1] as string;
    textBytes += name.length + value.length;
    // It is refused, whatever else there is.
    if (textBytes > headerBytesMax) break;
    if (!name.endsWith("-bin")) continue;
    decodedBytes += value.length;
    // grpc-js makes a Buffer of whatever is between two commas, if it is nothing.
    for (let at = 0; at < value.length; at += 1) if (value.charCodeAt(at) === comma) binaryValueCount += 1;
  }
  return {
    bytes: textBytes + (count + binaryValueCount) * headerOverheadBytes,
    keptBytes: textBytes + decodedBytes + count * headerKeptBytes + binaryValueCount * binaryValueKeptBytes,
  };
}
