#!/usr/bin/python3
"""What many versions cost: time to SERVING with 10,000 of them, memory over load and unload cycles
and a million requests, Encode's tail while versions load, warm and swap. Prints a line for each:
floor, goal, figure. LATENT_BUILD_DIR and LATENT_SOURCE_DIR say where things are and PYTHONPATH must
have tests/e2e; needs latentd, latent, call_load and python3-numpy. About six minutes; --quick does
a tenth. --only ready,memory,swap chooses.

The 10,000 versions are copies: one tiny version is trained and published by the server, then its
directory is copied under other names and numbers with a manifest of its own, and the rows are
written as Publish writes them. Hashes hold, so that any of them loads."""
import argparse
import hashlib
import itertools
import json
import os
import pathlib
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

import grpc
import numpy

import foreign_client_test
import harness

WIDTH = 784
MODELS, VERSIONS = 100, 100  # each model's newest is its production
LARGE_VERSIONS = 40          # of 784-512-256-32, 4.4 MB of weights each
QUICK_SHARE = 0.1


class State:
    """A state directory with trained versions and copies of them."""

    def __init__(self, folder):
        self.server = harness.Server(folder)
        rows = numpy.random.default_rng(1).random((512, WIDTH), dtype=numpy.float32)
        numpy.save(folder / "large.npy", rows)
        numpy.save(folder / "tiny.npy", rows[:, :16])
        one_epoch = {"training": {"solver": {"gradient": {"epochs": 1}}}}
        (folder / "large.json").write_text(json.dumps({"preset": "plain", **one_epoch}))
        with self.server.start() as server:
            for name in ("tiny", "large"):
                server.latent("datasets", "upload", name, "--train", folder / f"{name}.npy")
            server.latent("train", "tiny", "--dataset", "tiny", "--preset", "pca", "--latent-dim",
                          4, "--watch")
            server.latent("train", "large", "--dataset", "large", "--config", folder / "large.json",
                          "--latent-dim", 32, "--watch")
            server.stop()
        self.root = folder / "state"
        self.database = sqlite3.connect(self.root / "latent.db", isolation_level=None)
        self.database.execute("PRAGMA foreign_keys=ON")

    def copy(self, source, model, versions, production):
        """Publishes copies of version 1 of `source` as these versions of `model`."""
        folder = self.root / "models/default" / source / "1"
        manifest = json.loads((folder / "manifest.json").read_text())
        columns = [row[1] for row in self.database.execute("PRAGMA table_info(versions)")]
        row = dict(zip(columns, self.database.execute(
            "SELECT * FROM versions WHERE model = ? AND version = 1", (source,)).fetchone()))
        artifacts = self.database.execute(
            "SELECT name, size, sha256 FROM artifacts WHERE model = ? AND version = 1",
            (source,)).fetchall()
        self.database.execute("BEGIN")
        if model != source:
            self.database.execute("INSERT INTO models (tenant, name, keep_last, create_time) "
                                  "VALUES ('default', ?, 10000, ?)", (model, row["create_time"]))
        for version in versions:
            target = self.root / "models/default" / model / str(version)
            shutil.copytree(folder, target)
            text = json.dumps({**manifest, "model": model, "version": version}).encode()
            (target / "manifest.json").write_bytes(text)
            row.update(model=model, version=version, staging=f"copy-{model}-{version}",
                       manifest_sha256=hashlib.sha256(text).hexdigest(),
                       bytes=sum(size for _, size, _ in artifacts) + len(text))
            self.database.execute(f"INSERT INTO versions ({', '.join(row)}) "
                                  f"VALUES ({', '.join('?' * len(row))})", tuple(row.values()))
            self.database.executemany(
                "INSERT INTO artifacts VALUES ('default', ?, ?, ?, ?, ?)",
                [(model, version, *artifact) for artifact in artifacts])
        self.database.execute(
            "INSERT INTO version_counters VALUES ('default', ?, ?) "
            "ON CONFLICT DO UPDATE SET last = excluded.last", (model, max(versions)))
        if production:
            self.database.execute("INSERT OR REPLACE INTO aliases VALUES ('default', ?, "
                                  "'production', ?, ?)", (model, production, row["create_time"]))
        self.database.execute("COMMIT")


