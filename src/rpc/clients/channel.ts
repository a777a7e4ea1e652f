import { type Channel, createChannel, createClientFactory, waitForChannelReady } from "nice-grpc";
import { deadlineMiddleware } from "nice-grpc-client-middleware-deadline";
import { errorDetailsClientMiddleware } from "nice-grpc-error-details";
import { takesTls } from "../../kernel/address.ts";
import { messageBytesDefault, requestBytesMax } from "../../kernel/limits.ts";
import { withAuthorization } from "./bearer.ts";
import { callHeadersMiddleware } from "./call-headers.ts";
import { ClientCredentials, type ClientSecurity, checkToken } from "./security.ts";

const reconnectMaxMs = 1_000;

/** A channel that notices a dead peer and comes back within a second of its return, instead of grpc-js's two minutes. */
export function openChannel(address: string, security: ClientSecurity = {}): Channel {
  checkToken(address, security);
  const credentials = security.tls !== undefined && takesTls(address) ? new ClientCredentials(address, security) : undefined;
  // What nice-grpc hands on as it is has two slashes.
  const channel = createChannel(address.replace(/^unix:(?=\/)/, "unix://"), credentials, {
    "grpc.enable_channelz": 0,
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": reconnectMaxMs,
    "grpc.keepalive_time_ms": 20_000,
    "grpc.keepalive_timeout_ms": 10_000,
    "grpc.keepalive_permit_without_calls": 1,
    "grpc.max_receive_message_length": messageBytesDefault,
    // The server knows how much it takes, and says so.
    "grpc.max_send_message_length": requestBytesMax,
    // A name that has moved, as in a cluster, is looked up anew while nobody answers; grpc-js would go on with the old address for 30 s.
    "grpc.dns_min_time_between_resolutions_ms": 2_000,
    // A proxy of the environment is for the web; grpc-js would use it for loopback too.
    "grpc.enable_http_proxy": 0,
    // Each channel has its own connection: one busy with a large answer delays nobody else.
    "grpc.use_local_subchannel_pool": 1,
  });
  return withAuthorization(channel, security);
}

/** Waits until calls go through, but no longer than a channel needs that has just found its peer again. Never rejects. */
export async function callable(channel: Channel): Promise<void> {
  await waitForChannelReady(channel, new Date(Date.now() + reconnectMaxMs)).catch(() => undefined);
}

/** Clients that keep to deadlines, tell the server them and on whose behalf they call, and understand Concord's error details. */
export const clientFactory = createClientFactory()
  .use(errorDetailsClientMiddleware)
  .use(deadlineMiddleware)
  .use(callHeadersMiddleware);
