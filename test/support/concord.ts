import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ClientError } from "nice-grpc";
import { type Clients, connect } from "../../src/cli/client.ts";
import { startConcord } from "../../src/compose.ts";
import { type Config, loadConfig } from "../../src/config.ts";
import { openChannel } from "../../src/rpc/clients/channel.ts";
import type { ClientSecurity } from "../../src/rpc/clients/security.ts";
import { type ClientFailure, clientFailure } from "../../src/rpc/errors.ts";
import { createLogger } from "../../src/runtime/logger.ts";

export function temporaryFolder(): { readonly path: string; readonly remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), "concord-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export type TestServer = {
  readonly address: string;
  /** Of the HTTP interface; of no use unless `httpListen` is set. */
  readonly url: string;
  readonly clients: Clients;
  readonly stop: () => Promise<void>;
};

/** The real program, in this process: real gRPC between its services, real SQLite. Set CONCORD_TEST_LOG=debug to see its log. */
export async function startServer(
  settings: Partial<Record<keyof Config, unknown>>,
  logger = createLogger({ level: (process.env["CONCORD_TEST_LOG"] ?? "silent") as "silent", format: "json" }),
  security: ClientSecurity = {},
): Promise<TestServer> {
  const flags = { listen: "127.0.0.1:0", shutdownGrace: "2s", ...settings };
  const loaded = loadConfig({ flags, environment: {}, file: undefined });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.error));
  const started = await startConcord({ config: loaded.value.config, logger });
  if (!started.ok) throw new Error(started.error.message);
  const address = `127.0.0.1:${started.value.port}`;
  const channel = openChannel(address, security);
  return {
    address,
    url: `${settings.tlsCert === undefined ? "http" : "https"}://127.0.0.1:${started.value.httpPort ?? 0}`,
    clients: connect(channel),
    stop: async () => {
      channel.close();
      await started.value.stop();
    },
  };
}

/** The failure of a call that must fail. */
export async function failureOf(call: Promise<unknown>): Promise<ClientFailure> {
  try {
    await call;
  } catch (error) {
    if (error instanceof ClientError) return clientFailure(error);
    throw error;
  }
  throw new Error("the call succeeded");
}
