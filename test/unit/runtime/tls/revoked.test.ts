import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { serialsIn } from "../../../../src/runtime/tls/revoked.ts";
import { testCertificates } from "../../../support/certificates.ts";

const certificates = testCertificates();
afterAll(certificates.remove);

test("the serial numbers of a list are those of the certificates that were revoked, however many", () => {
  const read = (): readonly bigint[] => serialsIn(readFileSync(certificates.crl, "utf8"));
  expect(read()).toEqual([]);
  const expected: bigint[] = [];
  for (let number = 0; number < 200; number += 1) {
    const { cert = "" } = certificates.client(`c${number}`);
    expected.push(BigInt(`0x${new X509Certificate(readFileSync(cert)).serialNumber}`));
    certificates.revoke(`c${number}`);
    // The length of what is listed takes one byte, two, and three.
    if ([0, 5, 199].includes(number)) expect(read()).toEqual(expected);
  }
});
