import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { createClient } from "../../../src/client.ts";
import { readPeerSecurity } from "../../../src/compose/peer-security.ts";
import { loadConfig } from "../../../src/config.ts";
import { createParticipant, voteCommit } from "../../../src/participant.ts";
import { openChannel } from "../../../src/rpc/clients/channel.ts";
import { createLogger } from "../../../src/runtime/logger.ts";
import { createMemoryParticipantLog } from "../../../src/storage/memory/participant-log.ts";
import { storageDir } from "../../support/storage-dir.ts";
import { typed } from "../../support/typed.ts";

afterEach(() => void vi.unstubAllEnvs());

const token = () => "t";
const words = "a token is not sent to concord.example:50051 in plain text";

test.each(["127.0.0.1:1", "localhost:1", "[::1]:1", "unix:/run/concord.sock"])(
  "to %s a token may go in plain text: it stays on this machine",
  (address) => {
    openChannel(address, { token }).close();
  },
);

test("to another machine it goes over TLS, unless the way is said to be safe", () => {
  const address = "concord.example:50051";
  openChannel(address, { token, tls: {} }).close();
  openChannel(address).close();
  expect(() => openChannel(address, { token })).toThrow(words);
  vi.stubEnv("CONCORD_TOKEN_UNPROTECTED", "anywhere");
  openChannel(address, { token }).close();
});

test("whoever is given one that cannot be sent says so at once: clients, participants, commands, a manager", async () => {
  const address = "concord.example:50051";
  expect(() => createClient({ address, requestedBy: "ada", token })).toThrow(words);
  const participant = createParticipant({
    coordinators: [address],
    participantId: "a",
    log: createMemoryParticipantLog(),
    resource: { prepare: async () => voteCommit, commit: async () => {}, abort: async () => {} },
    logger: createLogger({ level: "silent", format: "json" }),
    token,
  });
  await expect(participant).rejects.toMatchObject({ type: "invalid-options", message: expect.stringContaining(words) });
  const file = join(storageDir(), "token");
  writeFileSync(file, "t");
  expect(await typed(["info", "--token-file", file], { address })).toMatchObject({
    code: 2,
    err: expect.stringContaining(words),
  });
  const flags = { services: "workflow", predicateAddress: address, commitAddress: "127.0.0.1:1", peerTokenFile: file };
  const loaded = loadConfig({ flags, environment: {}, file: undefined });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.error));
  expect(readPeerSecurity(loaded.value.config)).toMatchObject({ ok: false, error: { message: expect.stringContaining(words) } });
});
