import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { isIP } from "node:net";
import { bits, boolean, type Der, integer, objectId, octets, pem, sequence, set, tagged, text, time } from "./der.ts";

// Certificates and revocation lists of RFC 5280, for trying out: of P-256 keys, signed with ECDSA and SHA-256.

/** Who signs. */
export type Authority = { readonly name: string; readonly key: KeyObject };

export type Issued = { readonly certPem: string; readonly keyPem: string };

export type Leaf = {
  readonly commonName: string;
  /** Names of hosts, and addresses. */
  readonly hosts: readonly string[];
  readonly uris: readonly string[];
  readonly uses: readonly ("server" | "client")[];
};

export type Validity = { readonly from: Date; readonly to: Date };

const ecdsaWithSha256 = sequence(objectId("1.2.840.10045.4.3.2"));
const keyUses = { server: "1.3.6.1.5.5.7.3.1", client: "1.3.6.1.5.5.7.3.2" } as const;

const newKey = (): KeyObject => generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;

/** One that signs others, signed by itself. */
export function createAuthority(name: string, validity: Validity): Issued {
  const key = newKey();
  const extensions = [
    extension("2.5.29.19", sequence(boolean(true)), true),
    // Certificates and revocation lists.
    extension("2.5.29.15", bits(Buffer.from([0b0000_0110]), 1), true),
    extension("2.5.29.14", octets(keyId(key))),
  ];
  return issued(key, signed(certificate({ name, key }, name, key, validity, extensions), key));
}

export function issue(authority: Authority, { commonName, hosts, uris, uses }: Leaf, validity: Validity): Issued {
  const key = newKey();
  const names = [...hosts.map(hostName), ...uris.map((uri) => tagged(6, Buffer.from(uri), false))];
  const extensions = [
    extension("2.5.29.19", sequence(), true),
    // Signatures.
    extension("2.5.29.15", bits(Buffer.from([0b1000_0000]), 7), true),
    extension("2.5.29.37", sequence(...uses.map((use) => objectId(keyUses[use])))),
    extension("2.5.29.35", authorityKeyId(authority.key)),
    ...(names.length === 0 ? [] : [extension("2.5.29.17", sequence(...names))]),
  ];
  return issued(key, signed(certificate(authority, commonName, key, validity, extensions), authority.key));
}

/** By serial numbers, in hexadecimal. */
export function revocationList(authority: Authority, serials: readonly string[], { from, to }: Validity): string {
  const revoked = serials.map((serial) => sequence(integer(BigInt(`0x${serial}`)), time(from)));
  const list = sequence(
    integer(1n),
    ecdsaWithSha256,
    distinguished(authority.name),
    time(from),
    time(to),
    ...(revoked.length === 0 ? [] : [sequence(...revoked)]),
    tagged(
      0,
      sequence(
        extension("2.5.29.35", authorityKeyId(authority.key)),
        extension("2.5.29.20", integer(BigInt(Math.floor(from.getTime())))),
      ),
    ),
  );
  return pem("X509 CRL", signed(list, authority.key));
}

function certificate(
  authority: Authority,
  subject: string,
  key: KeyObject,
  { from, to }: Validity,
  extensions: readonly Der[],
): Der {
  return sequence(
    tagged(0, integer(2n)),
    integer(BigInt(`0x${randomBytes(16).toString("hex")}`)),
    ecdsaWithSha256,
    distinguished(authority.name),
    sequence(time(from), time(to)),
    distinguished(subject),
    publicPart(key),
    tagged(3, sequence(...extensions)),
  );
}

const signed = (content: Der, key: KeyObject): Der => sequence(content, ecdsaWithSha256, bits(sign("sha256", content, key)));

const issued = (key: KeyObject, der: Der): Issued => ({
  certPem: pem("CERTIFICATE", der),
  keyPem: key.export({ type: "pkcs8", format: "pem" }) as string,
});

/** A common name and nothing else. */
const distinguished = (commonName: string): Der => sequence(set(sequence(objectId("2.5.4.3"), text(commonName))));

const publicPart = (key: KeyObject): Der => createPublicKey(key).export({ type: "spki", format: "der" });

const keyId = (key: KeyObject): Buffer => createHash("sha1").update(publicPart(key)).digest();

const authorityKeyId = (key: KeyObject): Der => sequence(tagged(0, keyId(key), false));

const extension = (id: string, content: Der, critical = false): Der =>
  sequence(objectId(id), ...(critical ? [boolean(true)] : []), octets(content));

const hostName = (host: string): Der =>
  isIP(host) === 0 ? tagged(2, Buffer.from(host), false) : tagged(7, ipBytes(host), false);

function ipBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split(".").map(Number));
  // As a URL has it: in hexadecimal only, and with `::` for zeros.
  const [head = "", tail = ""] = new URL(`http://[${address}]`).hostname.slice(1, -1).split("::");
  const groupsOf = (part: string): readonly string[] => (part === "" ? [] : part.split(":"));
  const [front, back] = [groupsOf(head), groupsOf(tail)];
  const groups = [...front, ...Array<string>(8 - front.length - back.length).fill("0"), ...back];
  return Buffer.from(groups.map((group) => group.padStart(4, "0")).join(""), "hex");
}
