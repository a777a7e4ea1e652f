import { expect, test } from "vitest";
import { addressOf, peerText } from "../../../src/rpc/address.ts";

test.each([
  ["127.0.0.1:50051", "127.0.0.1"],
  ["::1:50051", "::1"],
  ["::ffff:10.0.0.1:50051", "::ffff:10.0.0.1"],
  ["2001:db8::7:1:50051", "2001:db8::7:1"],
  ["unknown", "unknown"],
])("the address of %s is %s", (peer, address) => {
  expect(addressOf(peer)).toBe(address);
});

test.each([
  ["127.0.0.1:50051", "127.0.0.1:50051"],
  ["::1:50051", "[::1]:50051"],
  ["2001:db8::7:1:50051", "[2001:db8::7:1]:50051"],
  ["::ffff:10.0.0.1:50051", "10.0.0.1:50051"],
  ["unix", "unix"],
])("the peer %s is told as %s", (peer, text) => {
  expect(peerText(peer)).toBe(text);
});
