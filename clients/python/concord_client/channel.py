"""A connection to one address of Concord."""

import grpc

_OPTIONS = [
    # None of those that the environment names for the web.
    ("grpc.enable_http_proxy", 0),
    # A stream that is cut off silently is noticed.
    ("grpc.keepalive_time_ms", 30_000),
    # A server that was away for long is found again as soon as one that was not.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 5_000),
]


def open_channel(address: str, credentials: grpc.ChannelCredentials | None = None) -> grpc.Channel:
    """Without credentials it is plain text."""
    if credentials is None:
        return grpc.insecure_channel(address, options=_OPTIONS)
    return grpc.secure_channel(address, credentials, options=_OPTIONS)
