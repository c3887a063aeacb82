#include "core/serve/batch.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "core/base/status.h"

namespace latent {
namespace {

template <std::size_t N>
std::size_t BucketOf(const std::array<double, N>& bounds, double value) {
  return static_cast<std::size_t>(std::lower_bound(bounds.begin(), bounds.end(), value) -
                                  bounds.begin());
}

template <typename T>
void Add(std::atomic<T>& counter, T amount) {
  // One writer: no read-modify-write is needed.
  counter.store(counter.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
}

void CopyRows(ConstMatrix from, Matrix to) {
  for (std::size_t r = 0; r < from.rows; ++r) {
    std::memcpy(to.row(r).data(), from.row(r).data(), from.columns * sizeof(float));
  }
}

// The rows of every output that is wanted.
ForwardOutputs SliceOutputs(const ForwardOutputs& outputs, std::size_t first, std::size_t count) {
  const auto rows = [&](Matrix m) { return m.data == nullptr ? m : m.slice_rows(first, count); };
  const auto numbers = [&](std::span<double> s) { return s.empty() ? s : s.subspan(first, count); };
  ForwardOutputs slice;
  slice.codes = rows(outputs.codes);
  slice.sigma = rows(outputs.sigma);
  slice.reconstruction = rows(outputs.reconstruction);
  slice.squared_error = numbers(outputs.squared_error);
  slice.score = numbers(outputs.score);
  slice.reconstruction_nats = numbers(outputs.reconstruction_nats);
  slice.kl = numbers(outputs.kl);
  slice.feature_nats = rows(outputs.feature_nats);
  return slice;
}

// Gives each pass its rows of the joined outputs, where it asked for them.
void Scatter(const ForwardOutputs& joined, std::size_t first, const Pass& pass) {
  const std::size_t count = pass.input.rows;
  const auto rows = [&](Matrix from, Matrix to) {
    if (to.data != nullptr) CopyRows(from.slice_rows(first, count), to);
  };
  const auto numbers = [&](std::span<double> from, std::span<double> to) {
    if (!to.empty())
      std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(first), count, to.begin());
  };
  rows(joined.codes, pass.outputs.codes);
  rows(joined.sigma, pass.outputs.sigma);
  rows(joined.reconstruction, pass.outputs.reconstruction);
  numbers(joined.squared_error, pass.outputs.squared_error);
  numbers(joined.score, pass.outputs.score);
  numbers(joined.reconstruction_nats, pass.outputs.reconstruction_nats);
  numbers(joined.kl, pass.outputs.kl);
  rows(joined.feature_nats, pass.outputs.feature_nats);
}

void RunModel(const Autoencoder& model, Pass::Kind kind, const LabelledRows& input,
              const ForwardOutputs& outputs, Workspace& workspace) {
  switch (kind) {
    case Pass::Kind::kForward:
      model.Forward(input, outputs, workspace);
      return;
    case Pass::Kind::kDecode:
      model.Decode(input, outputs.reconstruction, workspace);
      return;
  }
}

}  // namespace

BatchStats& BatchStats::operator+=(const BatchStats& other) {
  for (std::size_t i = 0; i < batches_by_rows.size(); ++i) {
    batches_by_rows[i] += other.batches_by_rows[i];
  }
  for (std::size_t i = 0; i < batches_by_seconds.size(); ++i) {
    batches_by_seconds[i] += other.batches_by_seconds[i];
  }
  batches += other.batches;
  rows += other.rows;
  compute_seconds += other.compute_seconds;
  return *this;
}

absl::Status BatchRunner::Run(Operation& operation,
                              const std::function<absl::Status()>& still_wanted) {
  while (const std::optional<Pass> pass = operation.Next()) {
    const auto start = std::chrono::steady_clock::now();
    for (std::size_t first = 0; first < pass->input.rows; first += kPieceRows) {
      LATENT_RETURN_IF_ERROR(still_wanted());
      RunPiece(operation.model().model(), *pass, first);
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    Count(pass->input.rows, took.count());
  }
  return absl::OkStatus();
}

void BatchRunner::Run(std::span<Operation* const> operations) {
  active_.assign(operations.begin(), operations.end());
  while (!active_.empty()) {
    forward_.clear();
    decode_.clear();
    std::erase_if(active_, [this](Operation* operation) {
      const std::optional<Pass> pass = operation->Next();
      if (pass) (pass->kind == Pass::Kind::kForward ? forward_ : decode_).push_back(*pass);
      return !pass;
    });
    for (const std::vector<Pass>* passes : {&forward_, &decode_}) {
      if (!passes->empty()) RunPasses(operations.front()->model().model(), *passes);
    }
  }
}

void BatchRunner::RunPasses(const Autoencoder& model, std::span<const Pass> passes) {
  const auto start = std::chrono::steady_clock::now();
  std::size_t rows = 0;
  // Small passes share a piece; large ones fill pieces of their own, where copying buys nothing.
  for (std::size_t first = 0; first < passes.size();) {
    std::size_t end = first, joined = 0;
    while (end < passes.size() && joined + passes[end].input.rows <= kPieceRows) {
      joined += passes[end++].input.rows;
    }
    if (end <= first + 1) {
      const Pass& pass = passes[first++];
      rows += pass.input.rows;
      for (std::size_t row = 0; row < pass.input.rows; row += kPieceRows) {
        RunPiece(model, pass, row);
      }
    } else {
      rows += joined;
      RunJoined(model, passes.subspan(first, end - first), joined);
      first = end;
    }
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  Count(rows, took.count());
}

void BatchRunner::RunPiece(const Autoencoder& model, const Pass& pass, std::size_t first) {
  const std::size_t count = std::min(kPieceRows, pass.input.rows - first);
  RunModel(model, pass.kind, pass.input.slice_rows(first, count),
           SliceOutputs(pass.outputs, first, count), workspace_);
}

void BatchRunner::RunJoined(const Autoencoder& model, std::span<const Pass> passes,
                            std::size_t rows) {
  const auto matrix = [&](std::vector<float>& buffer, Matrix ForwardOutputs::*output) -> Matrix {
    const auto wants = std::find_if(passes.begin(), passes.end(), [&](const Pass& pass) {
      return (pass.outputs.*output).data != nullptr;
    });
    if (wants == passes.end()) return {};
    const std::size_t columns = (wants->outputs.*output).columns;
    if (buffer.size() < rows * columns) buffer.resize(rows * columns);
    return {buffer.data(), rows, columns};
  };
  const auto numbers = [&](std::vector<double>& buffer, std::span<double> ForwardOutputs::*output) {
    const bool wanted = std::any_of(passes.begin(), passes.end(), [&](const Pass& pass) {
      return !(pass.outputs.*output).empty();
    });
    if (wanted && buffer.size() < rows) buffer.resize(rows);
    return std::span<double>(buffer.data(), wanted ? rows : 0);
  };
  ForwardOutputs joined;
  joined.codes = matrix(codes_, &ForwardOutputs::codes);
  joined.sigma = matrix(sigma_, &ForwardOutputs::sigma);
  joined.reconstruction = matrix(reconstruction_, &ForwardOutputs::reconstruction);
  joined.squared_error = numbers(squared_error_, &ForwardOutputs::squared_error);
  joined.score = numbers(score_, &ForwardOutputs::score);
  joined.reconstruction_nats = numbers(reconstruction_nats_, &ForwardOutputs::reconstruction_nats);
  joined.kl = numbers(kl_, &ForwardOutputs::kl);
  joined.feature_nats = matrix(feature_nats_, &ForwardOutputs::feature_nats);

  const std::size_t columns = passes.front().input.columns;
  if (input_.size() < rows * columns) input_.resize(rows * columns);
  const Matrix input(input_.data(), rows, columns);
  labels_.clear();
  std::size_t at = 0;
  for (const Pass& pass : passes) {
    CopyRows(pass.input, input.slice_rows(at, pass.input.rows));
    for (std::size_t r = 0; pass.input.labels.given() && r < pass.input.rows; ++r) {
      labels_.push_back(pass.input.labels[r]);
    }
    at += pass.input.rows;
  }
  RunModel(model, passes.front().kind, {input, labels_}, joined, workspace_);
  at = 0;
  for (const Pass& pass : passes) {
    Scatter(joined, at, pass);
    at += pass.input.rows;
  }
}

void BatchRunner::Count(std::size_t rows, double seconds) {
  Add(by_rows_[BucketOf(BatchStats::kRowBounds, static_cast<double>(rows))], std::uint64_t{1});
  Add(by_seconds_[BucketOf(BatchStats::kSecondBounds, seconds)], std::uint64_t{1});
  Add(batches_, std::uint64_t{1});
  Add(rows_, static_cast<std::uint64_t>(rows));
  Add(compute_seconds_, seconds);
}

BatchStats BatchRunner::stats() const {
  BatchStats stats;
  for (std::size_t i = 0; i < by_rows_.size(); ++i) {
    stats.batches_by_rows[i] = by_rows_[i].load(std::memory_order_relaxed);
  }
  for (std::size_t i = 0; i < by_seconds_.size(); ++i) {
    stats.batches_by_seconds[i] = by_seconds_[i].load(std::memory_order_relaxed);
  }
  stats.batches = batches_.load(std::memory_order_relaxed);
  stats.rows = rows_.load(std::memory_order_relaxed);
  stats.compute_seconds = compute_seconds_.load(std::memory_order_relaxed);
  return stats;
}

}  // namespace latent
