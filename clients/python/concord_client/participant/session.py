"""One stream to a coordinator, from Hello to its end."""

import logging
import queue
import threading
import time

import grpc
from concord.commit.v1 import two_phase_commit_pb2

from ..failures import ConcordError, from_rpc_error
from ..retry import PAUSE_MAX
from .claims import goes_on_from
from .log import ParticipantLog
from .outgoing import Outgoing
from .step import Refused, Steps

logger = logging.getLogger("concord.participant")

#: Prepares that wait here are in memory; they are handled one by one.
PREPARE_CREDIT = 64
#: As many as Hello may have. The others are asked about after Welcome.
IN_DOUBT_MAX = 10_000
#: Rival processes with one id are kept waiting for up to 5 s.
WELCOME_SECONDS = 15.0
#: What has arrived while this process stood still is read before the other side is called silent.
STOPPED_SECONDS = 1.0
#: A coordinator has sent again by then whatever it has not heard the end of, so that old outcomes may be forgotten.
SOUND_SECONDS = 300.0
#: For the last word to be heard.
GOODBYE_SECONDS = 5.0

_WAKE = object()


class LogWentBack(Exception):
    """The coordinator has forgotten what it decided."""


class Session:
    def __init__(self, stub, log: ParticipantLog, steps: Steps, participant_id: str, instance_id: str) -> None:
        self._stub = stub
        self._log = log
        self._steps = steps
        self._hello = two_phase_commit_pb2.Hello(
            participant_id=participant_id,
            instance_id=instance_id,
            version_min=1,
            version_max=1,
            prepare_credit=PREPARE_CREDIT,
        )
        self._outgoing = Outgoing()
        self._incoming: queue.Queue = queue.Queue()
        self._leaving = False
        self._coordinator_id = ""
        # Decisions that could not be carried out, and when to try again.
        self._again: dict[str, tuple[float, float, two_phase_commit_pb2.Decision]] = {}
        #: True once it was opened.
        self.welcomed = False
        #: How long to stay away after its end, if the coordinator has said so.
        self.reconnect_after = 0.0

    def leave(self) -> None:
        """From any thread."""
        self._leaving = True
        self._incoming.put(_WAKE)

    def run(self) -> None:
        """Returns when it has left, or its stream has ended in order. Raises ConcordError or LogWentBack."""
        in_doubt = self._log.in_doubt()
        for transaction_id, coordinator_id in in_doubt[:IN_DOUBT_MAX]:
            self._hello.in_doubt.add(transaction_id=transaction_id, coordinator_id=coordinator_id)
        self._outgoing.say(self._hello)
        stream = self._stub.Participate(iter(self._outgoing))
        threading.Thread(target=self._read, args=(stream,), daemon=True).start()
        try:
            self._converse(in_doubt[IN_DOUBT_MAX:])
        finally:
            self._outgoing.end()
            stream.cancel()

    def _read(self, stream) -> None:
        try:
            for message in stream:
                self._incoming.put(message)
            self._incoming.put(None)
        except grpc.RpcError as error:
            self._incoming.put(from_rpc_error(error))

    def _converse(self, asked_later: list[tuple[str, str]]) -> None:
        first = self._welcome()
        if first is None:
            return
        self._open(first.sequence, first.welcome)
        for transaction_id, coordinator_id in asked_later:
            if coordinator_id == self._coordinator_id:
                self._outgoing.say(
                    two_phase_commit_pb2.Inquiry(transaction_id=transaction_id, coordinator_id=coordinator_id)
                )
        silence = first.welcome.session_timeout.ToTimedelta().total_seconds()
        forgets_at: float | None = time.monotonic() + SOUND_SECONDS
        while not self._leaving:
            message = self._next(silence)
            if message is None:
                return
            if message is not _WAKE:
                self._handle(message)
            if forgets_at is not None and time.monotonic() >= forgets_at:
                self._log.forget(self._coordinator_id)
                forgets_at = None
        self._say_goodbye()

    def _welcome(self) -> two_phase_commit_pb2.ParticipateResponse | None:
        while True:
            message = self._next(WELCOME_SECONDS)
            if message is None or message is _WAKE:
                return None
            if message.WhichOneof("body") == "welcome":
                return message
            self._outgoing.say(two_phase_commit_pb2.Nack(sequence=message.sequence, reason="it came before Welcome"))

    def _open(self, sequence: int, welcome: two_phase_commit_pb2.Welcome) -> None:
        with self._log.transaction():
            seen = self._log.claim(welcome.coordinator_id)
            forgotten = None if goes_on_from(seen, list(welcome.claims)) else seen
            if forgotten is None and welcome.claims:
                newest = welcome.claims[0]
                self._log.write_claim(welcome.coordinator_id, newest.epoch, newest.id)
        if forgotten is not None:
            nack = two_phase_commit_pb2.Nack(sequence=sequence, reason="the decision log is older than what was seen of it")
            nack.claim_seen.epoch, nack.claim_seen.id = forgotten
            self._outgoing.say(nack)
            self._hang_up()
            raise LogWentBack(f"decision log {welcome.coordinator_id} was in epoch {forgotten[0]} before, and does not go on from it")
        self._coordinator_id = welcome.coordinator_id
        self.welcomed = True
        self._outgoing.handled = sequence
        self._outgoing.beat_every(welcome.heartbeat_interval.ToTimedelta().total_seconds())
        logger.info("in session with coordinator %s, epoch %d", welcome.coordinator_id, welcome.coordinator_epoch)

    def _next(self, silence: float):
        """The next message; None at the end of the stream. Carries out again what is due meanwhile."""
        ends = time.monotonic() + silence
        stood_still = False
        while True:
            due = min((at for at, _, _ in self._again.values()), default=ends)
            try:
                message = self._incoming.get(timeout=max(0.0, min(due, ends) - time.monotonic()))
            except queue.Empty:
                self._carry_out_due()
                if time.monotonic() < ends:
                    continue
                if stood_still:
                    raise ConcordError(grpc.StatusCode.DEADLINE_EXCEEDED, "the coordinator is silent") from None
                stood_still, ends = True, time.monotonic() + STOPPED_SECONDS
                continue
            if isinstance(message, ConcordError):
                raise message
            return message

    def _handle(self, message: two_phase_commit_pb2.ParticipateResponse) -> None:
        kind = message.WhichOneof("body")
        try:
            match kind:
                case "prepare":
                    self._outgoing.say(self._steps.prepare(message.prepare, self._coordinator_id, self._leaving))
                case "decision":
                    self._decide(message.decision, PAUSE_MAX / 50)
                case "go_away":
                    self.reconnect_after = message.go_away.reconnect_after.ToTimedelta().total_seconds()
                case "nack":
                    logger.warning("the coordinator did not take message %d: %s", message.nack.sequence, message.nack.reason)
                case "heartbeat":
                    pass
                case _:
                    raise Refused("its kind is not known")
        except Refused as refused:
            logger.warning("a message is refused: %s", refused)
            self._outgoing.say(two_phase_commit_pb2.Nack(sequence=message.sequence, reason=str(refused)))
        except Exception:
            # Nothing of it was written. The coordinator asks again, or aborts what has not voted.
            logger.exception("a message could not be handled: %s", kind)
            self._outgoing.say(two_phase_commit_pb2.Nack(sequence=message.sequence, reason="it could not be handled"))
        self._outgoing.handled = message.sequence

    def _decide(self, decision: two_phase_commit_pb2.Decision, pause: float) -> None:
        self._again.pop(decision.transaction_id, None)
        try:
            self._outgoing.say(self._steps.decide(decision, self._coordinator_id))
        except Refused:
            raise
        except Exception:
            logger.exception("a promise could not be kept yet: transaction %s", decision.transaction_id)
            again = time.monotonic() + pause
            self._again[decision.transaction_id] = (again, min(2 * pause, 30.0), decision)

    def _carry_out_due(self) -> None:
        for at, pause, decision in list(self._again.values()):
            if at <= time.monotonic():
                try:
                    self._decide(decision, pause)
                except Refused as refused:
                    logger.warning("a decision is refused: %s", refused)

    def _say_goodbye(self) -> None:
        """What has arrived is answered, new work with a no. What is prepared stays prepared."""
        self._outgoing.say(two_phase_commit_pb2.Goodbye(reason="the participant is closed"))
        while not self._incoming.empty():
            message = self._incoming.get()
            if isinstance(message, two_phase_commit_pb2.ParticipateResponse):
                self._handle(message)
            elif message is not _WAKE:
                return
        self._hang_up()

    def _hang_up(self) -> None:
        """Ends this side, and waits until the other has read what was said last."""
        self._outgoing.end()
        ends = time.monotonic() + GOODBYE_SECONDS
        while (left := ends - time.monotonic()) > 0:
            try:
                if not isinstance(self._incoming.get(timeout=left), two_phase_commit_pb2.ParticipateResponse):
                    return
            except queue.Empty:
                return
