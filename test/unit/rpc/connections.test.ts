import { Duplex } from "node:stream";
import { expect, test } from "vitest";
import { type CarriedSocket, createConnections } from "../../../src/rpc/connections.ts";
import type { Bound } from "../../../src/rpc/refusals.ts";

const socketFrom = (remoteAddress: string): CarriedSocket =>
  Object.assign(new Duplex(), { remoteAddress, remotePort: 1, certificate: undefined });

test("a caller over IPv4 is one, also where it comes over a socket of IPv6", () => {
  const refused: Bound[] = [];
  const bounds = { connectionsMax: 4, addressShare: 0.5, handshakeMs: 60_000 };
  const connections = createConnections(bounds, (bound) => void refused.push(bound));
  const open = (address: string) => connections.open(socketFrom(address))?.address;
  const first = open("10.0.0.1");
  expect(open("::ffff:10.0.0.1")).toBe(first);
  expect(open("10.0.0.1")).toBeUndefined();
  expect(refused).toMatchObject([{ of: "address", limit: 2 }]);
  expect(open("::ffff:10.0.0.2")).not.toBe(first);
  connections.destroy();
});
