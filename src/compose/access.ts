import { randomBytes } from "node:crypto";
import { TLSSocket } from "node:tls";
import { Status } from "nice-grpc-common";
import type { Audit } from "../access/audit.ts";
import { type Authentication, createAuthentication } from "../access/authentication.ts";
import { createAuthorization } from "../access/authorization.ts";
import { methodRules } from "../access/core/methods.ts";
import type { Excess, Kept } from "../access/core/quota.ts";
import { createQuotas } from "../access/quotas.ts";
import { sha256Of } from "../access/sha256.ts";
import { type AccessSettings, readAccessFile } from "../access-file.ts";
import type { Config } from "../config.ts";
import { needsOwnListener } from "../config-checks.ts";
import { ServerStatusDefinition } from "../gen/concord/server/v1/server_status.ts";
import type { HttpRefusal } from "../http/server.ts";
import { type CountQuota, noCountQuota } from "../kernel/count-quota.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import { createSeldomLog } from "../kernel/seldom.ts";
import { systemPrefix } from "../kernel/system-actor.ts";
import { socketPeer } from "../rpc/address.ts";
import type { ClientSecurity } from "../rpc/clients/security.ts";
import { createGate, type Gate, openGate, openGateWithOwn } from "../rpc/gate.ts";
import { hasTwoProofs } from "../rpc/headers.ts";
import { systemClock } from "../runtime/clock.ts";
import { fetchText } from "../runtime/fetch-text.ts";
import type { Logger } from "../runtime/logger.ts";
import type { createMetrics, MetricsRefusal } from "../runtime/metrics.ts";
import { readSmallFile } from "../runtime/small-file.ts";
import { provenBy } from "../runtime/tls/proven.ts";
import { createTurns } from "../runtime/turns.ts";
import { watchFiles } from "../runtime/watched-files.ts";
import { readAccessBeside } from "./access-reader.ts";
import type { StartFailure } from "./part.ts";

/** Who may come in, as the file of `--access` says, which may change at any time. */
export type Access = {
  readonly gate: Gate;
  /** Undefined: there is no such file. */
  readonly authentication: Authentication | undefined;
  /** How this process proves to itself who it is, over the listener that it has for itself. Undefined: it need not. */
  readonly own: ClientSecurity | undefined;
  /** Of requests over HTTP that would become calls, before they are read. Undefined: there is none. */
  readonly httpRefusal: HttpRefusal | undefined;
  /** Of requests for metrics. Undefined: everybody may read them. */
  readonly metricsRefusal: MetricsRefusal | undefined;
  /** Of what principals create. */
  readonly quotaOf: (what: Kept) => CountQuota;
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
    const nothing = { authentication: undefined, metricsRefusal: undefined, httpRefusal: undefined };
    const open = { ...nothing, quotaOf: () => noCountQuota, close: () => undefined };
    if (!needsOwnListener(config)) return { ...open, gate: openGate, own: undefined };
    return { ...open, gate: openGateWithOwn(token), own: { token: () => token } };
  }
  const own = { token, name: `${systemPrefix}${config.participantId}` };
  const seldom = createSeldomLog(logger, systemClock.monotonicMs);
  const authentication = createAuthentication(settings.authentication, own, {
    clock: systemClock,
    reading: { fetchText, readText: async (file) => readSmallFile(file) },
    onKeysUnavailable: (issuer, why) =>
      seldom.error(issuer, { issuer, cause: why }, "the keys of an issuer of tokens cannot be had"),
  });
  const authorization = createAuthorization(settings.grants, config.participantId, createTurns());
  const quotas = createQuotas(settings.quotas, systemClock.monotonicMs);
  const exceeded = (call: { readonly principal: string; readonly rpc?: string; readonly what: Excess["what"] | Kept }): void => {
    metrics.access.exceeded(call.what);
    seldom.warn(`${call.principal} ${call.what}`, call, "refused: a principal has used up its quota");
  };
  const gate = createGate(authentication, authorization, quotas, {
    unknown: ({ why, path: rpc, peer }) => {
      audit.denied({ method: rpc.slice(1), principal: "", address: peer }, { code: "UNAUTHENTICATED", error: why });
      metrics.access.unauthenticated(why);
      seldom.warn(why, { why, rpc }, "refused: nobody has proved who calls");
    },
    exceeded: ({ path: rpc, principal: { name: principal }, what }) => exceeded({ principal, rpc, what }),
    denied: ({ path: rpc, peer, principal: { name: principal }, because }) => {
      const call = { method: rpc.slice(1), principal, address: peer };
      audit.denied(call, { code: "PERMISSION_DENIED", error: "PERMISSION_DENIED" });
      // Callers choose what stands in a path; what there is not has one name.
      metrics.access.denied(methodRules.has(rpc) ? rpc.slice(1) : "unknown");
      seldom.warn(`${principal} ${rpc}`, { principal, rpc, because }, "refused: the caller is not granted this");
    },
  });
  const tellGranted = (counts: AccessSettings): void => audit.granted({ file: path, sha256: sha256Of(JSON.stringify(counts)) });
  tellGranted(settings);
  const httpRefusal = httpRefusalOf(gate);
  const close = followFile(path, settings, logger, (changed) => {
    tellGranted(changed);
    authentication.replace(changed.authentication);
    authorization.replace(changed.grants);
    quotas.replace(changed.quotas);
  });
  return {
    gate,
    authentication,
    own: { token: () => token },
    httpRefusal,
    quotaOf: (what) => ({
      most: (principal) => quotas.most(principal, what),
      exceeded: (principal) => exceeded({ principal, what }),
    }),
    metricsRefusal: metricsRefusalOf(httpRefusal, authentication),
    close,
  };
}

