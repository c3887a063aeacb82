"""From a job's submission to the first answer of what it published, against training alone."""
import json
import statistics
import time

import grpc
import numpy

import foreign_client_test
from verdict import Part, judge


def submit_to_answer(rig, model, dataset, config):
    """Seconds from the submission until Encode answers, and the job."""
    from latent.v1 import inference_service_pb2, inference_service_pb2_grpc
    request = inference_service_pb2.EncodeRequest()
    request.model.model = model
    request.rows.dense.columns = 784
    request.rows.dense.data = numpy.zeros(784, "<f4").tobytes()
    with grpc.insecure_channel(rig.server.address) as channel:
        stub = inference_service_pb2_grpc.InferenceServiceStub(channel)
        begin = time.monotonic()
        job = rig.server.json("train", model, "--dataset", dataset, "--config", config)["id"]
        while True:
            try:
                assert stub.Encode(request, timeout=30).answered_by.version == 1
                return time.monotonic() - begin, job
            except grpc.RpcError as error:
                assert error.code() == grpc.StatusCode.NOT_FOUND, error
            assert time.monotonic() < begin + 1800, rig.server.json("jobs", "show", job)
            time.sleep(0.02)


def made(folder):
    folder.mkdir()
    return folder


def turnaround(rig, table):
    """A job before and after the library's training by the same plan, so that drift cancels out."""
    foreign_client_test.generate_stubs(rig.keep("stubs", lambda: made(rig.folder / "protocol")))
    epochs = 1 if rig.quick else 20
    config = rig.folder / "turnaround.json"
    config.write_text(json.dumps({"preset": "plain", "training": {"solver": {"gradient": {
        "epochs": epochs, "earlyStopping": {"enabled": False}}}}}))
    dataset = rig.few_images() if rig.quick else rig.lab.dataset("fashion")
    before, job = submit_to_answer(rig, "before", dataset, config)
    alone = rig.library.ask(f"train {rig.folder / 'state/datasets/default' / dataset / 'data'} "
                            f"{rig.version_directory('before') / 'plan.json'}")
    after, _ = submit_to_answer(rig, "after", dataset, config)
    judge(table, "submit → first answer from the new version, `plain`, "
          f"{'2,000' if rig.quick else '60,000'} images, {epochs} epochs, against training alone",
          Part(statistics.mean((before, after)) / alone["seconds"], "≤", 1.15, 1.05, "{:.2f}×"),
          note=f"{before:.1f} and {after:.1f} s; between them the library by the same plan, "
          f"{alone['threads']} threads: {alone['seconds']:.1f} s")
    rig.data["turnaround"] = {"job": rig.server.json("jobs", "show", job), "library": alone}


LINES = (turnaround,)
