import { join } from "node:path";
import { openCertificateFolder } from "../../src/cli/dev-certs/folder.ts";
import type { ClientTls } from "../../src/rpc/clients/security.ts";
import { temporaryFolder } from "./concord.ts";

/** As `concord dev-certs` makes them, in a folder of their own. */
export function testCertificates(path?: string) {
  const temporary = path === undefined ? temporaryFolder() : { path, remove: () => undefined };
  const folder = openCertificateFolder(join(temporary.path, "certs"));
  const hosts = ["localhost", "127.0.0.1", "::1"];
  const writeServer = (days?: number, names: readonly string[] = hosts) =>
    folder.write("server", { hosts: names, uris: ["spiffe://concord.example/server"], uses: ["server", "client"] }, days);
  const server = writeServer();
  return {
    ca: folder.ca,
    crl: folder.crl,
    /** As flags of `serve`, for who asks for certificates. */
    settings: { tlsCert: server.cert, tlsKey: server.key, tlsClientCa: folder.ca },
    /** Again, and anew. */
    writeServer,
    client: (name: string, days?: number): ClientTls => ({
      ca: folder.ca,
      ...folder.write(name, { hosts: [], uris: [`spiffe://concord.example/${name}`], uses: ["client"] }, days),
    }),
    revoke: folder.revoke,
    remove: temporary.remove,
  };
}
