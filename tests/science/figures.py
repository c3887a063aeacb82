"""The figures of docs/benchmarks.md: each one trains through the public RPCs, measures, and compares
with a floor and, where there is one, a goal or a closed form."""
import json
import pathlib
import platform
import subprocess
import sys
import tempfile
import time
import urllib.request

import numpy

import harness

FASHION = pathlib.Path("/usr/share/datasets/fashion-mnist")
# Sum of the covariance's eigenvalues after the k-th (1,797 rows, value / 16), in float64.
PCA_SSE = {2: 3.355253, 8: 1.530448, 16: 0.706796, 32: 0.157909}


class Table:
    """Lines of the page, in the order in which they were measured."""

    def __init__(self):
        self.lines = []

    def add(self, figure, floor, measured, passed, goal=""):
        self.lines.append((figure, floor, goal, measured, "yes" if passed else "**no**"))
        print(f"{'ok  ' if passed else 'MISS'} {figure}: {measured} (floor: {floor})", flush=True)

    def markdown(self):
        rows = ["| figure | floor | goal | measured | reached |", "|---|---|---|---|---|"]
        return "\n".join(rows + ["| " + " | ".join(line) + " |" for line in self.lines])


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


def images(kind):
    import gzip
    data = gzip.open(FASHION / f"{kind}-images-idx3-ubyte.gz").read()
    return numpy.frombuffer(data, numpy.uint8, offset=16).reshape(-1, 784) / 255.0


def labels(kind):
    import gzip
    data = gzip.open(FASHION / f"{kind}-labels-idx1-ubyte.gz").read()
    return numpy.frombuffer(data, numpy.uint8, offset=8)


def pca(lab, table):
    for k, expected in PCA_SSE.items():
        lab.train(f"pca-{k}", "digits-all", "pca", {}, "--latent-dim", k)
        measured = lab.mean_sse(f"pca-{k}", "digits-all", "train", 1797)
        relative = abs(measured / expected - 1)
        table.add(f"`pca` digits k={k}, SSE/row", f"{expected} within 1e-6 relative",
                  f"{measured:.6f} ({relative:.1e})", abs(measured - expected) < 1.01e-6 * expected)


def linear(lab, table):
    spec = {"architecture": {
        "encoder": {"layers": []}, "decoder": {"layers": []},
        "latent": {"dim": 8, "deterministic": {"activation": "ACTIVATION_IDENTITY"}}},
        "training": {"solver": {"gradient": {
            "epochs": 2000, "batchSize": 65536, "optimizer": {"adam": {"weightDecay": 0}},
            "schedule": {"learningRate": 0.1}}}}}
    lab.train("linear", "digits-all", "plain", spec)
    measured = lab.mean_sse("linear", "digits-all", "train", 1797)
    table.add("linear `plain` digits k=8, SSE/row", "within 0.1 % of 1.530448",
              f"{measured:.6f} ({(measured / PCA_SSE[8] - 1) * 100:+.4f} %)",
              abs(measured / PCA_SSE[8] - 1) < 1e-3)
    codes = numpy.eye(8, dtype=numpy.float32)
    base = decode(lab, "linear", numpy.vstack([numpy.zeros((1, 8), numpy.float32), codes]))
    learned = numpy.linalg.qr((base[1:] - base[:1]).T)[0]
    data = lab.slice("digits-all", "train")
    axes = numpy.linalg.eigh(numpy.cov(data.T, bias=True))[1][:, -8:]
    cosine = numpy.linalg.svd(axes.T @ learned)[1].min()
    table.add("linear `plain`, smallest principal cosine to PCA", "> 0.999", f"{cosine:.6f}",
              cosine > 0.999)


def decode(lab, model, codes):
    path = lab.folder / "codes.npy"
    numpy.save(path, codes)
    return lab.rows("decode", model, "--input", path).astype(numpy.float64)


