import { randomBytes } from "node:crypto";
import type { Audit } from "../access/audit.ts";
import { type Authentication, createAuthentication } from "../access/authentication.ts";
import { createAuthorization } from "../access/authorization.ts";
import { methodRules } from "../access/core/methods.ts";
import { type AccessSettings, readAccessFile } from "../access-file.ts";
import type { Config } from "../config.ts";
import { needsOwnListener } from "../config-checks.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import { createSeldomLog } from "../kernel/seldom.ts";
import { systemPrefix } from "../kernel/system-actor.ts";
import type { ClientSecurity } from "../rpc/clients/security.ts";
import { createGate, type Gate, openGate, openGateWithOwn } from "../rpc/gate.ts";
import { systemClock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";
import type { createMetrics } from "../runtime/metrics.ts";
import { watchFiles } from "../runtime/watched-files.ts";
import type { StartFailure } from "./part.ts";

/** Who may come in, as the file of `--access` says, which may change at any time. */
export type Access = {
  readonly gate: Gate;
  /** Undefined: there is no such file. */
  readonly authentication: Authentication | undefined;
  /** How this process proves to itself who it is, over the listener that it has for itself. Undefined: it need not. */
  readonly own: ClientSecurity | undefined;
  readonly close: () => void;
};

type Surroundings = {
  readonly audit: Audit;
  readonly config: Config;
  readonly logger: Logger;
  readonly metrics: Pick<ReturnType<typeof createMetrics>, "access">;
};

/** Undefined: there is no such file, and everybody may do everything. */
export function readAccessSettings({ access: path }: Config): Result<AccessSettings | undefined, StartFailure> {
  if (path === undefined) return ok(undefined);
  const read = readAccessFile(path);
  return read.ok ? read : err({ message: read.error.map(({ message }) => message).join("\n") });
}

export function openAccess(settings: AccessSettings | undefined, { config, logger, metrics, audit }: Surroundings): Access {
  const { access: path } = config;
  const token = randomBytes(32).toString("base64url");
  if (settings === undefined || path === undefined) {
    const open = { authentication: undefined, close: () => undefined };
    if (!needsOwnListener(config)) return { ...open, gate: openGate, own: undefined };
    return { ...open, gate: openGateWithOwn(token), own: { token: () => token } };
  }
  const own = { token, name: `${systemPrefix}${config.participantId}` };
  const authentication = createAuthentication(settings.authentication, own, systemClock.nowMs);
  const seldom = createSeldomLog(logger, systemClock.monotonicMs);
  const authorization = createAuthorization(settings.grants, config.participantId);
  const gate = createGate(authentication, authorization, {
    unknown: ({ why, path: rpc, peer }) => {
      audit.denied({ method: rpc.slice(1), principal: "", address: peer }, { code: "UNAUTHENTICATED", error: why });
      metrics.access.unauthenticated(why);
      seldom.warn(why, { why, rpc }, "refused: nobody has proved who calls");
    },
    denied: ({ path: rpc, peer, principal: { name: principal }, because }) => {
      const call = { method: rpc.slice(1), principal, address: peer };
      audit.denied(call, { code: "PERMISSION_DENIED", error: "PERMISSION_DENIED" });
      // Callers choose what stands in a path; what there is not has one name.
      metrics.access.denied(methodRules.has(rpc) ? rpc.slice(1) : "unknown");
      seldom.warn(`${principal} ${rpc}`, { principal, rpc, because }, "refused: the caller is not granted this");
    },
  });
  const close = followFile(path, settings, logger, (changed) => {
    authentication.replace(changed.authentication);
    authorization.replace(changed.grants);
  });
  return { gate, authentication, own: { token: () => token }, close };
}

/** Takes over what has changed, or nothing of it: what is wrong is told loudly, and what was right before goes on. */
function followFile(
  path: string,
  first: AccessSettings,
  logger: Logger,
  replace: (settings: AccessSettings) => void,
): () => void {
  let before = JSON.stringify(first);
  return watchFiles([path], () => {
    const read = readAccessFile(path);
    if (!read.ok) {
      logger.error(
        { file: path, problems: read.error.map(({ message }) => message) },
        "the access file is wrong; what it said before goes on",
      );
      return;
    }
    const now = JSON.stringify(read.value);
    if (now === before) return;
    before = now;
    replace(read.value);
    logger.info({ file: path }, "the access file has changed, and what it says now counts");
  });
}
