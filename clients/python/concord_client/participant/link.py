"""Keeps a session with one coordinator: for ever, until it is closed."""

import logging
import random
import threading

import grpc
from concord.commit.v1 import two_phase_commit_pb2_grpc

from ..channel import open_channel
from ..failures import ConcordError
from ..retry import pauses
from .session import LogWentBack, Session

logger = logging.getLogger("concord.participant")

# These come again, whatever is tried.
_HOPELESS = {
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
}


class Link:
    def __init__(self, address: str, credentials: grpc.ChannelCredentials | None, open_session) -> None:
        self._address = address
        self._credentials = credentials
        self._open_session = open_session
        self._closed = threading.Event()
        self._session: Session | None = None
        self._thread = threading.Thread(target=self._run, name=f"concord {address}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        if session := self._session:
            session.leave()
        self._thread.join()

    def _run(self) -> None:
        waits = pauses()
        told = ""
        with open_channel(self._address, self._credentials) as channel:
            stub = two_phase_commit_pb2_grpc.TwoPhaseCommitStub(channel)
            while not self._closed.is_set():
                session = self._session = self._open_session(stub)
                if self._closed.is_set():
                    return
                rarely = False
                try:
                    session.run()
                except (ConcordError, LogWentBack) as failure:
                    rarely = isinstance(failure, LogWentBack) or failure.code in _HOPELESS
                    if rarely and str(failure) != told:
                        logger.error("coordinator %s will not do: %s", self._address, failure)
                        told = str(failure)
                    elif not rarely:
                        logger.info("the session with %s has ended: %s", self._address, failure)
                if session.welcomed:
                    waits, told = pauses(), ""
                pause = random.uniform(30, 60) if rarely else max(next(waits), session.reconnect_after)
                self._closed.wait(pause)