def plain(lab, table):
    version = lab.train("plain", "fashion", "plain", {}, "--latent-dim", 32)
    sse = lab.mean_sse("plain", "fashion", "test", 10000) / 784
    table.add("`plain` k=32 Fashion-MNIST, test MSE/pixel", "≤ 0.0095",
              f"{sse:.6f} (stored {lab.metric(version, 'test_mse_per_element'):.6f}; "
              f"{lab.seconds['plain']:.0f} s)", sse <= 0.0095, "≤ 0.0090")


def denoising(lab, table):
    lab.train("denoising", "fashion", "denoising", {}, "--latent-dim", 32,
              "--corruption", "gaussian:0.3")
    clean, noisy_error, error = images("t10k"), 0.0, 0.0
    for offset in range(0, 10000, 1000):
        noisy = lab.folder / "noisy.npy"
        rebuilt = lab.rows("denoise", "denoising", "--dataset", "fashion", "--part", "test",
                           "--offset", offset, "--count", 1000, "--add-noise", "gaussian:0.3",
                           "--seed", 1 + offset, "--noisy-output", noisy)
        part = clean[offset:offset + 1000]
        noisy_error += float(((numpy.load(noisy).astype(numpy.float64) - part) ** 2).sum())
        error += float(((numpy.clip(rebuilt.astype(numpy.float64), 0, 1) - part) ** 2).sum())
    psnr = [10 * numpy.log10(7_840_000 / e) for e in (noisy_error, error)]
    table.add("`denoising` k=32, Gaussian 0.3, PSNR", "≥ 19.2 dB",
              f"{psnr[1]:.2f} dB (noisy {psnr[0]:.2f}; {lab.seconds['denoising']:.0f} s)",
              psnr[1] >= 19.2, "≥ 20 dB")


def sparse(lab, table):
    shares = {}
    for weight in (0, 0.01, 0.03):
        name = f"sparse-{str(weight).replace('.', '-')}"
        lab.train(name, "fashion", "sparse", {}, "--latent-dim", 128, "--epochs", 6,
                  *(("--l1-code", weight) if weight else ("--l1", 0)))
        codes = numpy.vstack([
            lab.rows("encode", name, "--dataset", "fashion", "--part", "test",
                     "--offset", o, "--count", 1000) for o in range(0, 10000, 1000)])
        active = codes > 1e-5
        dead = int((~active.any(axis=0)).sum())
        mse = lab.mean_sse(name, "fashion", "test", 10000) / 784
        shares[weight] = (active.mean(), mse)
        table.add(f"`sparse` 128 ReLU, 6 epochs, L1 {weight}: active share", "falls with λ" if weight == 0
                  else "falls with λ; at 0.01 ≤ 30 %, MSE < 0.01514",
                  f"{active.mean() * 100:.1f} %, test MSE {mse:.6f}, {dead} dead",
                  (weight != 0.01 or (active.mean() <= 0.30 and mse < 0.01514)) and
                  all(active.mean() < share for other, (share, _) in shares.items()
                      if other < weight))


def vae(lab, table):
    version = lab.train("vae", "fashion", "vae", {}, "--latent-dim", 32)
    found = next(m for m in version["metrics"] if m["name"] == "neg_elbo")
    kl, units = lab.metric(version, "kl_nats"), lab.metric(version, "active_units")
    table.add("`vae` k=32 Bernoulli Fashion-MNIST, −ELBO", "≤ 240.0 nats",
              f"{found['value']:.2f} ± {found.get('standardError', 0):.2f}, KL {kl:.1f}, "
              f"{units:.0f} active units ({lab.seconds['vae']:.0f} s)", found["value"] <= 240.0)
    samples = lab.rows("sample", "vae", "--count", 1000, "--seed", 5).astype(numpy.float64)
    train, targets = images("train"), labels("train")
    distances, nearest = neighbours(samples, train, 5)
    reference, _ = neighbours(images("t10k")[:1000], train, 5)
    ratio = float(numpy.median(distances[:, 0]) / numpy.median(reference[:, 0]))
    votes = [numpy.bincount(targets[row], minlength=10).argmax() for row in nearest]
    classes = len(set(votes))
    table.add("`vae` samples: median distance to training images ÷ that of test images", "≤ 1.5",
              f"{ratio:.3f}", ratio <= 1.5)
    table.add("`vae` samples: classes by 5-NN", "≥ 8 of 10", f"{classes}", classes >= 8)


