import { connect } from "node:net";
import { Status } from "nice-grpc";
import { formatDuration } from "../config.ts";
import { placeOf } from "../kernel/address.ts";
import { connectFailure, isAbsent, isOutOfReach } from "../rpc/clients/cause.ts";
import type { ClientFailure } from "../rpc/errors.ts";

const otherAddress = "or name another with --address";

/** Why Concord itself has not answered, as far as its caller can tell from outside. Undefined: it has, or there is nothing to add. */
export async function whyUnanswered(
  { code, reason, message }: Pick<ClientFailure, "code" | "reason" | "message">,
  address: string,
  timeoutMs: number,
): Promise<string | undefined> {
  if (reason !== undefined) return undefined;
  if (code === Status.UNIMPLEMENTED) return whyUnimplemented(message, address);
  // grpc-js gives up before, if its caller has more time.
  const [, connectMs] = /Connection attempt timed out after (\d+)ms/.exec(message) ?? [];
  if (code === Status.UNAVAILABLE && connectMs === undefined) return whyNotConnected(message, address);
  if (code !== Status.DEADLINE_EXCEEDED && connectMs === undefined) return undefined;
  const waited = formatDuration(Number(connectMs ?? timeoutMs));
  return (await takesConnections(address))
    ? `${address} takes connections, but has not answered within ${waited}: it hangs, is overloaded, or is no Concord`
    : `${address} cannot be reached: no connection within ${waited}; check the address, ${otherAddress}`;
}

/** grpc-js's own words. */
function whyNotConnected(message: string, address: string): string | undefined {
  if (message.startsWith("Name resolution failed"))
    return `no host is called ${hostOf(address)}, so that ${address} cannot be reached; check the name, ${otherAddress}`;
  const cause = connectFailure(message);
  if (cause === undefined || isAbsent(cause)) return undefined;
  if (isOutOfReach(cause)) return `${address} cannot be reached: ${cause}`;
  return `what answers at ${address} does not speak gRPC (${cause}); check the port, ${otherAddress}`;
}

function whyUnimplemented(message: string, address: string): string | undefined {
  if (message.startsWith("Received HTTP status code"))
    return `what answers at ${address} does not speak gRPC (${message}); check the port, ${otherAddress}`;
  const [, service] = /^The server does not implement the method \/?([\w.]+)\//.exec(message) ?? [];
  return service && `${address} does not serve ${service}; name the process that does with --address`;
}

function hostOf(address: string): string {
  const place = placeOf(address);
  return place !== undefined && "host" in place ? place.host : address;
}

/** Long enough for a host far away; a caller that has waited for an answer already waits no longer. */
const connectMsMax = 2_000;

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
