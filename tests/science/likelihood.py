"""Figures of models with Gaussian codes: -log p(x) by importance sampling, K draws a row, on rows of
0 and 1."""
import gzip

import numpy

import harness
from lab import DATA, missing

# arXiv 1509.00519 and nbip's reproduction of it: 3,280 epochs.
PUBLISHED = {"VAE": 86.76, "IWAE-5": 85.54, "two layers": 85.33}


def upload(lab, name, train, test):
    """A dataset of two arrays, TRAIN and TEST, with no VALIDATION rows."""
    if lab.server.latent("datasets", "show", name, check=False).returncode == 0:
        return name
    files = []
    for part, rows in (("train", train), ("test", test)):
        path = lab.folder / f"{name}-{part}.npy"
        numpy.save(path, rows.astype(numpy.float32))
        files += [f"--{part}", path]
    lab.server.latent("datasets", "upload", name, *files, "--validation-fraction", "0")
    return name


def training(epochs, batch, rate, draws, **more):
    return {"solver": {"gradient": {
        "epochs": epochs, "batchSize": batch, "optimizer": {"adam": {"weightDecay": 0}},
        "schedule": {"learningRate": rate}}},
        "evaluation": {"importanceDraws": draws, "importanceRows": 0}, **more}


def hidden(*units):
    return {"layers": [{"dense": {"units": n, "activation": "ACTIVATION_TANH"}} for n in units]}


def nll(version):
    found = next(m for m in version["metrics"] if m["name"] == "test_iwae_nll")
    return found["value"], found["standardError"]


def digits(lab, table):
    cells = numpy.loadtxt(harness.DIGITS, delimiter=",")[:, :64] >= 8
    data = upload(lab, "digits-binary", cells[:1297], cells[1297:])
    for name, objective, bound in (("VAE", {"elbo": {"warmUpFraction": 0}}, 18.86),
                                   ("IWAE-5", {"iwae": {"draws": 5}}, 18.45)):
        found = []
        for seed in range(3):
            spec = {"architecture": {
                "encoder": hidden(100), "latent": {"dim": 8, "gaussian": {}},
                "likelihood": {"bernoulli": {}}, "objective": objective},
                "training": training(200, 32, 0.001, 500, seed=str(seed))}
            version = lab.train(f"digits-{name.lower()}-{seed}", data, "vae", spec)
            found.append(nll(version)[0])
        table.add(f"digits binarised at 8, 64–100–8 {name}, 3 seeds: IWAE-500 NLL", f"≤ {bound}",
                  f"{numpy.mean(found):.2f} ({', '.join(f'{v:.2f}' for v in found)})",
                  numpy.mean(found) <= bound)


def read_images(kind):
    data = gzip.open(DATA / f"mnist/{kind}-images-idx3-ubyte.gz").read()
    return numpy.frombuffer(data, numpy.uint8, offset=16).reshape(-1, 784) / numpy.float32(255)


# Epochs that fit half an hour on 2 cores, by model.
MNIST = {
    "VAE": (250, {"dim": 50, "gaussian": {}}, (200, 200), {"elbo": {"warmUpFraction": 0.1}}),
    "IWAE-5": (200, {"dim": 50, "gaussian": {}}, (200, 200), {"iwae": {"draws": 5}}),
    "two layers": (250, {"hierarchical": {"layers": [100, 50], "hiddenUnits": [100]}}, (200, 200),
                   {"elbo": {"warmUpFraction": 0.3}}),
}


def mnist(lab, table):
    if missing("mnist"):
        return
    test = read_images("t10k")
    binary = numpy.random.default_rng(0).random(test.shape) < test
    data = upload(lab, "mnist-binary", read_images("train"), binary)
    measured = {}
    for name, (epochs, latent, units, objective) in MNIST.items():
        spec = {"architecture": {
            "encoder": hidden(*units), "latent": latent, "likelihood": {"bernoulli": {}},
            "objective": objective, "binarise": "BINARISE_DYNAMIC"},
            "training": training(epochs, 100, 0.001, 5000, maxDurationSeconds=1800)}
        model = "mnist-" + name.lower().replace(" ", "-")
        value, error = nll(lab.train(model, data, "vae", spec))
        measured[name] = value
        bound = {"VAE": 90.0, "IWAE-5": measured["VAE"] - 0.5,
                 "two layers": measured["VAE"] + 0.5}[name]
        table.add(f"MNIST, dynamic binarisation, 784–200–200–50, {name}: NLL at K = 5000",
                  f"≤ {bound:.2f}",
                  f"{value:.2f} ± {error:.2f} after {epochs} epochs (published after 3,280: "
                  f"{PUBLISHED[name]}; {lab.seconds[model]:.0f} s with evaluation)",
                  value <= bound)


FIGURES = (digits, mnist)
