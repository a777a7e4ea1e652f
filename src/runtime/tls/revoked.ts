/** One value of DER: what it is, and where its content is. */
type Value = { readonly tag: number; readonly start: number; readonly end: number };

const sequence = 0x30;
const integer = 0x02;

/**
 * The serial numbers that a revocation list in PEM names, for connections that are open: OpenSSL looks at lists in a handshake only. It has read this one
 * before, so that it is what RFC 5280, 5.1, says.
 */
export function serialsIn(pem: string): readonly bigint[] {
  const der = Buffer.from(pem.replaceAll(/-----[^-]+-----/g, ""), "base64");
  const [toBeSigned] = childrenOf(der, valueAt(der, 0));
  if (toBeSigned === undefined) return [];
  const fields = childrenOf(der, toBeSigned).filter(({ tag }) => tag === sequence);
  // Algorithm, issuer, and what is revoked, if anything is.
  const [, , revoked] = fields;
  if (revoked === undefined) return [];
  return childrenOf(der, revoked).flatMap((entry) => {
    const [serial] = childrenOf(der, entry);
    return serial?.tag === integer ? [BigInt(`0x${der.toString("hex", serial.start, serial.end)}`)] : [];
  });
}

function childrenOf(der: Buffer, { start, end }: Value): readonly Value[] {
  const children: Value[] = [];
  for (let at = start; at < end; ) {
    const child = valueAt(der, at);
    children.push(child);
    at = child.end;
  }
  return children;
}

function valueAt(der: Buffer, at: number): Value {
  const tag = der.readUInt8(at);
  const first = der.readUInt8(at + 1);
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  const length = lengthBytes === 0 ? first : der.readUIntBE(at + 2, lengthBytes);
  const start = at + 2 + lengthBytes;
  return { tag, start, end: start + length };
}
