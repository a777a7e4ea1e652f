"""Workflows, with retries, optimistic changes and resumed watches. What is not here, `call` does with any stub's method."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import grpc
from concord.commit.v1 import transaction_pb2, two_phase_commit_pb2_grpc
from concord.predicate.v1 import predicate_logic_pb2_grpc
from concord.workflow.v1 import update_pb2, workflow_pb2, workflow_service_pb2, workflow_service_pb2_grpc

from . import retry, watch
from .channel import open_channel
from .failures import ConcordError

Workflow: TypeAlias = workflow_pb2.Workflow
#: What to do with a workflow as it is: a move, a patch of its metadata, or nothing.
Change: TypeAlias = workflow_service_pb2.TransitionWorkflowRequest | update_pb2.UpdateWorkflowMetadataRequest | None


class Client:
    """
    `timeout` is that of one attempt, `retry_for` that of all of them together, in seconds; `credentials` are those of TLS. Safe to use from
    several threads.
    """

    def __init__(
        self,
        address: str,
        *,
        requested_by: str,
        timeout: float = 10.0,
        retry_for: float = 30.0,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        self.channel = open_channel(address, credentials)
        self.workflows = workflow_service_pb2_grpc.WorkflowServiceStub(self.channel)
        self.rules = predicate_logic_pb2_grpc.PredicateLogicStub(self.channel)
        self.transactions = two_phase_commit_pb2_grpc.TwoPhaseCommitStub(self.channel)
        self._requested_by = requested_by
        self._timeout = timeout
        self._retry_for = retry_for

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.channel.close()

    def call(self, method: Callable, request, *, timeout: float | None = None):
        """Any unary RPC: `client.call(client.transactions.ExecuteTransaction, request)`. A change gets a request id, if it has none."""
        return retry.call(method, request, timeout=timeout or self._timeout, retry_for=self._retry_for)

    def create(self, workflow_id: str, *, type: str = "", metadata: Mapping[str, Any] | None = None, reason: str = "") -> Workflow:
        """Returns the one that is there if it is the same, so it may be called again after a crash."""
        request = workflow_service_pb2.CreateWorkflowRequest(
            workflow_id=workflow_id,
            type=type,
            reason=reason,
            requested_by=self._requested_by,
            if_exists=workflow_service_pb2.IF_EXISTS_RETURN,
        )
        request.metadata.update(metadata or {})
        return self.call(self.workflows.CreateWorkflow, request).workflow

    def get(self, workflow_id: str) -> Workflow:
        return self.call(
            self.workflows.GetWorkflow, workflow_service_pb2.GetWorkflowRequest(workflow_id=workflow_id)
        ).workflow

    def transition(
        self,
        workflow_id: str,
        target_state: "workflow_pb2.WorkflowState.ValueType",
        *,
        reason: str,
        expected_version: int | None = None,
        enlist: Mapping[str, bytes] | None = None,
        wait_for_participants: float = 0.0,
    ) -> Workflow:
        """With `enlist`, each participant's work is committed with the move, or nothing is."""
        request = workflow_service_pb2.TransitionWorkflowRequest(
            workflow_id=workflow_id, target_state=target_state, reason=reason, expected_version=expected_version
        )
        for participant_id, payload in (enlist or {}).items():
            request.enlist.append(transaction_pb2.Enlistment(participant_id=participant_id, payload=payload))
        if wait_for_participants:
            request.wait_for_participants.FromNanoseconds(int(wait_for_participants * 1e9))
        return self._apply(request)

    def change(self, workflow_id: str, decide: Callable[[Workflow], Change], *, reason: str) -> Workflow:
        """
        Reads the workflow, has `decide` say what to do with it, and does that only if nobody was faster; else it begins again. `decide` fills in
        what it wants, and leaves out ids, version and reason. It may be called several times; None leaves the workflow as it is.
        """
        while True:
            workflow = self.get(workflow_id)
            request = decide(workflow)
            if request is None:
                return workflow
            request.workflow_id, request.expected_version, request.reason = workflow_id, workflow.version, reason
            try:
                return self._apply(request)
            except ConcordError as failure:
                if failure.reason != "VERSION_MISMATCH":
                    raise

    def watch(
        self, *, after_sequence: int = 0, workflow_id: str = "", filter: str = ""
    ) -> Iterator[workflow_pb2.WorkflowEvent]:
        return watch.watch_events(
            self.workflows, after_sequence=after_sequence, workflow_id=workflow_id, filter=filter
        )

    def _apply(self, request) -> Workflow:
        request.requested_by = self._requested_by
        move = isinstance(request, workflow_service_pb2.TransitionWorkflowRequest)
        method = self.workflows.TransitionWorkflow if move else self.workflows.UpdateWorkflowMetadata
        return self.call(method, request).workflow
