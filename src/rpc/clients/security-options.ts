import { createSecureContext } from "node:tls";
import { type ClientSecurity, type ClientTls, materialOf } from "./security.ts";
import { checkedToken, tokenFile } from "./token-file.ts";

/** By which a program proves who it is, and makes sure to whom it speaks. */
export type SecurityOptions = TokenOptions & {
  /** Speak TLS; `{}` with a server whose CA this machine trusts. Undefined: plain text. */
  readonly tls?: ClientTls | undefined;
};

/** Neither: it proves nothing, unless it has a certificate. */
type TokenOptions = {
  /** What proves who calls; or what says it anew for each call. */
  readonly token?: string | (() => string) | undefined;
  /** A file that holds it, and is read anew when it changes. */
  readonly tokenFile?: string | undefined;
};

/** Throws a TypeError if what is there can be no token, or no certificate. */
export const securityFrom = ({ tls, ...options }: SecurityOptions): ClientSecurity => ({
  token: tokenOf(options),
  tls: tls && checkedTls(tls),
});

function tokenOf({ token, tokenFile: path }: TokenOptions): (() => string) | undefined {
  if (token !== undefined && path !== undefined) throw new TypeError("there is a token and a tokenFile; give one of them");
  if (path !== undefined) return tokenFile(path);
  if (typeof token !== "string") return token;
  checkedToken(token, "token");
  return () => token;
}

function checkedTls(tls: ClientTls): ClientTls {
  if ((tls.cert === undefined) !== (tls.key === undefined))
    throw new TypeError("a client's certificate and its key belong together: name both");
  const material = materialOf(tls);
  try {
    createSecureContext(material);
    return tls;
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    throw new TypeError(`what is named for TLS cannot be used: ${words}`, { cause: error });
  }
}
