#!/usr/bin/env python3
"""Rows kept as codes in a file and made again of it, from the command line."""
import csv
import gzip
import math

import harness
import table_test

READ = ("--label-column", "-1", "--value-scale", "0.0625")  # as the dataset was uploaded
CELLS = 64


def train(server, *models):
    server.latent("datasets", "upload", "digits", "--train", harness.DIGITS, *READ,
                  "--row-shape", "8x8x1")
    for model, preset, *flags in models:
        server.latent("train", model, "--dataset", "digits", "--preset", preset, "--latent-dim",
                      "8", "--watch", *flags)


def compress(server, path, *flags, source=harness.DIGITS):
    return server.json("compress", source, "--output", path, *flags)


def numbers(path):
    with open(path, newline="") as file:
        lines = csv.reader(file)
        next(lines)
        return [[float(cell) for cell in line] for line in lines]


def digits():
    with gzip.open(harness.DIGITS, "rt", newline="") as file:
        return [[float(cell) * 0.0625 for cell in line[:CELLS]] for line in csv.reader(file)]


def mean_squared_error(rows, others):
    assert len(rows) == len(others), (len(rows), len(others))
    return sum((a - b) ** 2 for row, other in zip(rows, others)
               for a, b in zip(row, other, strict=True)) / len(rows) / len(rows[0])


def test_says_what_is_won_and_lost(folder):
    with harness.Server(folder).start() as server:
        train(server, ("m", "pca"))
        said = compress(server, folder / "int8.codes", "--model", "m", *READ)
        raw = gzip.decompress(harness.DIGITS.read_bytes())
        size = (folder / "int8.codes").stat().st_size
        assert (said["rows"], said["bytes_per_row"], said["format"]) == (1797, 8, "INT8"), said
        assert (said["file_bytes"], said["raw_bytes"]) == (size, len(raw)), said
        assert math.isclose(said["ratio"], len(raw) / size, rel_tol=1e-4), said
        packed = len(gzip.compress(raw, 6))
        assert math.isclose(said["gzip_ratio"], len(raw) / packed, rel_tol=0.01), (said, packed)

        server.latent("decompress", folder / "int8.codes", "--output", folder / "again.csv")
        error = mean_squared_error(digits(), numbers(folder / "again.csv"))
        assert math.isclose(error, said["mse_per_element"], rel_tol=1e-4), (error, said)
        # Rounded, but no worse for it than by a hundredth.
        assert said["mse_per_element"] != said["float32_mse_per_element"], said
        assert math.isclose(error, said["float32_mse_per_element"], rel_tol=0.01), said


def test_gives_the_rows_that_the_codes_decode_to(folder):
    with harness.Server(folder).start() as server:
        train(server, ("m", "pca"))
        said = compress(server, folder / "rows.codes", "--model", "m", "--format", "float32", *READ)
        assert math.isclose(said["mse_per_element"], said["float32_mse_per_element"],
                            rel_tol=1e-4), said
        server.latent("decompress", folder / "rows.codes", "--output", folder / "again.csv")
        server.latent("encode", "--model", "m", "--input", harness.DIGITS, *READ,
                      "--output", folder / "codes.csv")
        server.latent("decode", "--model", "m", "--input", folder / "codes.csv",
                      "--output", folder / "decoded.csv")
        assert (folder / "again.csv").read_bytes() == (folder / "decoded.csv").read_bytes()


def test_refuses_another_latent_space(folder):
    with harness.Server(folder).start() as server:
        train(server, ("m", "pca"), ("other", "plain", "--epochs", "1"))
        compress(server, folder / "rows.codes", "--model", "m", *READ)
        refused = server.latent("decompress", folder / "rows.codes", "--model", "other",
                                "--output", folder / "again.csv", check=False)
        assert refused.returncode != 0
        assert "LATENT_SPACE_MISMATCH" in refused.stderr, refused.stderr
        assert not (folder / "again.csv").exists()


def test_refuses_damaged_files(folder):
    with harness.Server(folder).start() as server:
        train(server, ("m", "pca"))
        compress(server, folder / "rows.codes", "--model", "m", *READ)
        whole = (folder / "rows.codes").read_bytes()
        flipped = bytearray(whole)
        flipped[len(whole) // 2] ^= 1
        for name, content, why in (("flipped", flipped, "checksum"),
                                   ("cut", whole[:-100], "checksum"),
                                   ("rows", b"1,2\n3,4\n" * 9, "LATENTCF")):
            (folder / name).write_bytes(content)
            refused = server.latent("decompress", folder / name, "--output", folder / "again.csv",
                                    check=False)
            assert refused.returncode != 0, name
            assert str(folder / name) in refused.stderr and why in refused.stderr, refused.stderr
            assert "damaged" in refused.stderr, refused.stderr
            assert not (folder / "again.csv").exists(), name


def test_keeps_tables_with_holes(folder):
    with harness.Server(folder).start() as server:
        table_test.train(server, folder)
        holes = table_test.with_holes(table_test.make_rows(200, seed=3), 0.2, seed=4)
        table_test.write(folder / "holes.csv", holes)
        said = compress(server, folder / "rows.codes", "--model", "people", "--format", "float32",
                        source=folder / "holes.csv")
        assert math.isclose(said["mse_per_element"], said["float32_mse_per_element"],
                            rel_tol=1e-4), said
        server.latent("decompress", folder / "rows.codes", "--output", folder / "again.csv")
        server.latent("reconstruct", "--model", "people", "--input", folder / "holes.csv",
                      "--output", folder / "rebuilt.csv")
        rebuilt = table_test.read(folder / "rebuilt.csv")
        for row in rebuilt:
            del row["id"]  # which the file does not keep
        assert table_test.read(folder / "again.csv") == rebuilt


if __name__ == "__main__":
    harness.main(test_says_what_is_won_and_lost,
                 test_gives_the_rows_that_the_codes_decode_to,
                 test_refuses_another_latent_space,
                 test_refuses_damaged_files,
                 test_keeps_tables_with_holes)
