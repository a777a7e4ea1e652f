import { isIP, type Socket } from "node:net";
import { type ConnectionOptions, checkServerIdentity, connect, createSecureContext } from "node:tls";
import { CallCredentials, ChannelCredentials, type experimental } from "@grpc/grpc-js";
import { isForThisMachine, placeOf, takesTls } from "../../kernel/address.ts";
import { readSmallFile } from "../../runtime/small-file.ts";

/** Of a connection by TLS. Each but the name is PEM text, or the path of a file of it, which is read anew for each connection. */
export type ClientTls = {
  /** Who may have signed the server's certificate. Undefined: whom the machine trusts. */
  readonly ca?: string | undefined;
  /** What proves who this client is, where the server asks for it; and its key. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** The name that the server's certificate must have. Undefined: the host of the address. */
  readonly serverName?: string | undefined;
};

/** How a client makes sure to whom it speaks, and proves who it is. Empty: neither. */
export type ClientSecurity = {
  /** Undefined: plain text. A unix socket is plain in any case. */
  readonly tls?: ClientTls | undefined;
  /** The token that proves who calls, as it is now: it is asked for with each call. */
  readonly token?: (() => string | undefined) | undefined;
};

/** A token would be sent in plain text to another machine. */
export class UnprotectedToken extends TypeError {
  override readonly name = "UnprotectedToken";
}

/** Where the way to other machines is safe by other means: a mesh that encrypts it, say. */
const unprotectedVariable = "CONCORD_TOKEN_UNPROTECTED";

/** Throws if everybody on the way could read the token: also where TLS was forgotten, and would be asked for by an answer that comes too late. */
export function checkToken(address: string, { tls, token }: ClientSecurity): void {
  const isSafe = token === undefined || tls !== undefined || isForThisMachine(address);
  if (isSafe || process.env[unprotectedVariable] === "anywhere") return;
  throw new UnprotectedToken(
    `a token is not sent to ${address} in plain text: speak TLS (--tls, or \`tls\` in a program), or say ${unprotectedVariable}=anywhere where the way is safe`,
  );
}

/** The header that a call is sent with. */
export function authorizationOf({ token }: ClientSecurity): string | undefined {
  const known = token?.();
  return known === undefined ? undefined : `Bearer ${known}`;
}

/** For a connection to this address. Undefined: it is plain text. Throws what is wrong with the files. */
export function tlsOptionsFor(address: string, { tls }: ClientSecurity): ConnectionOptions | undefined {
  if (tls === undefined || !takesTls(address)) return undefined;
  const place = placeOf(address);
  const host = tls.serverName ?? (place !== undefined && "host" in place ? place.host : "");
  return {
    secureContext: createSecureContext(materialOf(tls)),
    ALPNProtocols: ["h2"],
    // An address is no name that a server could choose its certificate by.
    ...(isIP(host) === 0 && { servername: host }),
    checkServerIdentity: (_, certificate) => checkServerIdentity(host, certificate),
  };
}

/** Of files, as they are now. */
export const materialOf = ({ ca, cert, key }: ClientTls) => ({
  ...(ca !== undefined && { ca: pemOf("CA", ca) }),
  ...(cert !== undefined && { cert: pemOf("client's certificate", cert) }),
  ...(key !== undefined && { key: pemOf("client's key", key) }),
});

function pemOf(what: string, source: string): string {
  if (source.includes("-----BEGIN ")) return source;
  try {
    return readSmallFile(source);
  } catch (error) {
    throw new TypeError(`the ${what} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** As grpc-js has them. Its own read no files, or read them on a timer of theirs. */
export class ClientCredentials extends ChannelCredentials {
  readonly #address: string;
  readonly #security: ClientSecurity;
  /** Of the last connection. */
  #options: ConnectionOptions | undefined;

  constructor(address: string, security: ClientSecurity) {
    super();
    this.#address = address;
    this.#security = security;
  }

  override compose(): ChannelCredentials {
    throw new Error("what proves who calls is part of these");
  }

  override _isSecure(): boolean {
    return true;
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other;
  }

  override _createSecureConnector(): experimental.SecureConnector {
    return {
      connect: (socket) => this.#connect(socket),
      waitForReady: async () => {},
      getCallCredentials: () => CallCredentials.createEmpty(),
      destroy: () => {},
    };
  }

  /** A certificate and its key are written one after the other: what is between them is no reason to fail a call. */
  #currentOptions(): ConnectionOptions | undefined {
    try {
      this.#options = tlsOptionsFor(this.#address, this.#security);
    } catch (error) {
      if (this.#options === undefined) throw error;
    }
    return this.#options;
  }

  #connect(socket: Socket): Promise<experimental.SecureConnectResult> {
    return new Promise((resolve, reject) => {
      const secure = connect({ ...this.#currentOptions(), socket });
      secure.once("secureConnect", () => resolve({ socket: secure, secure: true }));
      secure.once("close", () => reject(new Error("the connection was closed during the handshake of TLS")));
      secure.on("error", reject);
    });
  }
}
