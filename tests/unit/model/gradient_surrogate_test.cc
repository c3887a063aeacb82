// Gradients that are not the loss's own, as parts of it count as constants: those of dead top-k
// entries, and the straight-through one; against differences of what they stand for, in float64.
#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/unit/model/gradient_checker.h"

namespace latent {
namespace {

// The residual counts as a constant, so only what does not change it can be checked: entries that
// are in no row's code.
TEST(DeadEntryGradientTest, EqualsDifferencesWhereTheResidualStays) {
  for (const char* tied : {"", "tied_weights: true "}) {
    const UniformRows data(kRows, kColumns);
    const auto model = MakeModel(
        ParseSpec(absl::StrCat(tied,
                               "latent { dim: 8 top_k { k: 1 relu: true dead_after_rows: 9 "
                               "dead_weight: 0.5 dead_k: 3 } } likelihood { gaussian { "
                               "variance: 0.7 } } objective { reconstruction {} }")),
        data.rows);
    OneBatch batch(model.get(), data.rows);
    for (std::uint64_t& counter : batch.pass.counters()) counter = 1;
    batch.Step(0);
    std::vector<std::size_t> unused;
    for (std::size_t i = 0; i < 8; ++i) {
      if (batch.pass.counters()[i] > kRows) unused.push_back(i);
      batch.pass.counters()[i] = batch.pass.counters()[i] > kRows ? 9 : 0;
    }
    ASSERT_GE(unused.size(), 4u);
    EXPECT_GT(batch.ForwardBackward().dead, 0);
    const std::vector<double> analytic(batch.pass.gradient().begin(), batch.pass.gradient().end());
    ParameterSet& parameters = model->parameters();
    const auto loss_at = [&](double& parameter, double value) {
      const double kept = std::exchange(parameter, value);
      batch.Refresh();
      const double loss = batch.Forward().total;
      parameter = kept;
      batch.Refresh();
      return loss;
    };
    const auto check = [&](std::size_t segment, std::size_t index) {
      const std::size_t at = parameters.segment(segment).offset + index;
      double& parameter = parameters.values()[at];
      const double h = 1e-5;
      const double numeric =
          (loss_at(parameter, parameter + h) - loss_at(parameter, parameter - h)) / (2 * h);
      EXPECT_NEAR(analytic[at], numeric, 1e-6 * std::max(1.0, std::abs(numeric)))
          << tied << parameters.segment(segment).name << "[" << index << "]";
    };
    const bool is_tied = tied[0] != 0;
    for (const std::size_t i : unused) {
      check(parameters.Find("latent.code.bias"), i);
      for (std::size_t c = 0; c < kColumns; ++c) {
        check(parameters.Find("latent.code.weight"), c * 8 + i);
        if (!is_tied) check(parameters.Find("output.weight"), i * kColumns + c);
      }
    }
  }
}

// The straight-through gradient is that of a surrogate: the decoder reads z + (e - z0), where z0
// and the vectors e that replace it are held as they are, and commitment |z - e|^2 / 2 is charged.
// Its differences come from a deterministic model of the same weights.
class StraightThrough {
 public:
  StraightThrough(const std::string& parts, double l2)
      : data_(kRows, kColumns),
        model_(MakeModel(ParseSpec(parts + kQuantised), data_.rows)),
        twin_(
            MakeModel(ParseSpec(parts + "latent { dim: 6 deterministic { activation: "
                                        "ACTIVATION_IDENTITY } } objective { reconstruction {} }"),
                      data_.rows)),
        batch_(model_.get(), data_.rows),
        l2_(l2) {
    FillNormal({.seed = 5}, model_->parameters().values());
    batch_.Refresh();
    for (const ParameterSegment& segment : twin_->parameters().segments()) {
      const std::span<double> from =
          model_->parameters().span(model_->parameters().Find(segment.name));
      std::copy(from.begin(), from.end(),
                twin_->parameters().values().begin() + static_cast<std::ptrdiff_t>(segment.offset));
    }
    twin_->RefreshPacked();
    vectors_ = Codes(*model_);
    offsets_ = vectors_;
    const std::vector<double> start = Codes(*twin_);
    for (std::size_t i = 0; i < start.size(); ++i) offsets_[i] -= start[i];
  }

