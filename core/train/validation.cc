#include "core/train/validation.h"

#include <algorithm>
#include <span>

namespace latent {
namespace {

constexpr std::size_t kChunkRows = 128;

}  // namespace

void ValidationPass::Chunk(const Autoencoder& model, std::uint64_t seed, std::size_t first,
                           std::size_t count, Scratch& scratch) {
  const LabelledRows rows = rows_.Read(first, count, scratch.cells);
  const std::span<double> nats(nats_.data() + first, count);
  const v1::Objective& objective = model.spec().objective();
  if (objective.has_iwae()) {
    if (!scratch.importance) {
      scratch.importance.emplace(model, objective.iwae().draws(), seed);
    }
    scratch.importance->Run(rows, first, nats);
    return;
  }
  ForwardOutputs outputs;
  if (!model.variational()) {
    outputs.reconstruction_nats = nats;
    model.Forward(rows, outputs, scratch.workspace);
    return;
  }
  const std::size_t dim = model.latent_dim();
  scratch.codes.resize(kChunkRows * dim);
  scratch.sigma.resize(kChunkRows * dim);
  scratch.kl.resize(kChunkRows);
  outputs.codes = Matrix(scratch.codes.data(), count, dim);
  outputs.sigma = Matrix(scratch.sigma.data(), count, dim);
  outputs.kl = std::span<double>(scratch.kl).first(count);
  model.Forward(rows, outputs, scratch.workspace);
  DrawCodes(outputs.codes, outputs.sigma, seed, first, outputs.codes);
  model.ReconstructionNats(rows, outputs.codes, nats, scratch.workspace);
  for (std::size_t r = 0; r < count; ++r) nats[r] += scratch.kl[r];
}

double ValidationPass::Objective(const Autoencoder& model, std::uint64_t seed, ThreadPool& pool) {
  scratch_.resize(std::max(scratch_.size(), pool.threads()));
  pool.Run([&](std::size_t thread) {
    const auto [begin, length] = Share(rows_.rows, pool.threads(), thread, kChunkRows);
    for (std::size_t done = 0; done < length; done += kChunkRows) {
      Chunk(model, seed, begin + done, std::min(kChunkRows, length - done), scratch_[thread]);
    }
  });
  double sum = 0;
  for (const double nats : nats_) sum += nats;
  return sum / static_cast<double>(nats_.size());
}

}  // namespace latent
