// An autoencoder whose answers are known in closed form: the code of a row is its first entries
// times `gain`, the reconstruction is the row plus `shift`, -log p(x|z) is half the squared
// distance of the row's first entries from the code. A code decodes to its entries, then zeros.
#ifndef LATENT_TESTS_UNIT_EVAL_FAKE_MODEL_H_
#define LATENT_TESTS_UNIT_EVAL_FAKE_MODEL_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/base/random.h"
#include "core/model/autoencoder.h"

namespace latent::testing {

class FakeModel : public Autoencoder {
 public:
  FakeModel(std::size_t columns, std::size_t latent_dim)
      : columns_(columns), latent_dim_(latent_dim), means_(columns) {}

  float gain = 1;
  float shift = 0;
  float sigma = 0;  // > 0: a Gaussian code of this deviation in every entry
  v1::ModelSpec model_spec;

  std::size_t columns() const override { return columns_; }
  std::size_t latent_dim() const override { return latent_dim_; }
  bool variational() const override { return sigma > 0; }
  const v1::ModelSpec& spec() const override { return model_spec; }
  std::string LatentSpaceId() const override { return "0123456789abcdef"; }
  std::uint64_t weight_bytes() const override { return 0; }

  void Forward(const LabelledRows& rows, const ForwardOutputs& out, Workspace&) const override {
    for (std::size_t r = 0; r < rows.rows; ++r) {
      double nats = 0;
      for (std::size_t i = 0; i < latent_dim_; ++i) {
        const float code = gain * rows(r, i);
        if (out.codes.data != nullptr) out.codes(r, i) = code;
        if (out.sigma.data != nullptr) out.sigma(r, i) = sigma;
        nats += Half(rows(r, i) - code);
      }
      for (std::size_t c = 0; c < columns_ && out.reconstruction.data != nullptr; ++c) {
        out.reconstruction(r, c) = rows(r, c) + shift;
      }
      const double squared = static_cast<double>(columns_) * shift * shift;
      if (!out.squared_error.empty()) out.squared_error[r] = squared;
      if (!out.reconstruction_nats.empty()) out.reconstruction_nats[r] = nats;
      if (!out.kl.empty()) out.kl[r] = kKl;
      if (!out.score.empty()) out.score[r] = rows(r, 0);
    }
  }
  // The code, then zeros.
  void Decode(const LabelledRows& codes, Matrix rows, Workspace&) const override {
    for (std::size_t r = 0; r < rows.rows; ++r) {
      for (std::size_t c = 0; c < columns_; ++c) rows(r, c) = c < latent_dim_ ? codes(r, c) : 0;
    }
  }
  void ReconstructionNats(const LabelledRows& rows, ConstMatrix codes, std::span<double> nats,
                          Workspace&) const override {
    for (std::size_t r = 0; r < rows.rows; ++r) {
      nats[r] = 0;
      for (std::size_t i = 0; i < latent_dim_; ++i) nats[r] += Half(rows(r, i) - codes(r, i));
    }
  }
  absl::Status CheckTargets(ConstMatrix, std::size_t) const override { return absl::OkStatus(); }
  void DrawCells(Matrix, std::uint64_t, std::uint64_t) const override {}
  absl::Status Corrupt(ConstMatrix rows, const v1::Corruption& corruption, std::uint64_t seed,
                       Matrix noisy) const override {
    for (std::size_t r = 0; r < rows.rows; ++r) {
      FillNormal({.seed = seed, .sample = r}, noisy.row(r));
      for (std::size_t c = 0; c < columns_; ++c) {
        noisy(r, c) = rows(r, c) + static_cast<float>(corruption.gaussian().sigma()) * noisy(r, c);
      }
    }
    return absl::OkStatus();
  }
  std::span<const float> column_means() const override { return means_; }
  void ScaleRows(ConstMatrix rows, Matrix scaled) const override {
    for (std::size_t r = 0; r < rows.rows; ++r) {
      for (std::size_t c = 0; c < columns_; ++c) scaled(r, c) = rows(r, c);
    }
  }
  void AddTensors(TensorFile&) const override {}

  static constexpr double kKl = 0.75;

 private:
  static double Half(float difference) { return static_cast<double>(difference) * difference / 2; }

  const std::size_t columns_;
  const std::size_t latent_dim_;
  const std::vector<float> means_;
};

}  // namespace latent::testing

#endif  // LATENT_TESTS_UNIT_EVAL_FAKE_MODEL_H_