def seconds_to_serving(server):
    """From fork to the port file, which is written when health says SERVING."""
    ports = server.folder / "ports"
    ports.unlink(missing_ok=True)
    begin = time.monotonic()
    with open(server.log_path, "ab") as log:
        process = subprocess.Popen(
            [harness.BUILD / "server/latentd", "--state-dir", server.folder / "state", "--listen",
             "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--port-file", ports],
            stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        while not ports.exists():
            assert process.poll() is None and time.monotonic() < begin + 60, server.log_tail()
            time.sleep(0.001)
        return time.monotonic() - begin
    finally:
        process.terminate()
        process.wait(timeout=60)


def resident_mib(server):
    for line in pathlib.Path(f"/proc/{server.process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmRSS")


def metric(server, name):
    text = urllib.request.urlopen(f"http://{server.metrics_address}/metrics", timeout=10).read()
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.decode().splitlines()
               if line.split("{")[0].split(" ")[0] == name)


def load(server, *flags):
    done = subprocess.run(
        [harness.BUILD / "tests/bench/call_load", "--server", server.address, "--model", "large",
         *map(str, flags)], capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    assert answer["errors"] == 0, answer
    return answer


class Report:
    def __init__(self):
        self.missed = 0

    def line(self, what, floor, goal, figure, held):
        self.missed += not held
        print(f"{what}\n    floor {floor}, goal {goal}: {figure}{'' if held else '  MISSED'}",
              flush=True)


def ready(state, report, quick):
    """Start-up with many versions against start-up with few: the medians of several."""
    few = statistics.median(seconds_to_serving(state.server) for _ in range(5))
    begin = time.monotonic()
    per_model = max(1, int(VERSIONS * (QUICK_SHARE if quick else 1)))
    for m in range(MODELS):
        state.copy("tiny", f"copy-{m}", range(1, per_model + 1), production=per_model)
    count = MODELS * per_model
    print(f"made {count} copies in {time.monotonic() - begin:.1f} s", flush=True)
    seconds_to_serving(state.server)
    took = [seconds_to_serving(state.server) for _ in range(5 if quick else 9)]
    median = statistics.median(took)
    report.line(f"ready with {count} versions of {MODELS} models, all with `production`",
                "1 s", "0.3 s", f"{median:.3f} s (median of {len(took)}, most {max(took):.3f} s; "
                f"{few:.3f} s with two versions)", median <= 1)


def cycle(server, stub, pb, versions):
    """Has versions loaded that are not, one after another; returns how many loads it took."""
    request = pb.EncodeRequest()
    request.model.model = "large"
    request.rows.dense.columns = WIDTH
    request.rows.dense.data = numpy.full(WIDTH, 0.5, "<f4").tobytes()
    before = metric(server, "latent_cache_loads_total")
    for version in versions:
        request.model.version = version
        stub.Encode(request, timeout=30)
    return metric(server, "latent_cache_loads_total") - before


def memory(state, report, quick):
    """Resident memory over load and unload cycles and requests."""
    from latent.v1 import inference_service_pb2 as pb, inference_service_pb2_grpc
    cycles = int(1000 * (QUICK_SHARE if quick else 1))
    calls = int(1e6 * (QUICK_SHARE if quick else 1))
    with harness.Server(state.server.folder, *state.small_cache) as server:
        server.start()
        with grpc.insecure_channel(server.address) as channel:
            stub = inference_service_pb2_grpc.InferenceServiceStub(channel)
            versions = itertools.cycle(range(2, LARGE_VERSIONS + 1))
            empty = resident_mib(server)
            cycle(server, stub, pb, itertools.islice(versions, LARGE_VERSIONS - 1))
            load(server, "--in-flight", 64, "--seconds", 2)
            marks, done, loads = [resident_mib(server)], 0, 0
            for _ in range(4):
                loads += cycle(server, stub, pb, itertools.islice(versions, cycles // 4))
                goal = done + calls // 4
                while done < goal:
                    done += load(server, "--in-flight", 64, "--warm-up-seconds", 0, "--seconds",
                                 1 if quick else 4)["calls"]
                marks.append(resident_mib(server))
            per_version = metric(server, "latent_cache_bytes") / metric(
                server, "latent_cache_versions")
            evictions = metric(server, "latent_cache_evictions_total")
        server.stop()
    growth = marks[-1] - marks[1]
    report.line(f"resident memory over {loads:.0f} loads ({evictions:.0f} evictions) and {done} "
                "requests", "flat (within 5 % after the first quarter)", "flat",
                f"{empty:.0f} MiB at the start, {' → '.join(f'{m:.1f}' for m in marks)} MiB at the "
                f"quarters; {per_version / 2**20:.2f} MiB counted a version",
                growth <= 0.05 * marks[1])


class Swapper:
    """Moves `production` of `large` on to the next version, again and again."""
    version = 1  # goes on from one to the next, so that what it comes to has been evicted

    def __init__(self, server, pause):
        from latent.v1 import registry_service_pb2 as pb, registry_service_pb2_grpc
        self.swaps, self.pause, self.stop, self.pb = 0, pause, threading.Event(), pb
        self.channel = grpc.insecure_channel(server.address)
        self.stub = registry_service_pb2_grpc.RegistryServiceStub(self.channel)
        self.thread = threading.Thread(target=self.run)

    def run(self):
        # What is measured is the server's share of a swap, not this interpreter's.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        while not self.stop.is_set():
            Swapper.version = Swapper.version % LARGE_VERSIONS + 1
            self.stub.SetAlias(self.pb.SetAliasRequest(
                model="large", alias="production", version=Swapper.version), timeout=30)
            self.swaps += 1
            time.sleep(self.pause)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        self.channel.close()


def swap(state, report, quick):
    """Encode while versions load, warm and swap against quiet, in interleaved pairs."""
    pairs, seconds = (3, 1) if quick else (9, 3)
    with harness.Server(state.server.folder, *state.small_cache) as server:
        server.start()
        load(server, "--in-flight", 4, "--seconds", 1)
        for in_flight in (1, 4):
            flags = ("--in-flight", in_flight, "--warm-up-seconds", 0.2, "--seconds", seconds)
            p99, p50, swaps, loads = [], [], 0, metric(server, "latent_cache_loads_total")
            for _ in range(pairs):
                quiet = load(server, *flags)
                with Swapper(server, pause=0.1) as swapper:
                    busy = load(server, *flags)
                swaps += swapper.swaps
                p99.append(busy["p99_us"] / quiet["p99_us"])
                p50.append(busy["p50_us"] / quiet["p50_us"])
            loads = metric(server, "latent_cache_loads_total") - loads
            ratio = statistics.median(p99)
            report.line(f"Encode p99 while versions load, warm and swap, {in_flight} in flight",
                        "1.5×", "1.2×",
                        f"{ratio:.2f}× ({min(p99):.2f} to {max(p99):.2f}, p50 "
                        f"{statistics.median(p50):.2f}×; {pairs} pairs, {swaps} swaps, "
                        f"{loads:.0f} loads)", ratio <= 1.5)
        server.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="ready,memory,swap")
    arguments = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory(prefix="latent-footprint-",
                                     dir=os.environ.get("LATENT_BENCH_DIR")) as name:
        folder = pathlib.Path(name)
        foreign_client_test.generate_stubs(folder)
        state = State(folder)
        state.copy("large", "large", range(2, LARGE_VERSIONS + 1), production=1)
        state.small_cache = ("--memory-budget-mib", "128")  # some 25 of them
        for step in (memory, swap, ready):
            if step.__name__ in arguments.only.split(","):
                step(state, report, arguments.quick)
    return 1 if report.missed else 0


if __name__ == "__main__":
    sys.exit(main())