/** Whoever may ask how a server is may read its metrics. */
const statusPath = `/${ServerStatusDefinition.fullName}/${ServerStatusDefinition.methods.getServerStatus.name}`;

const httpStatusOf: Readonly<Record<number, number>> = { [Status.UNAUTHENTICATED]: 401, [Status.PERMISSION_DENIED]: 403 };

function metricsRefusalOf(refusal: HttpRefusal, authentication: Authentication): MetricsRefusal {
  return async (request) => {
    if (authentication.isOpen("metrics")) return undefined;
    // Of two, another one may have been looked at on the way.
    if (hasTwoProofs(request.headers, request.rawHeaders)) return 400;
    const answer = await refusal(statusPath, request);
    return answer && (httpStatusOf[Number(answer["grpc-status"])] ?? 503);
  };
}

const httpRefusalOf =
  (gate: Gate): HttpRefusal =>
  async (path, { headers: { authorization }, socket }) => {
    const certificate = socket instanceof TLSSocket ? provenBy(socket) : undefined;
    const entrance = await gate.look({ path, peer: socketPeer(socket), authorization, certificate, isOwn: false });
    return "answer" in entrance ? entrance.answer : undefined;
  };

/** Takes over what has changed, or nothing of it: what is wrong is told loudly, and what was right before goes on. */
function followFile(
  path: string,
  first: AccessSettings,
  logger: Logger,
  replace: (settings: AccessSettings) => void,
): () => void {
  let before = JSON.stringify(first);
  let changes = 0;

  async function take(): Promise<void> {
    changes += 1;
    const mine = changes;
    const { read, text } = await readAccessBeside(path);
    // It has changed again meanwhile, and is read anew.
    if (mine !== changes || text === before) return;
    if (!read.ok) {
      const problems = read.error.map(({ message }) => message);
      logger.error({ file: path, problems }, "the access file is wrong; what it said before goes on");
      return;
    }
    before = text;
    replace(read.value);
    logger.info({ file: path }, "the access file has changed, and what it says now counts");
  }

  const unwatch = watchFiles([path], () => {
    take().catch((error: Error) =>
      logger.error({ file: path, err: error }, "the access file could not be read; what it said before goes on"),
    );
  });
  return () => {
    unwatch();
    // What is being read comes too late.
    changes += 1;
  };
}
