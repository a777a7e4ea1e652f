/** Of a connection by TLS. Each is PEM text, or the path of a file of it, which is read anew for each connection. */
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
  readonly tls?: ClientTls | undefined;
  /** The token that proves who calls, as it is now: it is asked for with each call. */
  readonly token?: (() => string | undefined) | undefined;
};

/** The header that a call is sent with. */
export function authorizationOf({ token }: ClientSecurity): string | undefined {
  const known = token?.();
  return known === undefined ? undefined : `Bearer ${known}`;
}
