import threading

import pytest
from concord.workflow.v1 import update_pb2, workflow_pb2, workflow_service_pb2
from concord_client import Client, ConcordError
from conftest import Server

ACTIVE, PAUSED, COMPLETED = (
    workflow_pb2.WORKFLOW_STATE_ACTIVE,
    workflow_pb2.WORKFLOW_STATE_PAUSED,
    workflow_pb2.WORKFLOW_STATE_COMPLETED,
)


@pytest.fixture
def client(server: Server):
    with Client(server.address, requested_by="ada") as client:
        yield client


def test_a_creation_may_be_repeated(client: Client):
    first = client.create("wf-1", metadata={"site": "B"})
    assert client.create("wf-1", metadata={"site": "B"}) == first
    with pytest.raises(ConcordError) as failure:
        client.create("wf-1", metadata={"site": "C"})
    assert failure.value.reason == "WORKFLOW_ALREADY_EXISTS"
    assert failure.value.advice == ("not done", "no")


def test_a_refusal_says_why_and_is_not_repeated(client: Client):
    client.create("wf-2")
    with pytest.raises(ConcordError) as failure:
        client.transition("wf-2", COMPLETED, reason="early")
    assert failure.value.reason == "INVALID_TRANSITION"
    assert failure.value.metadata["allowed"] == "ACTIVE"
    with pytest.raises(ConcordError) as failure:
        client.transition("wf 1", ACTIVE, reason="misspelt")
    assert failure.value.violations[0].startswith("workflow_id: ")


def test_changes_of_many_at_once_are_all_made(client: Client):
    client.create("counter", metadata={"count": 0})

    def add_one(workflow: workflow_pb2.Workflow):
        patch = update_pb2.UpdateWorkflowMetadataRequest()
        patch.metadata_patch.update({"count": workflow.metadata["count"] + 1})
        return patch

    def add_five():
        for _ in range(5):
            client.change("counter", add_one, reason="another one")

    threads = [threading.Thread(target=add_five) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.get("counter").metadata["count"] == 20
    assert client.get("counter").version == 21


def test_a_change_that_is_not_needed_is_not_made(client: Client):
    client.create("wf-4")
    assert client.change("wf-4", lambda workflow: None, reason="nothing").version == 1


def test_a_call_outlives_a_kill_of_the_server_and_is_made_once(server: Server, client: Client):
    client.create("wf-5")
    server.kill()
    back = threading.Thread(target=server.start)
    back.start()
    request = workflow_service_pb2.TransitionWorkflowRequest(
        workflow_id="wf-5", target_state=ACTIVE, reason="on", requested_by="ada", request_id="once"
    )
    assert client.call(client.workflows.TransitionWorkflow, request).workflow.version == 2
    back.join()
    assert client.call(client.workflows.TransitionWorkflow, request).workflow.version == 2


def test_who_has_no_time_left_hears_that_the_outcome_is_unknown(server: Server):
    server.kill()
    with Client(server.address, requested_by="ada", retry_for=0) as client, pytest.raises(ConcordError) as failure:
        client.create("wf-6")
    assert failure.value.reason is None
    assert failure.value.advice == ("unknown", "same")
    server.start()


def test_a_watch_goes_on_where_it_was_after_a_kill(server: Server, client: Client):
    client.create("wf-7")
    events = client.watch(workflow_id="wf-7")
    assert next(events).version == 1
    client.transition("wf-7", ACTIVE, reason="on")
    server.kill()
    server.start()
    client.transition("wf-7", PAUSED, reason="lunch")
    assert [next(events).version for _ in range(2)] == [2, 3]
    events.close()


def test_a_watch_that_no_later_stream_could_go_on_with_says_so(client: Client):
    with pytest.raises(ConcordError) as failure:
        next(client.watch(filter="event.nonsense +"))
    assert failure.value.reason == "INVALID_REQUEST"
