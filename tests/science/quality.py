"""Figures of what models learn: closed forms, reconstruction, denoising, sparsity, likelihood."""
import numpy

from lab import images, labels

# Sum of the covariance's eigenvalues after the k-th (1,797 rows, value / 16), in float64.
PCA_SSE = {2: 3.355253, 8: 1.530448, 16: 0.706796, 32: 0.157909}



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
    base = lab.decode("linear", numpy.vstack([numpy.zeros((1, 8), numpy.float32), codes]))
    learned = numpy.linalg.qr((base[1:] - base[:1]).T)[0]
    data = lab.slice("digits-all", "train")
    axes = numpy.linalg.eigh(numpy.cov(data.T, bias=True))[1][:, -8:]
    cosine = numpy.linalg.svd(axes.T @ learned)[1].min()
    table.add("linear `plain`, smallest principal cosine to PCA", "> 0.999", f"{cosine:.6f}",
              cosine > 0.999)


def plain(lab, table):
    version = lab.train("plain", "fashion", "plain", {}, "--latent-dim", 32)
    sse = lab.mean_sse("plain", "fashion", "test", 10000) / 784
    table.add("`plain` k=32 Fashion-MNIST, test MSE/pixel", "≤ 0.0095",
              f"{sse:.6f} (stored {lab.metric(version, 'test_mse_per_element'):.6f}; "
              f"{lab.seconds['plain']:.0f} s)", sse <= 0.0095, "≤ 0.0090")


def conv(lab, table):
    errors = {}
    for preset in ("plain", "conv"):
        lab.train(preset, "fashion", preset, {}, "--latent-dim", 32)
        errors[preset] = lab.mean_sse(preset, "fashion", "test", 10000) / 784
    table.add("`conv` k=32 Fashion-MNIST, test MSE/pixel", "≤ 0.92 of `plain`, ≤ 1800 s",
              f"{errors['conv']:.6f}, {errors['conv'] / errors['plain']:.3f} of `plain`'s "
              f"{errors['plain']:.6f} ({lab.seconds['conv']:.0f} s)",
              errors["conv"] <= 0.92 * errors["plain"] and lab.seconds["conv"] <= 1800)


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
        lab.train(name, "fashion", "sparse", {}, "--latent-dim", 128, "--l1-code", weight)
        codes = numpy.vstack([
            lab.rows("encode", name, "--dataset", "fashion", "--part", "test",
                     "--offset", o, "--count", 1000) for o in range(0, 10000, 1000)])
        active = codes > 1e-5
        dead = int((~active.any(axis=0)).sum())
        mse = lab.mean_sse(name, "fashion", "test", 10000) / 784
        shares[weight] = (active.mean(), mse)
        table.add(f"`sparse` 128 ReLU, L1 {weight} on the code: active share",
                  "falls with λ" if weight == 0 else "falls with λ; at 0.01 ≤ 30 %, MSE < 0.01514",
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


FIGURES = (pca, linear, plain, conv, denoising, sparse, vae)