  double WorstError(std::string* where) {
    batch_.ForwardBackward();
    double worst = 0;
    for (const ParameterSegment& segment : twin_->parameters().segments()) {
      const std::size_t at =
          model_->parameters().segment(model_->parameters().Find(segment.name)).offset;
      for (std::size_t i = 0; i < segment.size(); ++i) {
        const double a = batch_.pass.gradient()[at + i];
        double& parameter = twin_->parameters().values()[segment.offset + i];
        const double h = 1e-5, x = parameter;
        const double n = (LossAt(parameter, x + h) - LossAt(parameter, x - h)) / (2 * h);
        const double error = std::abs(a - n) / std::max({std::abs(a), std::abs(n), 1e-3});
        if (error <= worst) continue;
        worst = error;
        *where = absl::StrCat(segment.name, "[", i, "]: gradient ", a, ", differences ", n);
      }
    }
    return worst;
  }
  double SurrogateLoss() {
    const std::vector<double> z = Codes(*twin_);
    std::vector<double> read = z, nats(kRows);
    double charged = 0;
    for (std::size_t i = 0; i < z.size(); ++i) {
      read[i] += offsets_[i];
      charged += 0.4 * (z[i] - vectors_[i]) * (z[i] - vectors_[i]) / 2 + l2_ * read[i] * read[i];
    }
    twin_->ReconstructionNats(data_.rows, ConstMatrix(read.data(), kRows, 6), nats, ws_);
    for (const double n : nats) charged += n;
    return charged / kRows;
  }
  double Loss() { return batch_.Forward().total; }
  // By one entry of the code's bias, of the loss as it is.
  double LossDifference() {
    double& bias = model_->parameters().span(model_->parameters().Find("latent.code.bias"))[0];
    const double h = 1e-6, x = bias;
    const auto at = [&](double value) {
      bias = value;
      return Loss();
    };
    const double difference = (at(x + h) - at(x - h)) / (2 * h);
    bias = x;
    return difference;
  }
  double BiasGradient() {
    batch_.ForwardBackward();
    return batch_.pass.gradient()
        [model_->parameters().segment(model_->parameters().Find("latent.code.bias")).offset];
  }

 private:
  static constexpr char kQuantised[] =
      " latent { dim: 6 vector_quantised { groups: 3 codebook_size: 5 commitment: 0.4 decay: 0.9"
      " smoothing: 1e-5 restart_after_rows: 9 } } objective { reconstruction {} }";

  std::vector<double> Codes(const ComposedAutoencoder& model) {
    std::vector<double> codes(kRows * 6);
    model.Forward(data_.rows, {.codes = Matrix(codes.data(), kRows, 6)}, ws_);
    return codes;
  }
  double LossAt(double& parameter, double value) {
    const double kept = std::exchange(parameter, value);
    twin_->RefreshPacked();
    const double loss = SurrogateLoss();
    parameter = kept;
    twin_->RefreshPacked();
    return loss;
  }

  UniformRows data_;
  std::unique_ptr<ComposedAutoencoder> model_, twin_;
  OneBatch batch_;
  double l2_;
  Workspace ws_;
  std::vector<double> vectors_, offsets_;
};

TEST(StraightThroughGradientTest, EqualsDifferencesOfTheSurrogate) {
  const std::string hidden = "layers { dense { units: 4 activation: ACTIVATION_TANH } } ";
  for (const char* likelihood : {"gaussian { variance: 0.5 }", "bernoulli {}"}) {
    for (const bool tied : {false, true}) {
      for (const double l2 : {0.0, 0.03}) {
        const std::string parts =
            absl::StrCat("encoder { ", hidden, " } decoder { ", hidden, " } likelihood { ",
                         likelihood, " } tied_weights: ", tied ? "true" : "false",
                         " penalties { l2 { per_layer: 0 per_layer: ", l2, " per_layer: 0 } }");
        StraightThrough checked(parts, l2);
        std::string where;
        EXPECT_NEAR(checked.Loss(), checked.SurrogateLoss(), 1e-9) << parts;
        EXPECT_LT(checked.WorstError(&where), 1e-6) << parts << "\n" << where;
      }
    }
  }
}

TEST(StraightThroughGradientTest, IsNotTheGradientOfTheLoss) {
  StraightThrough checked("encoder {} likelihood { gaussian { variance: 0.5 } }", 0);
  EXPECT_GT(std::abs(checked.BiasGradient() - checked.LossDifference()), 0.01);
}

}  // namespace
}  // namespace latent
