// DER, as far as certificates need it: written here, and read by nobody but OpenSSL. X.690.

export type Der = Buffer;

const value = (tag: number, ...contents: readonly Uint8Array[]): Der => {
  const content = Buffer.concat(contents);
  return Buffer.concat([Buffer.from([tag]), lengthOf(content.length), content]);
};

function lengthOf(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length]);
  const bytes = unsigned(BigInt(length));
  return Buffer.from([0x80 | bytes.length, ...bytes]);
}

function unsigned(number: bigint): Buffer {
  const hex = number.toString(16);
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex");
}

export const sequence = (...items: readonly Der[]): Der => value(0x30, ...items);
export const set = (...items: readonly Der[]): Der => value(0x31, ...items);
export const boolean = (is: boolean): Der => value(0x01, Buffer.from([is ? 0xff : 0]));
export const octets = (bytes: Uint8Array): Der => value(0x04, bytes);
export const text = (utf8: string): Der => value(0x0c, Buffer.from(utf8));

/** Not negative. */
export function integer(number: bigint): Der {
  const bytes = unsigned(number);
  return value(0x02, (bytes[0] ?? 0) & 0x80 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes);
}

/** `unused`: how many of the last bits mean nothing. */
export const bits = (bytes: Uint8Array, unused = 0): Der => value(0x03, Buffer.from([unused]), bytes);

/** Of a kind that its place tells; `constructed` of others, or the bytes themselves. */
export const tagged = (tag: number, content: Uint8Array, constructed = true): Der =>
  value((constructed ? 0xa0 : 0x80) | tag, content);

/** Such as 2.5.29.17. */
export function objectId(dotted: string): Der {
  const [first = 0, second = 0, ...others] = dotted.split(".").map(Number);
  return value(0x06, Buffer.from([first * 40 + second, ...others.flatMap(base128)]));
}

function base128(number: number): readonly number[] {
  const digits = [number & 0x7f];
  for (let left = number >> 7; left > 0; left >>= 7) digits.unshift(0x80 | (left & 0x7f));
  return digits;
}

/** Years before 2050 have two digits. RFC 5280, 4.1.2.5. */
export function time(at: Date): Der {
  const digits = at.toISOString().replace(/[-:T]|\.\d+/g, "");
  return at.getUTCFullYear() < 2050 ? value(0x17, Buffer.from(digits.slice(2))) : value(0x18, Buffer.from(digits));
}

export const pem = (label: string, der: Der): string =>
  `-----BEGIN ${label}-----\n${der.toString("base64").replace(/.{64}(?=.)/g, "$&\n")}\n-----END ${label}-----\n`;
