import { describe, expect, test } from "vitest";
import { createCertificates } from "../../../src/access/certificates.ts";
import { type CertificateRule, principalOf } from "../../../src/access/core/certificates.ts";
import type { Certificate } from "../../../src/kernel/certificate.ts";

const certificate = (names: Partial<Certificate> = {}): Certificate => ({
  uris: [],
  dnsNames: [],
  commonName: undefined,
  notAfterMs: 2_000,
  fingerprint: JSON.stringify(names),
  ...names,
});

const lab: CertificateRule = { kind: "uri", pattern: "spiffe://example.org/lab/*", principal: "{uri}" };

describe("a certificate stands for", () => {
  test.each<[string, CertificateRule, Partial<Certificate>, string | undefined]>([
    ["its SPIFFE id", lab, { uris: ["spiffe://example.org/lab/reader"] }, "spiffe://example.org/lab/reader"],
    ["nobody, of another trust domain", lab, { uris: ["spiffe://evil.org/lab/reader"] }, undefined],
    [
      "nobody, if only the beginning is meant",
      { ...lab, pattern: "spiffe://example.org/lab" },
      { uris: ["spiffe://example.org/lab/reader"] },
      undefined,
    ],
    ["a fixed name", { ...lab, principal: "reader" }, { uris: ["x:y", "spiffe://example.org/lab/1"] }, "reader"],
    [
      "its host",
      { kind: "dns", pattern: "*.example.org", principal: "host:{dns}" },
      { dnsNames: ["A.example.org"] },
      "host:A.example.org",
    ],
    [
      "the host that is named, in any case",
      { kind: "dns", pattern: "a.example", principal: "a" },
      { dnsNames: ["A.EXAMPLE"] },
      "a",
    ],
    [
      "nobody, of a host deeper down",
      { kind: "dns", pattern: "*.example.org", principal: "{dns}" },
      { dnsNames: ["a.b.example.org"] },
      undefined,
    ],
    [
      "nobody, of the domain itself",
      { kind: "dns", pattern: "*.example.org", principal: "{dns}" },
      { dnsNames: ["example.org", ".example.org"] },
      undefined,
    ],
    ["its common name", { kind: "cn", pattern: "*", principal: "{cn}" }, { commonName: "ada" }, "ada"],
    [
      "nobody, whose common name is a DNS name of the other rule",
      { kind: "dns", pattern: "a.example", principal: "{dns}" },
      { commonName: "a.example" },
      undefined,
    ],
    [
      "nobody, if it would be one of the server's own",
      { kind: "cn", pattern: "*", principal: "{cn}" },
      { commonName: "system:me" },
      undefined,
    ],
    [
      "nobody, if its name could not be shown",
      { kind: "cn", pattern: "*", principal: "{cn}" },
      { commonName: "a\u202eb" },
      undefined,
    ],
    [
      "a name, whatever it looks like to a replacement",
      { kind: "cn", pattern: "*", principal: "{cn}" },
      { commonName: "$&$1" },
      "$&$1",
    ],
  ])("%s", (_, rule, names, principal) => {
    expect(principalOf([rule], certificate(names))).toBe(principal);
  });

  test("whom the first rule names that matches, also if that is nobody", () => {
    const rules: readonly CertificateRule[] = [
      { kind: "cn", pattern: "sys*", principal: "{cn}" },
      { kind: "cn", pattern: "*", principal: "anybody" },
    ];
    expect(principalOf(rules, certificate({ commonName: "system:x" }))).toBeUndefined();
    expect(principalOf(rules, certificate({ commonName: "x" }))).toBe("anybody");
  });
});

test("proofs by certificate are revoked when they are for somebody else, and end with the certificate", () => {
  const certificates = createCertificates([lab, { kind: "cn", pattern: "ada", principal: "ada" }]);
  const reader = certificate({ uris: ["spiffe://example.org/lab/reader"] });
  const proofs = [reader, certificate({ commonName: "ada" })].map(certificates.proofOf);
  expect(proofs.map((proof) => proof?.principal)).toEqual([
    { name: "spiffe://example.org/lab/reader", by: "certificate", expiresAtMs: 2_000 },
    { name: "ada", by: "certificate", expiresAtMs: 2_000 },
  ]);
  expect(certificates.proofOf(reader)).toBe(proofs[0]);
  certificates.replace([lab]);
  expect(proofs.map((proof) => proof?.revoked.aborted)).toEqual([false, true]);
  expect(certificates.proofOf(certificate({ commonName: "ada" }))).toBeUndefined();
});
