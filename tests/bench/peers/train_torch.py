"""PyTorch training the autoencoders of train_bench.cc as one would write it: the same rows, loss, batches
and Adam. Reads commands a line from standard input and answers each with a line of JSON.

    train_torch.py ROWS.npy

    train MODEL EPOCHS THREADS   rows a second of the epochs after the first
    losses MODEL STEPS PATH      the loss of each of STEPS updates on the first batch, from the weights
                                 and with the noise of a file that train_bench wrote
"""
import json
import sys
import time

import numpy
import torch

BATCH = 128


def stack(*widths):
    layers = []
    for i, (inputs, outputs) in enumerate(zip(widths, widths[1:])):
        layers += [torch.nn.Linear(inputs, outputs)] + [torch.nn.ReLU()] * (i + 2 < len(widths))
    return torch.nn.Sequential(*layers)


def nats(logits, rows):
    return torch.nn.functional.binary_cross_entropy_with_logits(
        logits, rows, reduction="sum") / len(rows)


class Plain(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = stack(784, 512, 256, 32), stack(32, 256, 512, 784)

    def loss(self, rows, noise=None):
        return nats(self.decoder(self.encoder(rows)), rows)

    def layers(self):
        """Each layer by its name in our files."""
        encoder, decoder = ([part for part in side if isinstance(part, torch.nn.Linear)]
                            for side in (self.encoder, self.decoder))
        return {"encoder.0": encoder[0], "encoder.1": encoder[1], "latent.code": encoder[2],
                "decoder.0": decoder[0], "decoder.1": decoder[1], "output": decoder[2]}


class Variational(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = stack(784, 400), stack(20, 400, 784)
        self.mu, self.log_variance = torch.nn.Linear(400, 20), torch.nn.Linear(400, 20)

    def loss(self, rows, noise=None):
        hidden = torch.relu(self.encoder(rows))
        mu = self.mu(hidden)
        log_variance = 10 * torch.tanh(self.log_variance(hidden) / 10)  # bounded, as ours is
        noise = torch.randn_like(mu) if noise is None else noise
        code = mu + torch.exp(log_variance / 2) * noise
        divergence = (log_variance.exp() - log_variance - 1 + mu * mu).sum() / 2 / len(rows)
        return nats(self.decoder(code), rows) + divergence

    def layers(self):
        return {"encoder.0": self.encoder[0], "latent.mu": self.mu,
                "latent.log_variance": self.log_variance,
                "decoder.0": self.decoder[0], "output": self.decoder[2]}


MODELS = {"ae": Plain, "vae": Variational}


def step(model, optimizer, rows, noise=None):
    optimizer.zero_grad()
    loss = model.loss(rows, noise)
    loss.backward()
    optimizer.step()
    return loss


def train(rows, name, epochs, threads):
    torch.set_num_threads(int(threads))
    torch.manual_seed(1)
    model = MODELS[name]()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(int(epochs)):
        if epoch == 1:
            start = time.perf_counter()
        for indices in torch.randperm(len(rows)).split(BATCH):
            step(model, optimizer, rows[indices])
    return {"rows_per_second":
            (int(epochs) - 1) * len(rows) / (time.perf_counter() - start)}


def tensors(path):
    with open(path, "rb") as file:
        data = file.read()
    size = int.from_bytes(data[:8], "little")
    return {name: torch.from_numpy(numpy.frombuffer(
        data, "<f4", offset=8 + size + entry["data_offsets"][0],
        count=int(numpy.prod(entry["shape"]))).reshape(entry["shape"]).copy())
        for name, entry in json.loads(data[8:8 + size]).items() if name != "__metadata__"}


def losses(rows, name, steps, path):
    first, model = tensors(path), MODELS[name]()
    for layer_name, layer in model.layers().items():
        layer.weight.data = first[f"{layer_name}.weight"]
        layer.bias.data = first[f"{layer_name}.bias"].reshape(-1)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    return {"losses": [step(model, optimizer, rows[:BATCH], first["noise"][i]).item()
                       for i in range(int(steps))]}


def main():
    rows = torch.from_numpy(numpy.load(sys.argv[1]))
    commands = {"train": train, "losses": losses}
    for line in sys.stdin:
        command, *words = line.split()
        print(json.dumps(commands[command](rows, *words)), flush=True)


if __name__ == "__main__":
    main()
