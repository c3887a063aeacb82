// The condition of a conditional model: the label that encoder and decoder read beside row and
// code, one-hot. A one-hot input of a layer picks one row of weights, so the layer has that table
// in place of the inputs: a bias that depends on the row's class. Immutable; any thread.
#ifndef LATENT_CORE_MODEL_CONDITION_H_
#define LATENT_CORE_MODEL_CONDITION_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/nn/labelled_rows.h"
#include "latent/v1/spec.pb.h"

LATENT_NUMERICS_BEGIN

// What the first layer of a network reads: so many numbers, and beside them one of so many classes
// (0: none).
struct LayerInput {
  // A width alone is an input without classes.
  // NOLINTNEXTLINE(google-explicit-constructor)
  LayerInput(std::size_t input_width, std::size_t class_count = 0)
      : width(input_width), classes(class_count) {}
  std::size_t width;
  std::size_t classes;
};

// The classes of rows that a layer runs over: row d has that of rows[d / factor].
struct RowClasses {
  std::span<const std::uint32_t> rows = {};
  std::size_t factor = 1;
};

// Whether a model reads labels.
inline bool IsConditional(const v1::ModelSpec& spec) { return spec.condition().has_label(); }

class Condition {
 public:
  // Of a spec that CheckArchitecture accepts; none has no classes.
  explicit Condition(const v1::Condition& spec);

  // 0 for a model without a condition.
  std::size_t classes() const { return labels_.size(); }
  std::span<const std::int32_t> labels() const { return labels_; }  // rising
  // Its labels, for messages: "0 (cat), 1 (dog)"; of many the first ones.
  std::string Text() const;
  std::optional<std::uint32_t> ClassOf(std::int32_t label) const;
  // Of rows whose labels are all known, which the caller has seen to: dies otherwise.
  void ClassesOf(LabelView labels, std::span<std::uint32_t> classes) const;

 private:
  std::vector<std::int32_t> labels_;
  std::vector<std::string> names_;
};

// Empty, or why the classes of a spec cannot be: none, too many, not rising.
std::string FaultOfClasses(const v1::LabelCondition& condition);
// Classes that a condition may have.
inline constexpr int kMaxClasses = 4096;

LATENT_NUMERICS_END

#endif  // LATENT_CORE_MODEL_CONDITION_H_
