import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** What is built if the machine has none. */
const module = "github.com/nats-io/nats-server/v2@v2.14.10";
const folder = join(import.meta.dirname, "../../.cache/bin");
const built = join(folder, "nats-server");

/** Says loudly what is missing, for tests that are left out without it. Building takes half a minute, once. */
export function findNatsServer(): { readonly path: string } | { readonly missing: string } {
  // Debian's is where only root looks.
  for (const path of ["nats-server", "/usr/sbin/nats-server", built]) if (runs(path)) return { path };
  try {
    execFileSync("go", ["install", module], { env: { ...process.env, GOBIN: folder, GOFLAGS: "-mod=mod" }, stdio: "pipe" });
    return { path: built };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { missing: `no nats-server: install Debian's nats-server, or Go, which builds it (${why})` };
  }
}

function runs(path: string): boolean {
  try {
    execFileSync(path, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

export type NatsServer = {
  readonly url: string;
  /** SIGKILL. */
  kill(): Promise<void>;
};

/** A port that was free a moment ago: nats-server says which one it has chosen only in words for people. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** With JetStream, in this folder. */
export async function startNatsServer(
  path: string,
  options: { readonly port: number; readonly folder: string },
): Promise<NatsServer> {
  const args = ["--addr", "127.0.0.1", "--port", String(options.port), "--jetstream", "--store_dir", options.folder];
  const child = spawn(path, args, { stdio: ["ignore", "ignore", "pipe"] });
  const exited = once(child, "exit");
  const lines = createInterface({ input: child.stderr });
  const text: string[] = [];
  await new Promise<void>((resolve, reject) => {
    lines.on("line", (line) => {
      text.push(line);
      if (line.includes("Server is ready")) resolve();
    });
    void exited.then(() => reject(new Error(`nats-server has ended:\n${text.join("\n")}`)));
  });
  return {
    url: `nats://127.0.0.1:${options.port}`,
    kill: async () => {
      child.kill("SIGKILL");
      await exited;
    },
  };
}
