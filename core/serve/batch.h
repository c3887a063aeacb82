// Joins the passes of several calls on one version into one pass over the model. One runner per
// thread (event loop or executor thread), reused, so that buffers grow once; Run() on that thread
// alone, stats() from any. A row's answer does not depend on who shares its batch.
#ifndef LATENT_CORE_SERVE_BATCH_H_
#define LATENT_CORE_SERVE_BATCH_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "core/model/autoencoder.h"
#include "core/serve/operations.h"

namespace latent {

// Counts since the start, per bucket, not cumulative.
struct BatchStats {
  // A batch of r rows falls in the first bucket whose bound is >= r; the last has no bound.
  static constexpr std::array<double, 13> kRowBounds = {1,   2,   4,   8,    16,   32,  64,
                                                        128, 256, 512, 1024, 2048, 4096};
  // Bounds in seconds of a batch's compute time.
  static constexpr std::array<double, 12> kSecondBounds = {
      20e-6, 50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3, 10e-3, 50e-3, 200e-3, 1};
  std::array<std::uint64_t, kRowBounds.size() + 1> batches_by_rows{};
  std::array<std::uint64_t, kSecondBounds.size() + 1> batches_by_seconds{};
  std::uint64_t batches = 0;
  std::uint64_t rows = 0;
  double compute_seconds = 0;

  BatchStats& operator+=(const BatchStats& other);
};

class BatchRunner {
 public:
  // Rows that go through the model at once.
  static constexpr std::size_t kPieceRows = 256;

  BatchRunner() = default;
  BatchRunner(const BatchRunner&) = delete;
  BatchRunner& operator=(const BatchRunner&) = delete;

  // Runs every pass of `operations`, all of which are on the same version, and leaves their results
  // in them. Takes as long as the rows need.
  void Run(std::span<Operation* const> operations);
  // Runs one operation, which may be large; asks before every piece of kPieceRows rows whether it
  // still has to be done, and returns what `still_wanted` says if that is an error.
  absl::Status Run(Operation& operation, const std::function<absl::Status()>& still_wanted);

  BatchStats stats() const;

 private:
  void RunPasses(const Autoencoder& model, std::span<const Pass> passes);
  // The rows of `pass` from `first` on, at most kPieceRows.
  void RunPiece(const Autoencoder& model, const Pass& pass, std::size_t first);
  void RunJoined(const Autoencoder& model, std::span<const Pass> passes, std::size_t rows);
  void Count(std::size_t rows, double seconds);

  Workspace workspace_;
  std::vector<Operation*> active_;
  std::vector<Pass> forward_, decode_;
  // Of the joined batch.
  std::vector<std::int32_t> labels_;
  std::vector<float> input_, codes_, sigma_, reconstruction_, feature_nats_;
  std::vector<double> squared_error_, score_, reconstruction_nats_, kl_;

  // Written by the running thread alone, read by whoever scrapes.
  std::array<std::atomic<std::uint64_t>, BatchStats::kRowBounds.size() + 1> by_rows_{};
  std::array<std::atomic<std::uint64_t>, BatchStats::kSecondBounds.size() + 1> by_seconds_{};
  std::atomic<std::uint64_t> batches_{0};
  std::atomic<std::uint64_t> rows_{0};
  std::atomic<double> compute_seconds_{0};
};

}  // namespace latent

#endif  // LATENT_CORE_SERVE_BATCH_H_
