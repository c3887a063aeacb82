"""Starts the Python peer of Encode in the peers' own environment."""
import pathlib
import subprocess

import harness
import peers

SCRIPTS = pathlib.Path(__file__).parent / "peers"


def stubs(python, folder):
    """Python modules of our protocol, made by the peer's own compiler."""
    folder.mkdir(exist_ok=True)
    root = harness.SOURCE / "proto"
    protos = ["latent/v1/spec.proto", "latent/v1/rows.proto", "latent/v1/inference_service.proto"]
    subprocess.run([python, "-m", "grpc_tools.protoc", f"--proto_path={root}",
                    f"--python_out={folder}", f"--grpc_python_out={folder}", *protos], check=True)
    return folder


def start(rig):
    """The server, or None where what it needs is out of reach."""
    python = peers.python("torch", "numpy", "grpcio", "grpcio-tools")
    if python is None:
        return None
    return rig.process("python_server", [python, SCRIPTS / "encode_server.py", "--stubs",
                                         stubs(python, rig.folder / "stubs")])
