import type { Certificate } from "../kernel/certificate.ts";
import { type CertificateRule, principalOf } from "./core/certificates.ts";
import { knownCertificateCountMax } from "./limits.ts";
import { createProof, type Proof, type RevocableProof } from "./proof.ts";

export type Certificates = {
  /** Undefined: it stands for nobody. */
  readonly proofOf: (certificate: Certificate) => Proof | undefined;
  /** Those that stand for somebody else now, or for nobody, are revoked. */
  readonly replace: (rules: readonly CertificateRule[]) => void;
};

type Known = { readonly certificate: Certificate; readonly proof: RevocableProof };

/** Whether they were signed by who may, TLS has found out before. */
export function createCertificates(first: readonly CertificateRule[]): Certificates {
  let rules = first;
  /** By fingerprint; who came last is the last. */
  const known = new Map<string, Known>();

  function forget(fingerprint: string): void {
    known.get(fingerprint)?.proof.revoke();
    known.delete(fingerprint);
  }

  return {
    proofOf: (certificate) => {
      const { fingerprint, notAfterMs } = certificate;
      const before = known.get(fingerprint);
      if (before !== undefined) return before.proof;
      const name = principalOf(rules, certificate);
      if (name === undefined) return undefined;
      const [oldest] = known.size >= knownCertificateCountMax ? known.keys() : [];
      // Nobody could revoke it any more when the rules change.
      if (oldest !== undefined) forget(oldest);
      const proof = createProof({ name, by: "certificate", expiresAtMs: notAfterMs });
      known.set(fingerprint, { certificate, proof });
      return proof;
    },
    replace: (changed) => {
      rules = changed;
      for (const [fingerprint, { certificate, proof }] of [...known]) {
        if (principalOf(rules, certificate) !== proof.principal.name) forget(fingerprint);
      }
    },
  };
}
