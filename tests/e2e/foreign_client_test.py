#!/usr/bin/env python3
"""Calls the server as a stranger would: Python's gRPC and protobuf packages, stubs generated from
the public .proto files, health by its standard name, methods found by reflection, errors read from
their standard trailer."""
import struct
import subprocess
import sys

import grpc

import harness


def generate_stubs(folder):
    proto = harness.SOURCE / "proto"
    files = [p.relative_to(proto).as_posix() for p in proto.rglob("*.proto")]
    plugin = subprocess.run(["which", "grpc_python_plugin"], check=True, capture_output=True,
                            text=True).stdout.strip()
    subprocess.run(["protoc", f"-I{proto}", f"--python_out={folder}", f"--grpc_python_out={folder}",
                    f"--plugin=protoc-gen-grpc_python={plugin}", *files], check=True)
    sys.path.insert(0, str(folder))
    # The health protocol's package is called grpc too; both are found under the one name.
    grpc.__path__.append(str(folder / "grpc"))


def train(server):
    server.latent("datasets", "upload", "digits", "--train", harness.DIGITS, "--label-column", "-1",
                  "--value-scale", "0.0625")
    server.latent("train", "m", "--dataset", "digits", "--preset", "pca", "--latent-dim", "8",
                  "--watch")


def check_health(channel):
    from grpc.health.v1 import health_pb2, health_pb2_grpc
    stub = health_pb2_grpc.HealthStub(channel)
    for service in ("", "latent.v1.InferenceService", "readiness"):
        answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=10)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING, service
    watched = stub.Watch(health_pb2.HealthCheckRequest(service="nobody"), timeout=10)
    assert next(watched).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    watched.cancel()


def check_reflection(channel):
    listing = channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
    answers = listing(iter([b"\x3a\x01\x2a"]), timeout=10)  # list_services = "*"
    services = next(answers)
    for name in (b"latent.v1.InferenceService", b"latent.v1.TrainingService",
                 b"latent.v1.DatasetService", b"latent.v1.RegistryService",
                 b"latent.v1.SystemService", b"grpc.health.v1.Health"):
        assert name in services, f"reflection does not list {name.decode()}"


def check_encode(channel):
    from google.rpc import error_details_pb2, status_pb2
    from latent.v1 import inference_service_pb2, inference_service_pb2_grpc
    stub = inference_service_pb2_grpc.InferenceServiceStub(channel)
    request = inference_service_pb2.EncodeRequest()
    request.model.model = "m"
    request.rows.dense.values.extend([0.5] * 128)
    request.rows.dense.columns = 64
    answer = stub.Encode(request, timeout=10)
    assert (answer.answered_by.model, answer.answered_by.version) == ("m", 1)
    codes = struct.unpack("<16f", answer.codes.dense.data)
    assert codes[:8] == codes[8:], "equal rows, unequal codes"

    request.rows.dense.values.pop()
    try:
        stub.Encode(request, timeout=10)
        raise AssertionError("127 numbers were taken for rows of 64")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, error
        trailer = dict(error.trailing_metadata())["grpc-status-details-bin"]
        details = status_pb2.Status.FromString(trailer).details
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        assert any(detail.Unpack(info) for detail in details) and info.domain == "latent", details
        assert any(detail.Unpack(bad) for detail in details), details
        assert bad.field_violations[0].field.startswith("rows"), bad


def test_a_stranger_can_use_the_server(folder):
    stubs = folder / "stubs"
    stubs.mkdir()
    generate_stubs(stubs)
    with harness.Server(folder).start() as server:
        train(server)
        with grpc.insecure_channel(server.address) as channel:
            check_health(channel)
            check_reflection(channel)
            check_encode(channel)


if __name__ == "__main__":
    harness.main(test_a_stranger_can_use_the_server)
