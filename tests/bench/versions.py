"""A state directory with many versions, and how one is served after another.

The versions are copies: one is trained and published by the server, then its directory is copied under
other names and numbers with a manifest of its own, and the rows are written as Publish writes them.
Hashes hold, so that any of them loads."""
import hashlib
import json
import os
import shutil
import sqlite3
import threading
import time

import grpc
import numpy

import foreign_client_test
import harness
import rig

WIDTH = 784
LARGE_VERSIONS = 40  # of 784-512-256-32, 4.4 MB of weights each


class State:
    """A state directory with trained versions, `tiny` and `large`, and copies of `large`."""

    def __init__(self, folder):
        folder.mkdir()
        foreign_client_test.generate_stubs(folder)
        self.folder = folder
        rows = numpy.random.default_rng(1).random((512, WIDTH), dtype=numpy.float32)
        numpy.save(folder / "large.npy", rows)
        numpy.save(folder / "tiny.npy", rows[:, :16])
        one_epoch = {"training": {"solver": {"gradient": {"epochs": 1}}}}
        (folder / "large.json").write_text(json.dumps({"preset": "plain", **one_epoch}))
        with harness.Server(folder).start() as server:
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
        self.copy("large", "large", range(2, LARGE_VERSIONS + 1), production=1)

    def copy(self, source, model, versions, production, copy_file=shutil.copy2):
        """Publishes copies of version 1 of `source` as these versions of `model`; by os.link, files
        stand on the disk once."""
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
            shutil.copytree(folder, target, copy_function=copy_file)
            (target / "manifest.json").unlink()
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

    def server(self):
        """A latentd on it that has room for some 25 of the large versions."""
        return harness.Server(self.folder, "--memory-budget-mib", "128").start()


def side(server):
    return rig.Side(server.address, server.process.pid, server)


class Cycle:
    """Has versions of `large` loaded that are not, one after another."""

    def __init__(self, server):
        from latent.v1 import inference_service_pb2, inference_service_pb2_grpc
        self.channel = grpc.insecure_channel(server.address)
        self.stub = inference_service_pb2_grpc.InferenceServiceStub(self.channel)
        self.request = inference_service_pb2.EncodeRequest()
        self.request.model.model = "large"
        self.request.rows.dense.columns = WIDTH
        self.request.rows.dense.data = numpy.full(WIDTH, 0.5, "<f4").tobytes()
        self.version = 1

    def turn(self, count):
        for _ in range(count):
            self.version = self.version % LARGE_VERSIONS + 1
            self.request.model.version = self.version
            self.stub.Encode(self.request, timeout=30)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()


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
