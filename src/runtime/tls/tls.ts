import { constants } from "node:crypto";
import type { TlsOptions } from "node:tls";
import { err, ok, type Result } from "../../kernel/result.ts";
import type { DurationMs } from "../../kernel/time.ts";
import type { Logger } from "../logger.ts";
import { watchFiles } from "../watched-files.ts";
import { type Material, readMaterial, type TlsFiles } from "./material.ts";

/** Whether a client must show a certificate, or may. One that it shows must be good. */
export type ClientAuth = "request" | "require";

export type TlsSettings = TlsFiles & { readonly clientAuth: ClientAuth };

/** Metrics. */
type Told = { readonly handshakeFailed: (why: string) => void; readonly certificateUntil: (at: Date) => void };

type Listener = (options: TlsOptions, revoked: Material["revoked"]) => void;

/** What all listeners of a process show, as long as it lives; what it reads of files, it reads again when they change. */
export type Tls = {
  /** For connections that come from now on. */
  readonly options: () => TlsOptions;
  /** Called with other options when they are other ones. */
  readonly onChange: (listener: Listener) => void;
  readonly handshakeFailed: (why: string) => void;
  /** For people: what is shown, and what is asked for. */
  readonly describe: () => object;
  readonly close: () => void;
};

/** A certificate and its key are written one after the other. */
const settleMs: DurationMs = 200;

/** The error says what is wrong with the files. Later it is the log that says so: what was good before stays. */
export function openTls(settings: TlsSettings, logger: Logger, told: Told): Result<Tls, string> {
  const first = readMaterial(settings, Date.now());
  if (!first.ok) return err(first.error);
  let material = first.value;
  told.certificateUntil(material.certificate.validToDate);
  let settling: NodeJS.Timeout | undefined;
  const listeners: Listener[] = [];

  function reload(): void {
    settling = undefined;
    const read = readMaterial(settings, Date.now());
    if (!read.ok) {
      logger.error(
        { cause: read.error, ...until(material) },
        "the files for TLS have changed and cannot be used; what was read before stays",
      );
      return;
    }
    if (isSame(material, read.value)) return;
    material = read.value;
    told.certificateUntil(material.certificate.validToDate);
    for (const listener of listeners) listener(optionsOf(material, settings), material.revoked);
    logger.info(until(material), "the files for TLS have changed; new connections get what they hold now");
  }

  const files = [settings.cert, settings.key, settings.clientCa, settings.crl].filter((file) => file !== undefined);
  const unwatch = watchFiles(files, () => {
    settling ??= setTimeout(reload, settleMs).unref();
  });
  return ok({
    options: () => optionsOf(material, settings),
    onChange: (listener) => void listeners.push(listener),
    handshakeFailed: told.handshakeFailed,
    describe: () => ({
      minVersion: settings.minVersion,
      clientCertificates: settings.clientCa === undefined ? "none" : settings.clientAuth,
      ...until(material),
    }),
    close: () => {
      unwatch();
      clearTimeout(settling);
    },
  });
}

const isSame = (one: Material, other: Material): boolean => JSON.stringify(one.context) === JSON.stringify(other.context);

const until = ({ certificate }: Material) => ({
  certificate: certificate.subjectAltName ?? certificate.subject,
  validUntil: certificate.validToDate.toISOString(),
});

function optionsOf({ context }: Material, { clientCa, clientAuth }: TlsSettings): TlsOptions {
  return {
    ...context,
    requestCert: clientCa !== undefined,
    rejectUnauthorized: clientCa !== undefined && clientAuth === "require",
    // A connection that is resumed is not asked for its certificate again, also if that was revoked meanwhile.
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}
