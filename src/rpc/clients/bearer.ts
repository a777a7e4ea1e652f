import type { Channel } from "nice-grpc";
import { authorizationOf, type ClientSecurity } from "./security.ts";

/**
 * Has each call on this channel prove who makes it, whichever client makes it. grpc-js has credentials of calls, but sends none over a connection
 * without TLS, such as that of a process to itself.
 */
export function withAuthorization(channel: Channel, security: ClientSecurity): Channel {
  if (security.token === undefined) return channel;
  const createCall = channel.createCall.bind(channel);
  channel.createCall = (...call: Parameters<Channel["createCall"]>) => {
    const created = createCall(...call);
    const start = created.start.bind(created);
    created.start = (metadata, listener) => {
      const authorization = authorizationOf(security);
      if (authorization !== undefined) metadata.set("authorization", authorization);
      start(metadata, listener);
    };
    return created;
  };
  return channel;
}
