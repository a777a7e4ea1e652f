import { expect, test } from "vitest";
import { loadConfig } from "../../src/config.ts";

const problemsOf = (flags: Readonly<Record<string, unknown>>): readonly string[] => {
  const loaded = loadConfig({ flags, environment: {}, file: undefined });
  return loaded.ok ? [] : loaded.error.map(({ message }) => message);
};
const pair = { tlsCert: "server.pem", tlsKey: "server-key.pem" };

test.each([
  { listen: "0.0.0.0:50051" },
  { listen: "[::]:50051" },
  { listen: "10.0.0.1:50051" },
  { listen: "example.org:50051" },
  // These are names of others.
  { listen: "127.example.org:50051" },
  { listen: "localhost.example.org:50051" },
  { httpListen: "0.0.0.0:0" },
  { metricsListen: "0.0.0.0:0" },
])("%j is refused: it would serve whoever reaches it", (flags) => {
  const [name = ""] = Object.keys(flags);
  const key = name.replace(/L/, "-l");
  expect(problemsOf(flags)).toEqual([
    expect.stringMatching(new RegExp(`^${key}: .* in plain text and by anybody: set .*--serve-unprotected anywhere`)),
  ]);
  expect(problemsOf({ ...flags, serveUnprotected: "anywhere" })).toEqual([]);
  expect(problemsOf({ ...flags, access: "access.yaml" })).toEqual([
    expect.stringMatching(/ in plain text: set tls-cert and tls-key, /),
  ]);
  expect(problemsOf({ ...flags, ...pair })).toEqual([expect.stringMatching(/ by anybody: set access, /)]);
  expect(problemsOf({ ...flags, ...pair, access: "access.yaml" })).toEqual([]);
});

test.each(["127.0.0.1:50051", "127.9.9.9:1", "[::1]:50051", "localhost:50051", "unix:/run/concord.sock"])(
  "%s is this machine only, and needs nothing",
  (address) => {
    expect(problemsOf({ listen: address, httpListen: address, metricsListen: address })).toEqual([]);
  },
);

test.each([
  [{ tlsCert: "a" }, ["tls-key: must be set too, since tls-cert is"]],
  [{ tlsKey: "a" }, ["tls-cert: must be set too, since tls-key is"]],
  [{ tlsClientCa: "a" }, [expect.stringMatching(/^tls-client-ca: .* set tls-cert and tls-key/)]],
  [{ ...pair, tlsCrl: "a" }, [expect.stringMatching(/^tls-crl: .* set tls-client-ca/)]],
  [{ peerTlsCa: "a" }, [expect.stringMatching(/^peer-tls: must be on/)]],
  [{ peerTls: "on", peerTlsCert: "a" }, ["peer-tls-key: must be set too, since peer-tls-cert is"]],
  [{ peerTls: "on", peerTlsKey: "a" }, ["peer-tls-cert: must be set too, since peer-tls-key is"]],
  [{ ...pair, tlsMinVersion: "1.1" }, ['tls-min-version: "1.1" (flag --tls-min-version) must be one of 1.3, 1.2']],
])("half of what TLS needs, %j, is refused with what is missing", (flags, problems) => {
  expect(problemsOf(flags)).toEqual(problems);
});
