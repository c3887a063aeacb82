"""The figures of docs/benchmarks.md: each one trains through the public RPCs, measures, and compares
with a floor and, where there is one, a goal or a closed form."""
import pathlib
import sys
import tempfile

import anomaly
import codes
import harness
import likelihood
import page
import quality
import recommendation
from lab import Lab

FIGURES = (quality.FIGURES + codes.FIGURES + likelihood.FIGURES + recommendation.FIGURES +
           anomaly.FIGURES)

# What the tests hold, beside the figures.
HELD = """
| promise | `tests/run -R` |
|---|---|
| gradients in float64, every part and preset, tied and untied: < 1e-6, < 1e-4 with kinks | `GradientTest` |
| convolutions equal a direct loop in double, transposed ones are their adjoints, mirrored decoders give back odd sizes, a row has the same bits in any batch | `ConvolutionTest`, `MirrorOfTest`, `ConvolutionLayersTest` |
| `pca` equals the eigenvalues' sum to 1e-6, linear `plain` to 0.1 % | `PcaTest`, `ClosedFormTest` |
| noise of 0 and penalties of 0 train the same weights as `plain`, bit for bit | `TrainingPassTest`, `TrainerTest` |
| 1 and 2 threads, and resumption from any checkpoint: the same weights | `RecipeTest`, `OddSizeTest` |
| a row has the same bits alone and in a batch, and in a batch of 64 callers | `AutoencoderTest`, `BatchingTest` |
| the same bits after a restart and after kill -9 | `e2e_round_trip_test` |
| kill -9 at 30 random moments of upload and training | `e2e_crash_test` |
| kill -9 at every mutating system call of publish; a planted missing fsync is caught | `CrashTest` |
| bad input: code, field, expected, got | `BadInputTest`, `PlanRefusal` |
| linear VAE with the weights of pPCA (digits, k = 8): IWAE-1 = IWAE-50 = 14.2098 without variance, −ELBO = −log p; trained: within 0.05 of −14.2098 | `PpcaOracleTest` |
| linear denoising autoencoder, k = 8, σ = 0.1, 0.3, 0.5: 1.607937, 2.093486, 2.683427 within 0.5 % | `DenoisingOracleTest` |
| `ease`: residual of the closed form, zero diagonal, permutation of items, to 1e-6 | `EaseTest` |
"""


def section(table):
    return f"""# Benchmarks

What models are worth comes from `tests/science/run`, which trains and measures through the public RPCs
and writes the first table; what serving and training cost comes from `tests/bench/run`, which writes the
section [Speed](#speed). Either takes names of the column before the last, measures those lines anew
and keeps the others. Closed-form figures are also held by `tests/run`.

Measured on {page.machine()}.

{table.markdown()}

## Held by the tests
{HELD}"""


def main():
    names = {figure.__name__: figure for figure in FIGURES}
    unknown = [name for name in sys.argv[1:] if name not in names]
    if unknown:
        sys.exit(f"expected names among {', '.join(names)}; got {', '.join(unknown)}")
    table = page.Table("science", "tests/science/run", names)
    with tempfile.TemporaryDirectory(prefix="latent-science-") as folder:
        with harness.Server(folder).start() as server:
            lab = Lab(server, pathlib.Path(folder))
            for name in sys.argv[1:] or names:
                table.group = name
                names[name](lab, table)
                page.write("science", section(table))
    return 1 if table.missed else 0


if __name__ == "__main__":
    sys.exit(main())