def neighbours(rows, train, k):
    squared = (train ** 2).sum(axis=1)
    indices, distances = [], []
    for start in range(0, len(rows), 250):
        part = rows[start:start + 250]
        d = squared - 2 * part @ train.T + (part ** 2).sum(axis=1)[:, None]
        near = numpy.argpartition(d, k, axis=1)[:, :k]
        order = numpy.take_along_axis(d, near, 1).argsort(axis=1)
        near = numpy.take_along_axis(near, order, 1)
        indices.append(near)
        distances.append(numpy.sqrt(numpy.maximum(numpy.take_along_axis(d, near, 1), 0)))
    return numpy.vstack(distances), numpy.vstack(indices)


def load(server, *flags):
    done = subprocess.run([harness.BUILD / "tests/bench/call_load", "--server", server.address,
                           *map(str, flags)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def counters(server, *names):
    text = urllib.request.urlopen(f"http://{server.metrics_address}/metrics", timeout=10).read()
    return [sum(float(line.rsplit(" ", 1)[1]) for line in text.decode().splitlines()
                if line.split("{")[0].split(" ")[0] == name) for name in names]


def batching(lab, table):
    """Rows of 64 concurrent callers share forward passes."""
    lab.train("plain", "fashion", "plain", {}, "--latent-dim", 32)
    names = ("latent_batch_rows_sum", "latent_batch_rows_count")
    before = counters(lab.server, *names)
    answer = load(lab.server, "--model", "plain", "--in-flight", 64, "--seconds", 10)
    rows, batches = (b - a for a, b in zip(before, counters(lab.server, *names)))
    table.add("64 concurrent callers, 784-512-256-32: rows a forward pass", "> 2",
              f"{rows / batches:.2f} ({answer['calls_per_second']:.0f} calls/s, "
              f"p50 {answer['p50_us'] / 1000:.2f} ms)", rows / batches > 2)


def background(lab, model, epochs=10000):
    """Starts a job that trains until it is cancelled."""
    config = lab.folder / f"{model}.json"
    config.write_text(json.dumps({"preset": "plain", "publish": {"policy": "PUBLISH_POLICY_NEVER"},
                                  "training": {"solver": {"gradient": {
                                      "epochs": epochs, "earlyStopping": {"enabled": False}}}}}))
    job = lab.server.json("train", model, "--dataset", lab.dataset("fashion"),
                          "--config", config)["id"]
    while int(step(lab, job)) == 0:
        time.sleep(0.2)
    return job


def step(lab, job):
    return lab.server.json("jobs", "show", job).get("progress", {}).get("step", 0)


def stop(lab, job):
    lab.server.latent("jobs", "cancel", job)
    while lab.server.json("jobs", "show", job)["state"] in ("JOB_STATE_RUNNING",
                                                            "JOB_STATE_CANCELLING"):
        time.sleep(0.1)


def isolation(lab, table):
    """Encode beside training: pairs of rounds with and without a job, interleaved."""
    lab.train("plain", "fashion", "plain", {}, "--latent-dim", 32)
    ratios = {1: [], 4: []}
    for _ in range(5):
        quiet = {n: load(lab.server, "--model", "plain", "--in-flight", n, "--seconds", 3)
                 for n in ratios}
        job = background(lab, "noise")
        for n in ratios:
            busy = load(lab.server, "--model", "plain", "--in-flight", n, "--seconds", 3)
            ratios[n].append((busy["p50_us"] / quiet[n]["p50_us"],
                              busy["p99_us"] / quiet[n]["p99_us"]))
        stop(lab, job)
    for n, pairs in ratios.items():
        p50, p99 = (float(numpy.median([pair[i] for pair in pairs])) for i in (0, 1))
        table.add(f"Encode beside training, {n} in flight: p50, p99 against none",
                  "≤ 1.3×, ≤ 2.5×", f"{p50:.2f}×, {p99:.2f}× (medians of {len(pairs)} pairs)",
                  p50 <= 1.3 and p99 <= 2.5)


def saturation(lab, table):
    """Both cores saturated by Encode for 60 s while a job trains."""
    lab.train("plain", "fashion", "plain", {}, "--latent-dim", 32)
    job = background(lab, "noise-2")
    before = int(step(lab, job))
    encode = subprocess.Popen(
        [harness.BUILD / "tests/bench/call_load", "--server", lab.server.address, "--model", "plain",
         "--in-flight", "64", "--seconds", "60"], stdout=subprocess.PIPE, text=True)
    time.sleep(2)
    get = load(lab.server, "--method", "get-job", "--job", job, "--seconds", 25,
               "--calls-per-second", 20)
    submit = load(lab.server, "--method", "submit-job", "--model", "noise-3", "--dataset", "fashion",
                  "--seconds", 25, "--calls-per-second", 5)
    answer = json.loads(encode.communicate()[0])
    after = int(step(lab, job))
    stop(lab, job)
    table.add("60 s of saturating Encode (64 in flight): training advances", "yes",
              f"{after - before} updates, {answer['calls_per_second']:.0f} calls/s", after > before)
    table.add("the same: GetTrainJob p99 · CreateTrainJob p99", "≤ 50 ms each",
              f"{get['p99_us'] / 1000:.1f} ms · {submit['p99_us'] / 1000:.1f} ms",
              get["p99_us"] <= 50000 and submit["p99_us"] <= 50000 and
              get["errors"] == submit["errors"] == 0)


FIGURES = (pca, linear, plain, denoising, sparse, vae, batching, isolation, saturation)

# What the tests hold, beside the figures.
HELD = """
| promise | `tests/run -R` |
|---|---|
| gradients in float64, every part and preset, tied and untied: < 1e-6, < 1e-4 with kinks | `GradientTest` |
| `pca` equals the eigenvalues' sum to 1e-6, linear `plain` to 0.1 % | `PcaTest`, `ClosedFormTest` |
| noise of 0 and penalties of 0 train the same weights as `plain`, bit for bit | `TrainingPassTest`, `TrainerTest` |
| 1 and 2 threads, and resumption from any checkpoint: the same weights | `RecipeTest`, `OddSizeTest` |
| a row has the same bits alone and in a batch, and in a batch of 64 callers | `AutoencoderTest`, `BatchingTest` |
| the same bits after a restart and after kill -9 | `e2e_round_trip_test` |
| kill -9 at 30 random moments of upload and training | `e2e_crash_test` |
| kill -9 at every mutating system call of publish; a planted missing fsync is caught | `CrashTest` |
| bad input: code, field, expected, got | `BadInputTest`, `PlanRefusal` |
"""


def page(table, seconds):
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo")
                if line.startswith("model name")), platform.machine())
    return f"""# Benchmarks

Every figure comes from `tests/science/run`, which trains and measures through the public RPCs and
writes this page; `tests/science/run NAME` repeats one group. Closed-form figures are also held by
`tests/run`. Timings on shared machines are noisy: they are compared as ratios of interleaved runs.

Measured on {time.strftime('%Y-%m-%d')}, {cpu}, 2 cores, in {seconds / 60:.0f} minutes.

{table.markdown()}

## Held by the tests
{HELD}"""


def main():
    chosen = [f for f in FIGURES if not sys.argv[1:] or f.__name__ in sys.argv[1:]]
    table, start = Table(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="latent-science-") as folder:
        with harness.Server(folder).start() as server:
            lab = Lab(server, pathlib.Path(folder))
            for figure in chosen:
                figure(lab, table)
    text = page(table, time.monotonic() - start)
    if sys.argv[1:]:
        print(text)
    else:
        (harness.SOURCE / "docs/benchmarks.md").write_text(text)
    return 0 if all(line[4] == "yes" for line in table.lines) else 1


if __name__ == "__main__":
    sys.exit(main())
