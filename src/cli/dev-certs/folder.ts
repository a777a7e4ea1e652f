import { createPrivateKey, X509Certificate } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CommandError } from "../failure.ts";
import { type Authority, createAuthority, type Issued, issue, type Leaf, revocationList, type Validity } from "./certificates.ts";

const authorityName = "Concord development CA";
const dayMs = 86_400_000;
const authorityDays = 3_650;

/** Clocks differ. */
const earlierMs = 3_600_000;

/** What is in a folder of certificates for trying out. */
export type CertificateFolder = {
  readonly ca: string;
  readonly crl: string;
  /** Writes a certificate of this name and its key, new ones each time, and says where. */
  readonly write: (
    name: string,
    leaf: Omit<Leaf, "commonName">,
    days?: number,
  ) => { readonly cert: string; readonly key: string };
  /** Puts the certificate of this name on the list of those that are worth nothing any more. */
  readonly revoke: (name: string) => void;
};

/** Opens it; makes it, with a CA, if there is none. */
export function openCertificateFolder(path: string, now = new Date()): CertificateFolder {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const file = (name: string): string => join(path, name);
  const [ca, caKey, crl, revoked] = [file("ca.pem"), file("ca-key.pem"), file("crl.pem"), file("revoked.txt")];
  if (!existsSync(ca)) put(ca, caKey, createAuthority(authorityName, lasting(now, authorityDays)));
  const authority: Authority = { name: authorityName, key: createPrivateKey(readFileSync(caKey, "utf8")) };
  const listRevoked = (serials: readonly string[]): void =>
    putFile(crl, revocationList(authority, serials, lasting(now, authorityDays)), 0o644);
  if (!existsSync(crl)) listRevoked([]);
  return {
    ca,
    crl,
    write: (name, leaf, days = 30) => {
      const [cert, key] = [file(`${name}.pem`), file(`${name}-key.pem`)];
      put(cert, key, issue(authority, { commonName: name, ...leaf }, lasting(now, days)));
      return { cert, key };
    },
    revoke: (name) => {
      const cert = file(`${name}.pem`);
      if (!existsSync(cert)) throw new CommandError(`there is no ${cert} to be revoked`);
      const { serialNumber } = new X509Certificate(readFileSync(cert));
      const known = existsSync(revoked) ? readFileSync(revoked, "utf8").split("\n").filter(Boolean) : [];
      const serials = [...new Set([...known, serialNumber])];
      putFile(revoked, `${serials.join("\n")}\n`, 0o644);
      listRevoked(serials);
    },
  };
}

const lasting = (now: Date, days: number): Validity => ({
  from: new Date(now.getTime() - earlierMs),
  to: new Date(now.getTime() + days * dayMs),
});

function put(cert: string, key: string, { certPem, keyPem }: Issued): void {
  putFile(key, keyPem, 0o600);
  putFile(cert, certPem, 0o644);
}

/** Whole, or not at all: servers read it while it is written. */
function putFile(path: string, content: string, mode: number): void {
  writeFileSync(`${path}.new`, content, { mode });
  renameSync(`${path}.new`, path);
}
