import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContextOptions } from "node:tls";
import { err, ok, type Result } from "../../kernel/result.ts";
import { readSmallFile } from "../small-file.ts";
import { serialsIn } from "./revoked.ts";

/** Files of PEM, by the names of the settings that name them. */
export type TlsFiles = {
  readonly cert: string;
  readonly key: string;
  /** Who may have signed the certificates of clients. Undefined: they are not asked for any. */
  readonly clientCa?: string | undefined;
  /** What they have revoked. */
  readonly crl?: string | undefined;
  readonly minVersion: "1.2" | "1.3";
};

/** What a server shows and asks for. */
export type Material = {
  readonly context: SecureContextOptions;
  readonly certificate: X509Certificate;
  /** Serial numbers of clients' certificates. */
  readonly revoked: ReadonlySet<bigint>;
};

/** Reads it, and refuses what could serve nobody. The message says which file, and why. */
export function readMaterial(files: TlsFiles, nowMs: number): Result<Material, string> {
  try {
    const certText = read("tls-cert", files.cert);
    const keyText = read("tls-key", files.key);
    const certificate = parsed("tls-cert", files.cert, "a certificate", () => new X509Certificate(certText));
    const key = parsed("tls-key", files.key, "a private key without a passphrase", () => createPrivateKey(keyText));
    checkPair(files, certificate, key, nowMs);
    const ca = files.clientCa === undefined ? undefined : read("tls-client-ca", files.clientCa);
    if (ca !== undefined) parsed("tls-client-ca", files.clientCa ?? "", "certificates", () => new X509Certificate(ca));
    const crl = files.crl === undefined ? undefined : crlsOf(read("tls-crl", files.crl));
    if (crl?.length === 0) throw new Unusable(`tls-crl: ${files.crl} holds no certificate revocation list in PEM`);
    const context: SecureContextOptions = { cert: certText, key: keyText, ca, crl, minVersion: `TLSv${files.minVersion}` };
    parsed("tls-cert", files.cert, "a certificate, with what else is set for TLS, that can be used", () =>
      createSecureContext(context),
    );
    return ok({ context, certificate, revoked: new Set(crl?.flatMap(serialsIn)) });
  } catch (error) {
    if (error instanceof Unusable) return err(error.message);
    throw error;
  }
}

class Unusable extends Error {}

function read(name: string, path: string): string {
  try {
    return readSmallFile(path);
  } catch (error) {
    throw new Unusable(`${name}: cannot read ${path}: ${messageOf(error)}`);
  }
}

/** The library's words name no file, and say what is missing only to who knows it. */
function parsed<T>(name: string, path: string, what: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new Unusable(`${name}: ${path} does not hold ${what} in PEM (${messageOf(error)})`);
  }
}

function checkPair({ cert, key }: TlsFiles, certificate: X509Certificate, privateKey: KeyObject, nowMs: number): void {
  if (!certificate.checkPrivateKey(privateKey))
    throw new Unusable(`tls-key: ${key} is not the key of the certificate in ${cert}`);
  const [from, to] = [certificate.validFromDate, certificate.validToDate];
  if (nowMs > to.getTime())
    throw new Unusable(`tls-cert: the certificate in ${cert} has expired at ${to.toISOString()}; renew it`);
  if (nowMs < from.getTime()) {
    throw new Unusable(
      `tls-cert: the certificate in ${cert} is not valid before ${from.toISOString()}; is this machine's clock right?`,
    );
  }
}

/** Node takes one a text. */
const crlsOf = (text: string): string[] => text.match(/-----BEGIN X509 CRL-----[\s\S]+?-----END X509 CRL-----/g) ?? [];

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
