import { execFileSync, spawnSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openCertificateFolder } from "../../../src/cli/dev-certs/folder.ts";
import { certificateOf } from "../../../src/runtime/tls/proven.ts";
import { temporaryFolder } from "../../support/concord.ts";

const folder = temporaryFolder();
afterAll(folder.remove);

const read = (path: string): X509Certificate => new X509Certificate(readFileSync(path));

test("certificates have the names that they were asked for, and are signed by the CA", () => {
  const certificates = openCertificateFolder(join(folder.path, "names"));
  const ca = read(certificates.ca);
  const hosts = ["lab.example", "127.0.0.1", "::1", "2001:db8::ffff:1", "::ffff:10.0.0.1"];
  const { cert, key } = certificates.write("server", { hosts, uris: ["spiffe://lab.example/a,b"], uses: ["server"] });
  const server = read(cert);
  expect(server.verify(ca.publicKey)).toBe(true);
  expect(server.checkIssued(ca)).toBe(true);
  expect([server.ca, ca.ca]).toEqual([false, true]);
  for (const host of hosts)
    expect(host.includes(":") || /^\d/.test(host) ? server.checkIP(host) : server.checkHost(host)).toBeTruthy();
  expect(certificateOf(server)).toMatchObject({
    commonName: "server",
    dnsNames: ["lab.example"],
    // Node quotes what could be taken for two names.
    uris: ["spiffe://lab.example/a,b"],
    fingerprint: server.fingerprint256,
  });
  expect(statSync(key).mode & 0o077).toBe(0);
});

test("the CA stays where it is, and certificates are new each time", () => {
  const path = join(folder.path, "again");
  const leaf = { hosts: ["localhost"], uris: [], uses: ["client"] } as const;
  const first = openCertificateFolder(path);
  const one = readFileSync(first.write("ada", leaf).cert, "utf8");
  const second = openCertificateFolder(path);
  expect(readFileSync(second.ca, "utf8")).toBe(readFileSync(first.ca, "utf8"));
  const two = second.write("ada", leaf).cert;
  expect(readFileSync(two, "utf8")).not.toBe(one);
  expect(read(two).checkIssued(read(first.ca))).toBe(true);
});

const isThere = spawnSync("openssl", ["version"]).status === 0;

test.skipIf(!isThere)(
  `OpenSSL reads all of it, and takes a revoked certificate for one${isThere ? "" : " (skipped: there is no openssl here)"}`,
  () => {
    const certificates = openCertificateFolder(join(folder.path, "revoked"));
    const leaf = { hosts: [], uris: ["spiffe://lab.example/ada"], uses: ["client"] } as const;
    const [ada, eve] = ["ada", "eve"].map((name) => certificates.write(name, leaf).cert) as [string, string];
    certificates.revoke("eve");
    const verify = (cert: string): string => {
      try {
        const args = ["verify", "-x509_strict", "-crl_check", "-CAfile", certificates.ca, "-CRLfile", certificates.crl, cert];
        return execFileSync("openssl", args, { encoding: "utf8", stdio: "pipe" });
      } catch (error) {
        return String((error as { readonly stderr?: unknown }).stderr);
      }
    };
    expect(verify(ada)).toMatch(/OK/);
    expect(verify(eve)).toMatch(/revoked/);
  },
);
