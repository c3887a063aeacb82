#!/usr/bin/env python3
"""kill -9 at random moments of upload and training: what was acknowledged is there, uploads go on
where they stopped, and the resumed job ends with the weights of an undisturbed one."""
import json
import random
import struct
import subprocess
import time

import harness

SEED = 20261123
UPLOAD_KILLS = 15
TRAINING_KILLS = 15


def write_npy(path, rows, columns):
    """A float32 matrix of seeded numbers in [0, 1]."""
    generator = random.Random(SEED)
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}"
    header += " " * (-(10 + len(header) + 1) % 64) + "\n"  # the cells start at a multiple of 64
    row = [generator.random() for _ in range(columns)]
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
        for r in range(rows):
            row[r % columns] = generator.random()
            file.write(struct.pack(f"<{columns}f", *row))


def upload_command(server, name, path):
    return [harness.BUILD / "client/latent", "--server", server.address, "datasets", "upload", name,
            "--train", path]


def test_uploads_survive_kills(folder):
    generator = random.Random(SEED)
    data = folder / "data.npy"
    write_npy(data, 20000, 256)
    with harness.Server(folder).start() as server:
        acknowledged, kills = [], 0
        for number in range(100):
            name = f"set-{number}"
            while True:
                kill_after = generator.uniform(0.01, 0.4) if kills < UPLOAD_KILLS else None
                client = subprocess.Popen(upload_command(server, name, data),
                                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                if kill_after is None:
                    out, err = client.communicate(timeout=120)
                    assert client.returncode == 0, (out + err).decode()
                    break
                try:
                    client.communicate(timeout=kill_after)
                    if client.returncode == 0:
                        break
                except subprocess.TimeoutExpired:
                    pass
                server.kill()
                kills += 1
                client.kill()
                client.communicate()
                server.start()
                for known in acknowledged:
                    state = server.json("datasets", "show", known)
                    assert "READY" in json.dumps(state), (known, state)
            acknowledged.append(name)
            if kills >= UPLOAD_KILLS:
                break
        hashes = {server.json("datasets", "show", name)["contentHash"] for name in acknowledged}
        assert len(acknowledged) == number + 1 and "" not in hashes, acknowledged


def job_spec(model):
    return {"model": model, "dataset": "digits", "preset": "vae",
            "training": {"seed": "7", "checkpointIntervalSeconds": 0.1,
                         "solver": {"gradient": {"epochs": 600,
                                                 "earlyStopping": {"enabled": False}}}}}


def train(server, folder, model):
    config = folder / f"{model}.json"
    config.write_text(json.dumps(job_spec(model)))
    return server.json("train", model, "--dataset", "digits", "--config", config)["id"]


def wait_for_checkpoints(server, job, number, seconds=60):
    """Until the running job has written as many new ones, or has ended."""
    seen, deadline = [], time.monotonic() + seconds
    while len(seen) <= number and time.monotonic() < deadline:
        names = {path.name for path in (server.folder / "state/jobs" / job).glob("*")}
        if not seen or names != seen[-1]:
            seen.append(names)
        if server.json("jobs", "show", job)["state"] not in ("JOB_STATE_QUEUED",
                                                             "JOB_STATE_RUNNING"):
            return
        time.sleep(0.005)


def wait_for_end(server, job, seconds=240):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        shown = server.json("jobs", "show", job)
        if shown["state"] not in ("JOB_STATE_QUEUED", "JOB_STATE_RUNNING"):
            return shown
        time.sleep(0.1)
    raise AssertionError(f"job {job} did not end: {shown}")


def weights(server, folder, model):
    path = folder / f"{model}.safetensors"
    server.latent("models", "artifact", model, "--version", "1", "model.safetensors",
                  "--output", path)
    return path.read_bytes()


def test_training_survives_kills(folder):
    generator = random.Random(SEED)
    with harness.Server(folder).start() as server:
        server.latent("datasets", "upload", "digits", "--train", harness.DIGITS,
                      "--label-column", "-1", "--value-scale", "0.0625")
        undisturbed = train(server, folder, "undisturbed")
        assert wait_for_end(server, undisturbed)["state"] == "JOB_STATE_SUCCEEDED"
        killed = train(server, folder, "killed")
        kills = 0
        while kills < TRAINING_KILLS:
            # Three lives without a later checkpoint end a job, and rightly so: on a busy machine
            # every second one is made to bring some.
            if kills % 2 == 1:
                wait_for_checkpoints(server, killed, 2)
            time.sleep(generator.uniform(0.05, 0.5))
            if server.json("jobs", "show", killed)["state"] not in (
                    "JOB_STATE_QUEUED", "JOB_STATE_RUNNING"):
                break
            server.kill()
            kills += 1
            server.start()
            assert server.json("jobs", "show", undisturbed)["state"] == "JOB_STATE_SUCCEEDED"
        shown = wait_for_end(server, killed)
        assert shown["state"] == "JOB_STATE_SUCCEEDED", shown
        assert kills >= 10, f"the job ended after {kills} kills; make it longer"
        assert weights(server, folder, "undisturbed") == weights(server, folder, "killed"), \
            "the resumed job's weights differ from the undisturbed one's"
        print(f"{kills} kills while training")


if __name__ == "__main__":
    harness.main(test_uploads_survive_kills, test_training_survives_kills)
