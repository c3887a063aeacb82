#include "core/eval/importance.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/base/random.h"
#include "core/base/status.h"
#include "core/base/thread_pool.h"

namespace latent {
namespace {

constexpr std::size_t kBatchRows = 128;

}  // namespace

ImportanceSampler::ImportanceSampler(const Autoencoder& model, std::size_t draws,
                                     std::uint64_t seed)
    : model_(model), draws_(draws), seed_(seed) {}

void ImportanceSampler::Run(const LabelledRows& rows, std::size_t first_row,
                            std::span<double> nats) {
  const std::size_t n = rows.rows;
  const std::size_t dim = model_.latent_dim();
  for (std::vector<float>* cells : {&mean_, &sigma_, &codes_}) cells->resize(n * dim);
  nats_.resize(n);
  greatest_.assign(n, -std::numeric_limits<double>::infinity());
  sum_.assign(n, 0);
  ForwardOutputs outputs;
  outputs.codes = Matrix(mean_.data(), n, dim);
  outputs.sigma = Matrix(sigma_.data(), n, dim);
  model_.Forward(rows, outputs, workspace_);
  for (std::size_t k = 0; k < draws_; ++k) AddDraw(rows, first_row, k);
  const double log_draws = std::log(static_cast<double>(draws_));
  for (std::size_t r = 0; r < n; ++r) nats[r] = log_draws - greatest_[r] - std::log(sum_[r]);
}

void ImportanceSampler::AddDraw(const LabelledRows& rows, std::size_t first_row, std::size_t draw) {
  const std::size_t n = rows.rows;
  const std::size_t dim = model_.latent_dim();
  const Matrix mean(mean_.data(), n, dim), sigma(sigma_.data(), n, dim);
  const Matrix codes(codes_.data(), n, dim);
  DrawCodes(mean, sigma, DeriveSeed(seed_, draw), first_row, codes);
  model_.ReconstructionNats(rows, codes, nats_, workspace_);
  for (std::size_t r = 0; r < n; ++r) {
    // log w = log p(x|z) + log p(z) - log q(z|x), of which ln 2 pi cancels. The density is that of
    // the code as it was rounded.
    double log_weight = -nats_[r];
    for (std::size_t i = 0; i < dim; ++i) {
      const double z = codes(r, i);
      const double s = sigma(r, i);
      const double e = (z - static_cast<double>(mean(r, i))) / s;
      log_weight += (e * e - z * z) / 2 + std::log(s);
    }
    if (log_weight > greatest_[r]) {
      sum_[r] = sum_[r] * std::exp(greatest_[r] - log_weight) + 1;
      greatest_[r] = log_weight;
    } else {
      sum_[r] += std::exp(log_weight - greatest_[r]);
    }
  }
}

absl::StatusOr<Mean> ImportanceNll(const Autoencoder& model, const RowsView& rows,
                                   std::size_t draws, std::uint64_t seed, std::size_t threads,
                                   const std::stop_token& stop) {
  std::vector<double> nats(rows.rows);
  ThreadPool pool(threads);
  pool.Run([&](std::size_t thread) {
    ImportanceSampler sampler(model, draws, seed);
    std::vector<float> scratch;
    const auto [begin, own] = Share(rows.rows, pool.threads(), thread, kBatchRows);
    for (std::size_t done = 0; done < own && !stop.stop_requested(); done += kBatchRows) {
      const std::size_t count = std::min(kBatchRows, own - done);
      sampler.Run(rows.Read(begin + done, count, scratch), begin + done,
                  std::span(nats).subspan(begin + done, count));
    }
  });
  if (stop.stop_requested()) return absl::CancelledError("evaluation was stopped");
  Mean mean;
  for (const double value : nats) mean.Add(value);
  return mean;
}

}  // namespace latent
