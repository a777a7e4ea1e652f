import { connect } from "node:net";
import { connect as connectTls } from "node:tls";
import { Status } from "nice-grpc";
import { formatDuration } from "../config.ts";
import { placeOf, takesTls } from "../kernel/address.ts";
import { connectFailure, isAbsent, isOutOfReach } from "../rpc/clients/cause.ts";
import { type TlsTrouble, tlsTroubleOf } from "../rpc/clients/tls-cause.ts";
import type { ClientFailure } from "../rpc/errors.ts";
import { type SecurityOptions, speaksTls } from "./security.ts";

const otherAddress = "or name another with --address";

/** Why Concord itself has not answered, as far as its caller can tell from outside. Undefined: it has, or there is nothing to add. */
export async function whyUnanswered(
  { code, reason, message }: Pick<ClientFailure, "code" | "reason" | "message">,
  address: string,
  timeoutMs: number,
  options: SecurityOptions = {},
): Promise<string | undefined> {
  if (reason !== undefined) return undefined;
  if (code === Status.UNIMPLEMENTED) return whyUnimplemented(message, address);
  // grpc-js gives up before, if its caller has more time.
  const [, connectMs] = /Connection attempt timed out after (\d+)ms/.exec(message) ?? [];
  if (code === Status.UNAVAILABLE && connectMs === undefined) return whyNotConnected(message, address, options);
  if (code !== Status.DEADLINE_EXCEEDED && connectMs === undefined) return undefined;
  const waited = formatDuration(Number(connectMs ?? timeoutMs));
  return (await takesConnections(address))
    ? `${address} takes connections, but has not answered within ${waited}: it hangs, is overloaded, or is no Concord`
    : `${address} cannot be reached: no connection within ${waited}; check the address, ${otherAddress}`;
}

/** grpc-js's own words. */
async function whyNotConnected(message: string, address: string, options: SecurityOptions): Promise<string | undefined> {
  if (message.startsWith("Name resolution failed"))
    return `no host is called ${hostOf(address)}, so that ${address} cannot be reached; check the name, ${otherAddress}`;
  const cause = connectFailure(message);
  if (cause === undefined || isAbsent(cause)) return undefined;
  if (isOutOfReach(cause)) return `${address} cannot be reached: ${cause}`;
  const isTls = takesTls(address) && speaksTls(options);
  const trouble = tlsTroubleOf(cause) ?? (isTls && hasHungUp.test(cause) ? "certificate-refused" : undefined);
  if (isTls && trouble !== undefined) return tlsWords[trouble](address, cause);
  if (!isTls && (await answersByTls(address)))
    return `${address} speaks TLS: say --tls, and --tls-ca with the file of the CA that has signed its certificate, if this machine does not trust it`;
  return `what answers at ${address} does not speak gRPC (${cause}); check the port, ${otherAddress}`;
}

function whyUnimplemented(message: string, address: string): string | undefined {
  if (message.startsWith("Received HTTP status code"))
    return `what answers at ${address} does not speak gRPC (${message}); check the port, ${otherAddress}`;
  const [, service] = /^The server does not implement the method \/?([\w.]+)\//.exec(message) ?? [];
  return service && `${address} does not serve ${service}; name the process that does with --address`;
}

/** Of what a handshake of TLS has failed, and what to do about it. */
const tlsWords: Readonly<Record<TlsTrouble, (address: string, cause: string) => string>> = {
  untrusted: (address) =>
    `${address} shows a certificate that is signed by nobody who is trusted here; name its CA with --tls-ca, if that is who should answer there`,
  "wrong-name": (address, cause) =>
    `${address} shows a certificate for other names (${cause.replace(/^.*altnames: (?=Host|IP)/, "")}); use one of those in --address, or say --tls-server-name`,
  expired: (address, cause) =>
    `${address} shows a certificate that is not valid at this time (${cause}); it must be renewed there, or this machine's clock is wrong`,
  "plain-server": (address) =>
    `${address} speaks plain text, and TLS was asked for; leave the --tls options out, or have it serve with --tls-cert and --tls-key`,
  "no-version": (address, cause) => `${address} and this command speak no version of TLS in common (${cause})`,
  "certificate-wanted": (address) =>
    `${address} asks for a client's certificate; name one, and its key, with --tls-cert and --tls-key`,
  "certificate-refused": (address) =>
    `${address} has hung up after the handshake of TLS; it may not accept the certificate of --tls-cert: its log says why`,
  files: (_, cause) => cause,
};

/** OpenSSL tells a client nothing of why its certificate was refused. */
const hasHungUp = /^Failed to connect$|ECONNRESET|EPIPE|socket hang up/;

function hostOf(address: string): string {
  const place = placeOf(address);
  return place !== undefined && "host" in place ? place.host : address;
}

/** Long enough for a host far away; a caller that has waited for an answer already waits no longer. */
const connectMsMax = 2_000;

/** Whoever that is: nothing is said to it. */
async function answersByTls(address: string): Promise<boolean> {
  const place = placeOf(address);
  if (place === undefined || "path" in place) return false;
  const socket = connectTls({ ...place, rejectUnauthorized: false, ALPNProtocols: ["h2"] });
  return new Promise((resolve) => {
    const end = (answers: boolean) => () => {
      socket.destroy();
      resolve(answers);
    };
    socket.setTimeout(connectMsMax, end(false));
    socket.once("secureConnect", end(true)).once("error", end(false)).once("close", end(false));
  });
}

async function takesConnections(address: string): Promise<boolean> {
  const place = placeOf(address);
  if (place === undefined) return false;
  const socket = connect(place);
  return new Promise((resolve) => {
    const end = (connected: boolean) => () => {
      socket.destroy();
      resolve(connected);
    };
    socket.setTimeout(connectMsMax, end(false));
    socket.once("connect", end(true)).once("error", end(false));
  });
}
