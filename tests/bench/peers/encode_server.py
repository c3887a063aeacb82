"""A PyTorch encoder 784-512-256-32 behind Python's gRPC, as one would write it: the synchronous server
with its thread pool, one forward pass a request.

    encode_server.py --stubs FOLDER --port-file FILE
"""
import argparse
import concurrent.futures
import sys

import grpc
import numpy
import torch


def encoder():
    return torch.nn.Sequential(torch.nn.Linear(784, 512), torch.nn.ReLU(),
                               torch.nn.Linear(512, 256), torch.nn.ReLU(),
                               torch.nn.Linear(256, 32)).eval()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--stubs", required=True)
    parser.add_argument("--port-file", required=True)
    arguments = parser.parse_args()
    sys.path.insert(0, arguments.stubs)
    from latent.v1 import inference_service_pb2, inference_service_pb2_grpc, rows_pb2

    class Inference(inference_service_pb2_grpc.InferenceServiceServicer):
        def __init__(self):
            self.model = encoder()

        def Encode(self, request, context):
            dense = request.rows.dense
            rows = numpy.frombuffer(dense.data, numpy.float32).reshape(-1, dense.columns)
            with torch.inference_mode():
                codes = self.model(torch.from_numpy(rows.copy())).numpy()
            return inference_service_pb2.EncodeResponse(
                answered_by=rows_pb2.AnsweredBy(model=request.model.model, version=1),
                codes=rows_pb2.Rows(dense=rows_pb2.DenseRows(columns=codes.shape[1],
                                                             data=codes.tobytes())))

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=10))
    inference_service_pb2_grpc.add_InferenceServiceServicer_to_server(Inference(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with open(arguments.port_file, "w") as file:
        file.write(f"{port}\n")
    server.wait_for_termination()


if __name__ == "__main__":
    main()
