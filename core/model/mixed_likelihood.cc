// A row of a table: numeric cells are Gaussian with a variance of their column, runs of one-hot
// cells are draws of a category by the softmax of their logits. Cells without a value (NaN) are
// left out, and so is a run with such a cell.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/model/likelihood.h"
#include "core/model/softmax.h"

LATENT_NUMERICS_BEGIN
namespace {

// Bounds of a learned ln(variance).
constexpr double kLeastTableLogVariance = -6;
constexpr double kGreatestTableLogVariance = 6;

bool AnyMissing(std::span<const Real> cells) {
  return std::any_of(cells.begin(), cells.end(), [](Real x) { return std::isnan(x); });
}

// SoftmaxNats of a run; nothing where a cell has no value.
double RunNats(std::span<const Real> logits, std::span<const Real> target, Real scale,
               std::span<Real> gradient, std::span<Real> cells) {
  if (!AnyMissing(target)) return SoftmaxNats(logits, target, scale, gradient, cells);
  std::fill(gradient.begin(), gradient.end(), Real{0});
  std::fill(cells.begin(), cells.end(), Real{0});
  return 0;
}

template <typename Span>
Span RunOf(Span row, const ColumnSpan& run) {
  return row.empty() ? row : row.subspan(run.first, run.count);
}

class MixedLikelihood final : public RowLikelihood {
 public:
  MixedLikelihood(const v1::MixedLikelihood& spec, std::size_t columns, ParameterSet* parameters)
      : parameters_(*parameters) {
    for (const v1::ColumnRun& run : spec.categorical()) runs_.push_back({run.first(), run.count()});
    std::size_t next = 0;
    for (const ColumnSpan& run : runs_) {
      for (; next < run.first; ++next) numeric_.push_back(next);
      next += run.count;
    }
    for (; next < columns; ++next) numeric_.push_back(next);
    if (spec.has_variance()) first_log_variance_ = std::log(spec.variance());
    if (!spec.learned_variance() || numeric_.empty()) return;
    first_log_variance_ =
        std::clamp(first_log_variance_, kLeastTableLogVariance, kGreatestTableLogVariance);
    learned_ = parameters->Add("likelihood.log_variance", numeric_.size(), 1, false);
  }

  double Nats(std::span<const Real> parameters, std::span<const Real> target, Real scale,
              std::span<Real> gradient, std::span<Real> cells) const override {
    double nats = 0;
    for (std::size_t i = 0; i < numeric_.size(); ++i) {
      const std::size_t c = numeric_[i];
      const bool missing = std::isnan(target[c]);
      const double lv = log_variance(i);
      const double d =
          missing ? 0 : static_cast<double>(parameters[c]) - static_cast<double>(target[c]);
      const double pull = d * std::exp(-lv);
      const double own = missing ? 0 : d * pull / 2 + (std::log(2 * std::numbers::pi) + lv) / 2;
      nats += own;
      if (!cells.empty()) cells[c] = static_cast<Real>(own);
      if (!gradient.empty()) gradient[c] = static_cast<Real>(static_cast<double>(scale) * pull);
    }
    for (const ColumnSpan& run : runs_) {
      nats += RunNats(RunOf(parameters, run), RunOf(target, run), scale, RunOf(gradient, run),
                      RunOf(cells, run));
    }
    return nats;
  }

  void ToMean(std::span<Real> parameters) const override {
    for (const ColumnSpan& run : runs_) Softmax(RunOf(parameters, run));
  }

  // Of each run one cell is 1, the others 0.
  void Draw(const RandomKey& key, std::span<Real> mean, std::span<Real> noise) const override {
    FillNormal(key, noise);
    for (std::size_t i = 0; i < numeric_.size(); ++i) {
      const auto sigma = static_cast<Real>(std::exp(log_variance(i) / 2));
      mean[numeric_[i]] += sigma * noise[numeric_[i]];
    }
    for (const ColumnSpan& run : runs_) {
      // A normal number's place among all of them is uniform.
      const double normal = static_cast<double>(noise[run.first]);
      DrawOneHot(std::erfc(-normal / std::numbers::sqrt2) / 2, RunOf(mean, run));
    }
  }

  std::optional<CellRange> range(std::size_t column) const override {
    for (const ColumnSpan& run : runs_) {
      if (column >= run.first && column < run.first + run.count) return CellRange{0, 1};
    }
    return std::nullopt;
  }

  Real OutputBias(std::size_t column, double scaled_mean) const override {
    if (!range(column)) return static_cast<Real>(scaled_mean);
    return LogitOfShare(scaled_mean);
  }

  bool takes_missing() const override { return true; }
  std::span<const ColumnSpan> unscaled() const override { return runs_; }

  std::optional<std::size_t> learned() const override { return learned_; }
  bool learns_by_column() const override { return true; }

  void AddLearnedGradient(std::span<const Real> parameters, std::span<const Real> target,
                          double weight, std::size_t first,
                          std::span<double> gradient) const override {
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      const std::size_t c = numeric_[first + i];
      if (std::isnan(target[c])) continue;
      const double d = static_cast<double>(parameters[c]) - static_cast<double>(target[c]);
      gradient[i] += weight * (1 - d * d * std::exp(-log_variance(first + i))) / 2;
    }
  }

  void InitialiseLearned(ParameterSet& parameters) const override {
    if (!learned_) return;
    std::ranges::fill(parameters.span(*learned_), static_cast<Real>(first_log_variance_));
  }

  void BoundLearned(ParameterSet& parameters) const override {
    if (!learned_) return;
    for (Real& value : parameters.span(*learned_)) {
      value = std::clamp(value, static_cast<Real>(kLeastTableLogVariance),
                         static_cast<Real>(kGreatestTableLogVariance));
    }
  }

 private:
  // Of the numeric column `numeric_[i]`.
  double log_variance(std::size_t i) const {
    return learned_ ? static_cast<double>(parameters_.span(*learned_)[i]) : first_log_variance_;
  }

  const ParameterSet& parameters_;
  std::vector<ColumnSpan> runs_;
  std::vector<std::size_t> numeric_;  // the other columns, rising
  double first_log_variance_ = 0;
  std::optional<std::size_t> learned_;
};

}  // namespace

std::string FaultOfRuns(const v1::MixedLikelihood& spec, std::size_t columns) {
  std::uint64_t next = 0;
  for (int i = 0; i < spec.categorical_size(); ++i) {
    const v1::ColumnRun& run = spec.categorical(i);
    const std::uint64_t end = std::uint64_t{run.first()} + run.count();
    if (run.count() < 1 || run.first() < next || end > columns) {
      return absl::StrCat("expected runs of at least 1 of the ", columns,
                          " columns, rising and apart, got columns ", run.first(), " to ", end - 1,
                          " as run ", i);
    }
    next = end;
  }
  return "";
}

std::unique_ptr<RowLikelihood> MakeMixedLikelihood(const v1::Likelihood& spec, std::size_t columns,
                                                   ParameterSet* parameters) {
  return std::make_unique<MixedLikelihood>(spec.mixed(), columns, parameters);
}

LATENT_NUMERICS_END
