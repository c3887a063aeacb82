"""The mult-vae of arXiv 1802.05814 in PyTorch, with the plan of ours: batches, learning rate, decay, clipping and
KL weight are the same update by update. Reads `train TRAIN VALIDATION EPOCHS BATCH THREADS HIDDEN LATENT` a line,
answers with JSON: users a second and the final model's objective (one draw a row, KL weighed 1) on VALIDATION.
Rows stand dense in memory, which is the fastest way to feed it."""
import json
import math
import sys
import time

import torch
from torch import nn

RATE, DECAY, CLIP, BETA = 1e-3, 1e-5, 5.0, 0.2


def rows(path, columns):
    lines = [[int(item) for item in line.split()] for line in open(path)]
    columns = max([columns] + [max(line) + 1 for line in lines if line])
    cells = torch.zeros(len(lines), columns)
    for row, line in zip(cells, lines):
        row[line] = 1
    return cells


class MultVae(nn.Module):
    def __init__(self, items, hidden, latent):
        super().__init__()
        self.encoder, self.mean = nn.Linear(items, hidden), nn.Linear(hidden, latent)
        self.log_variance = nn.Linear(hidden, latent)
        self.decoder, self.output = nn.Linear(latent, hidden), nn.Linear(hidden, items)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)
        with torch.no_grad():
            self.log_variance.weight.mul_(0.1)

    def forward(self, x, noise=True):
        h = nn.functional.normalize(x)
        h = nn.functional.dropout(h, 0.5, training=noise)
        h = torch.tanh(self.encoder(h))
        mean, log_variance = self.mean(h), self.log_variance(h)
        code = mean + torch.exp(log_variance / 2) * torch.randn_like(mean)
        logits = self.output(torch.tanh(self.decoder(code)))
        nats = -(nn.functional.log_softmax(logits, 1) * x).sum(1)
        kl = (mean.square() + log_variance.exp() - 1 - log_variance).sum(1) / 2
        return nats.mean(), kl.mean()


def rate(update, updates):
    warm = 0.05 * updates
    if update < warm:
        return update / warm
    share = (update - warm) / (updates - warm)
    return 0.01 + 0.99 * (1 + math.cos(math.pi * share)) / 2


def train(train_file, validation_file, epochs, batch, threads, hidden, latent):
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    data = rows(train_file, 0)
    validation = rows(validation_file, data.shape[1])
    data = nn.functional.pad(data, (0, validation.shape[1] - data.shape[1]))
    model = MultVae(data.shape[1], hidden, latent)
    share = data.mean(0).clamp(min=1e-6).log()
    with torch.no_grad():
        model.output.bias.copy_(share)
    matrices = [p for p in model.parameters() if p.dim() == 2]
    biases = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": DECAY},
                                   {"params": biases, "weight_decay": 0}], lr=RATE, fused=True)
    updates, update = epochs * math.ceil(len(data) / batch), 0
    start = time.perf_counter()
    for _ in range(epochs):
        order = torch.randperm(len(data))
        for first in range(0, len(data), batch):
            update += 1
            for group in optimizer.param_groups:
                group["lr"] = RATE * rate(update, updates)
            nats, kl = model(data[order[first:first + batch]])
            loss = nats + BETA * min(1, update / (updates / 3)) * kl
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimizer.step()
    seconds = time.perf_counter() - start
    with torch.no_grad():
        nats, kl = model(validation, noise=False)
    return {"users_per_second": len(data) * epochs / seconds, "objective": (nats + kl).item()}


def main():
    for line in sys.stdin:
        _, train_file, validation_file, *numbers = line.split()
        print(json.dumps(train(train_file, validation_file, *map(int, numbers))), flush=True)


if __name__ == "__main__":
    main()
