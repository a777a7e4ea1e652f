"""Python's reflection client asks for v1alpha."""

import grpc
from conftest import Server
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase


def test_the_contract_is_found_by_reflection(server: Server):
    with grpc.insecure_channel(server.address) as channel:
        found = ProtoReflectionDescriptorDatabase(channel)
        assert "concord.workflow.v1.WorkflowService" in found.get_services()
        service = DescriptorPool(found).FindServiceByName("concord.commit.v1.TwoPhaseCommit")
        assert service.FindMethodByName("Participate").input_type.full_name == "concord.commit.v1.ParticipateRequest"
