import type { Authorization } from "../access/authorization.ts";
import { methodRules } from "../access/core/methods.ts";
import { coversAll, everything, nameOf, type Permission } from "../access/core/policy.ts";
import type { Principal } from "../kernel/principal.ts";
import { permissionDenied } from "./errors.ts";

/** Who may call what. */
export type Authority = Pick<Authorization, "decide" | "follow">;

const anything: ReturnType<Authority["decide"]> = { allowed: true, permission: everything, because: [] };

/** Without an access file: everybody may do everything. */
export const openAuthority: Authority = {
  decide: () => anything,
  follow: () => () => undefined,
};

/** Of a call whose caller may not call this, whatever it asks for. */
export const methodDenied = (method: string) =>
  methodRules.has(method)
    ? permissionDenied(`what you are granted does not allow ${nameOf(method)}`, { method: method.slice(1) })
    : // Whatever its caller has made up is not told back: there is room for kilobytes in a path.
      permissionDenied("nobody is granted a method that this server does not have");

/** Of a call that lasts: aborts when it may not go on. The reason is what its caller is told. */
type PermissionEnd = {
  readonly signal: AbortSignal;
  readonly forget: () => void;
  /** From now on it is enough if this is granted. */
  readonly needs: (permission: Permission) => void;
};

/** Aborts when less is granted than a call that lasts was begun with: its reason is what the caller is told. */
export function permissionEndOf(authority: Authority, principal: Principal, method: string, begun: Permission): PermissionEnd {
  let needed = begun;
  const ending = new AbortController();
  const forget = authority.follow(() => {
    const now = authority.decide(principal, method);
    // What is open to those who prove nothing is not granted, and goes on.
    if (principal.by === "nothing" || (now.allowed && coversAll(now.permission, needed))) return;
    forget();
    ending.abort(permissionDenied(`less is granted now than when this ${nameOf(method)} began`, { method: method.slice(1) }));
  });
  return {
    signal: ending.signal,
    forget,
    needs: (permission) => {
      needed = permission;
    },
  };
}
