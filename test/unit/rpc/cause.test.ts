import { ClientError, Status } from "nice-grpc";
import { expect, test } from "vitest";
import { causeOf } from "../../../src/rpc/clients/cause.ts";

const unconnected = (last: string): string => `No connection established. Last error: ${last}. Resolution note: `;

// The words of @grpc/grpc-js 1.14.
test.each([
  [Status.UNAVAILABLE, unconnected("Error: connect ECONNREFUSED 127.0.0.1:1"), "nobody listens there"],
  [Status.UNAVAILABLE, unconnected("Error: connect ENOENT /run/none"), "nobody listens there"],
  [
    Status.UNAVAILABLE,
    unconnected("Error: connect EHOSTUNREACH 10.0.0.9:5"),
    "it cannot be reached (connect EHOSTUNREACH 10.0.0.9:5)",
  ],
  [
    Status.UNAVAILABLE,
    unconnected("Protocol error (2026-11-27T12:41:01.407Z)"),
    "what listens there does not speak gRPC (Protocol error)",
  ],
  [
    Status.UNAVAILABLE,
    unconnected("Failed to connect (2026-11-27T12:41:01.407Z)"),
    "it has closed the connection before it said a word; its log may say why",
  ],
  [
    Status.UNAVAILABLE,
    unconnected("Error: self-signed certificate in certificate chain"),
    "its certificate is signed by nobody who is trusted here (self-signed certificate in certificate chain)",
  ],
  [
    Status.UNAVAILABLE,
    unconnected(
      "40332204237F0000:error:0A00045C:SSL routines:ssl3_read_bytes:tlsv13 alert certificate required:x.c:918:SSL alert number 116\n (2026-11-27T12:41:01.407Z)",
    ),
    "it asks for a certificate, and none is set here (SSL routines:ssl3_read_bytes:tlsv13 alert certificate required:x.c:918:SSL alert number 116)",
  ],
  [Status.UNAVAILABLE, "Name resolution failed for target dns:nowhere.invalid:1", "no host has this name"],
  [
    Status.UNIMPLEMENTED,
    "Received HTTP status code 404",
    "what listens there does not speak gRPC (Received HTTP status code 404)",
  ],
  [Status.DEADLINE_EXCEEDED, "Deadline exceeded after 2.001s,LB pick: 0.000s", "it has not answered in time"],
  [Status.UNAVAILABLE, "Connection dropped", "UNAVAILABLE: Connection dropped"],
  [Status.PERMISSION_DENIED, "not you", "PERMISSION_DENIED: not you"],
])("%i %s: in a few words", (code, details, words) => {
  expect(causeOf(new ClientError("/path", code, details))).toBe(words);
});

test("what is no failure of a call says itself", () => {
  expect([causeOf(new Error("a defect")), causeOf("gone")]).toEqual(["a defect", "gone"]);
});
