import { checkedToken, tokenFile } from "./token-file.ts";

/** By which a program proves who it is. Neither: it proves nothing. */
export type TokenOptions = {
  /** What proves who calls; or what says it anew for each call. */
  readonly token?: string | (() => string) | undefined;
  /** A file that holds it, and is read anew when it changes. */
  readonly tokenFile?: string | undefined;
};

/** Throws a TypeError if what is there cannot be a token. */
export function tokenOf({ token, tokenFile: path }: TokenOptions): (() => string) | undefined {
  if (token !== undefined && path !== undefined) throw new TypeError("there is a token and a tokenFile; give one of them");
  if (path !== undefined) return tokenFile(path);
  if (typeof token !== "string") return token;
  checkedToken(token, "token");
  return () => token;
}
