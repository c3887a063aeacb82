"""What the figures are made with: a server whose models are trained once, and the data as numpy reads
it."""
import gzip
import json
import os
import pathlib
import time

import numpy

import harness

FASHION = pathlib.Path("/usr/share/datasets/fashion-mnist")
# Data that may not be passed on with the sources; what needs it is skipped where it is missing.
DATA = pathlib.Path(os.environ.get("LATENT_DATA") or harness.SOURCE.parent / "shared/data")


class Lab:
    """A server with the datasets uploaded once, and each model trained once."""

    def __init__(self, server, folder):
        self.server, self.folder, self.seconds = server, folder, {}

    def dataset(self, name):
        if self.server.latent("datasets", "show", name, check=False).returncode == 0:
            return name
        if name == "digits-all":
            self.server.latent("datasets", "upload", name, "--train", harness.DIGITS,
                               "--label-column", "-1", "--value-scale", "0.0625",
                               "--test-fraction", "0", "--validation-fraction", "0")
        else:
            self.server.latent(
                "datasets", "upload", name,
                "--train", FASHION / "train-images-idx3-ubyte.gz",
                "--train-labels", FASHION / "train-labels-idx1-ubyte.gz",
                "--test", FASHION / "t10k-images-idx3-ubyte.gz",
                "--test-labels", FASHION / "t10k-labels-idx1-ubyte.gz")
        return name

    def train(self, model, dataset, preset, spec=None, *flags):
        """Trains unless that has been done; returns the version as JSON."""
        if model not in self.seconds:
            config = self.folder / f"{model}.json"
            config.write_text(json.dumps({"preset": preset, **(spec or {})}))
            start = time.monotonic()
            self.server.latent("train", model, "--dataset", self.dataset(dataset),
                               "--config", config, "--watch", *flags, timeout=3600)
            self.seconds[model] = time.monotonic() - start
        return self.server.json("models", "show", model)

    def metric(self, version, name):
        for metric in version["metrics"]:
            if metric["name"] == name:
                return metric["value"]
        raise AssertionError(f"no metric {name} among {[m['name'] for m in version['metrics']]}")

    def tensors(self, model):
        path = self.folder / f"{model}.safetensors"
        self.server.latent("models", "artifact", model, "--version", "1", "model.safetensors",
                           "--output", path)
        data = path.read_bytes()
        size = int.from_bytes(data[:8], "little")
        header = json.loads(data[8:8 + size])
        return {name: numpy.frombuffer(data, "<f4", offset=8 + size + entry["data_offsets"][0],
                                       count=int(numpy.prod(entry["shape"], dtype=numpy.int64)))
                .reshape(entry["shape"])
                for name, entry in header.items() if name != "__metadata__"}

    def rows(self, verb, model, *flags):
        path = self.folder / "rows.npy"
        self.server.latent(verb, "--model", model, *flags, "--output", path, timeout=600)
        return numpy.load(path)

    def mean_sse(self, model, dataset, part, total):
        """Squared error a row over a whole part, by Reconstruct, summed in float64."""
        error, step = 0.0, 1000
        for offset in range(0, total, step):
            where = ("--dataset", dataset, "--part", part, "--offset", offset,
                     "--count", min(step, total - offset))
            rebuilt = self.rows("reconstruct", model, *where).astype(numpy.float64)
            error += float(((rebuilt - self.slice(dataset, part)[offset:offset + step]) ** 2).sum())
        return error / total

    def slice(self, dataset, part):
        if dataset == "digits-all":
            table = numpy.loadtxt(harness.DIGITS, delimiter=",")
            return table[:, :64] / 16
        kind = "train" if part == "train" else "t10k"
        return images(kind)

    def decode(self, model, codes):
        path = self.folder / "codes.npy"
        numpy.save(path, codes)
        return self.rows("decode", model, "--input", path).astype(numpy.float64)


def missing(name):
    """Whether DATA lacks the set; says so."""
    if (DATA / name).is_dir():
        return False
    print(f"SKIP: there is no {DATA / name}; LATENT_DATA says where such data is", flush=True)
    return True


def images(kind):
    data = gzip.open(FASHION / f"{kind}-images-idx3-ubyte.gz").read()
    return numpy.frombuffer(data, numpy.uint8, offset=16).reshape(-1, 784) / 255.0


def labels(kind):
    data = gzip.open(FASHION / f"{kind}-labels-idx1-ubyte.gz").read()
    return numpy.frombuffer(data, numpy.uint8, offset=8)
