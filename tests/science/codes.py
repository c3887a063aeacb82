"""Figures of codes: what they keep of the classes, and what fewer bits cost."""
import numpy

from lab import FASHION, images, labels
from quality import neighbours

IMAGES = {kind: FASHION / f"{kind}-images-idx3-ubyte.gz" for kind in ("train", "t10k")}


def accuracy(train, test):
    """5-NN of the 60,000 against the 10,000; of equally many votes the nearest label's."""
    own, true = labels("train"), labels("t10k")
    _, nearest = neighbours(test, train, 5)
    right = 0
    for row, label in zip(own[nearest], true):
        votes = numpy.bincount(row, minlength=10)
        right += next(v for v in row if votes[v] == votes.max()) == label
    return right / len(true)


def codes(lab, table):
    lab.train("plain", "fashion", "plain", {}, "--latent-dim", 32)
    train, test = (lab.rows("encode", "plain", "--input", IMAGES[kind]).astype(numpy.float64)
                   for kind in ("train", "t10k"))
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    deviation[deviation == 0] = 1
    measured = accuracy((train - mean) / deviation, (test - mean) / deviation)
    raw_train, raw_test = images("train"), images("t10k")
    centre = raw_train.mean(axis=0)
    axes = numpy.linalg.eigh(numpy.cov(raw_train.T, bias=True))[1][:, -32:]
    pca = accuracy((raw_train - centre) @ axes, (raw_test - centre) @ axes)
    raw = accuracy(raw_train, raw_test)
    table.add("standardised codes of `plain` k=32 on Fashion-MNIST, 5-NN", "> 85.24 % (PCA-32)",
              f"{measured * 100:.2f} % (PCA-32 here {pca * 100:.2f} %, raw pixels "
              f"{raw * 100:.2f} %)", measured > 0.8524)


def compression(lab, table):
    lab.train("plain", "fashion", "plain", {}, "--latent-dim", 32)
    packed = lab.folder / "fashion.codes"
    answer = lab.server.json("compress", IMAGES["t10k"], "--model", "plain", "--output", packed,
                             timeout=600)
    exact, lossy = answer["float32_mse_per_element"], answer["mse_per_element"]
    table.add("INT8 codes of `plain` k=32, Fashion-MNIST test", "32 bytes a row, MSE within 1 % of "
              "float32 codes'",
              f"{answer['bytes_per_row']} bytes, MSE {lossy:.6f} ({(lossy / exact - 1) * 100:+.3f} %"
              f"); {answer['ratio']:.1f} : 1, gzip {answer['gzip_ratio']:.2f} : 1",
              answer["bytes_per_row"] == 32 and lossy <= 1.01 * exact)
    again = lab.folder / "again.npy"
    lab.server.latent("decompress", packed, "--output", again, timeout=600)
    difference = numpy.load(again).astype(numpy.float64) - images("t10k")
    measured = float((difference ** 2).mean())
    table.add("the same file, decompressed: test MSE/pixel", "as compress measured it",
              f"{measured:.6f}", abs(measured - lossy) < 1e-6)


FIGURES = (codes, compression)
