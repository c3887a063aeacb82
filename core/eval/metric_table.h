// Every figure that may be stored with a version: its name, unit and direction, once. Stored names
// never change their meaning. Free functions; any thread.
#ifndef LATENT_CORE_EVAL_METRIC_TABLE_H_
#define LATENT_CORE_EVAL_METRIC_TABLE_H_

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "latent/v1/spec.pb.h"

namespace latent {

enum class Better { kHigher, kLower, kNeither };

// "/row" in a unit means a mean over rows of a sum over the row's cells or code entries; "scaled"
// means the units that the network sees rather than the dataset's.
struct MetricDefinition {
  std::string_view name;
  std::string_view unit;
  Better better;
  std::string_view description;
};
std::span<const MetricDefinition> MetricTable();
// Null if there is none of that name.
const MetricDefinition* FindMetricDefinition(std::string_view name);

// Collects one version's figures.
class MetricList {
 public:
  // `name` must be in the table. A value that is not finite is left out, and so is such a standard
  // error: what is undefined is absent, never NaN.
  void Add(std::string_view name, double value, v1::Part part,
           std::optional<double> standard_error = std::nullopt);

  // States the draws a row behind the figure that was added last.
  void SetDraws(std::uint32_t draws) {
    if (!metrics_.empty()) metrics_.back().set_draws(draws);
  }

  std::vector<v1::Metric> Take() && { return std::move(metrics_); }

 private:
  std::vector<v1::Metric> metrics_;
};

}  // namespace latent

#endif  // LATENT_CORE_EVAL_METRIC_TABLE_H_
