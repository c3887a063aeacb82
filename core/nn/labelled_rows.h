// Rows (or codes) that may each come with a label, as a dataset has them: what conditional models
// read. Views: they own nothing and live no longer than what they look at; copies are cheap. Not
// its job: which labels a model knows (core/model/condition.h).
#ifndef LATENT_CORE_NN_LABELLED_ROWS_H_
#define LATENT_CORE_NN_LABELLED_ROWS_H_

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/nn/matrix.h"

LATENT_NUMERICS_BEGIN

// One label a row; none at all unless given.
class LabelView {
 public:
  LabelView() = default;
  // Whoever takes labels takes those of consecutive rows.
  LabelView(std::span<const std::int32_t> labels)  // NOLINT(google-explicit-constructor)
      : first_(labels.empty() ? nullptr : labels.data()) {}
  LabelView(const std::vector<std::int32_t>& labels)  // NOLINT(google-explicit-constructor)
      : LabelView(std::span(labels)) {}

  bool given() const { return first_ != nullptr; }
  std::int32_t operator[](std::size_t r) const { return first_[r * step_]; }
  // Those of rows first, first + 1, ...
  LabelView From(std::size_t first) const {
    LabelView view = *this;
    if (given()) view.first_ += first * step_;
    return view;
  }
  // Those of rows 0, step, 2 step, ...
  LabelView EveryNth(std::size_t step) const {
    LabelView view = *this;
    view.step_ *= step;
    return view;
  }

 private:
  const std::int32_t* first_ = nullptr;
  std::size_t step_ = 1;
};

// A matrix of rows, and their labels if they have any.
struct LabelledRows : ConstMatrix {
  LabelledRows() = default;
  // Whoever takes labelled rows takes a matrix.
  LabelledRows(ConstMatrix cells, LabelView row_labels = {})  // NOLINT(google-explicit-constructor)
      : ConstMatrix(cells), labels(row_labels) {}
  LabelledRows(Matrix cells, LabelView row_labels = {})  // NOLINT(google-explicit-constructor)
      : ConstMatrix(cells), labels(row_labels) {}

  LabelledRows slice_rows(std::size_t first, std::size_t count) const {
    return {ConstMatrix::slice_rows(first, count), labels.From(first)};
  }

  LabelView labels;
};

LATENT_NUMERICS_END

#endif  // LATENT_CORE_NN_LABELLED_ROWS_H_
