// The columns that a batch's softmax is taken over where it is sampled: those that the batch's rows
// have, and as many others as are asked for, drawn anew each batch without replacement; and the
// output layer's weights of those columns. Of the sum over all columns the drawn ones make up
// theirs and, by a weight of one over their chance to be drawn, that of the others: its mean is
// right, and so the loss, its logarithm, is a little less than the exact one (Jensen), by about
// half the relative variance of the sum. Owned by a training pass.
#ifndef LATENT_CORE_MODEL_COLUMN_SAMPLE_H_
#define LATENT_CORE_MODEL_COLUMN_SAMPLE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/base/random.h"
#include "core/nn/aligned_buffer.h"
#include "core/nn/gemm.h"
#include "core/nn/matrix.h"
#include "core/nn/rows_view.h"

LATENT_NUMERICS_BEGIN

class ColumnSample {
 public:
  // Of `columns` columns, `wanted` beside those that rows have; batches have at most `most_cells`
  // cells. The layer has `inputs` inputs.
  ColumnSample(std::size_t columns, std::size_t wanted, std::size_t most_cells, std::size_t inputs);

  // Draws the columns for the rows that `indices` names. One thread.
  void Draw(const RandomKey& key, const RowsView& rows, std::span<const std::uint64_t> indices);
  // Packs one thread's share of their weights [inputs x all columns]; and their biases.
  void Pack(ConstMatrix weights, std::span<const Real> bias, std::size_t thread,
            std::size_t threads);

  std::size_t most() const { return most_; }
  std::size_t size() const { return chosen_.size(); }
  // Rising; and those of the batch before.
  std::span<const std::uint32_t> columns() const { return chosen_; }
  std::span<const std::uint32_t> earlier() const { return earlier_; }
  // Where in columns() those of row r of the batch stand.
  std::span<const std::uint32_t> places(std::size_t r) const {
    return {row_places_.data() + row_starts_[r], row_starts_[r + 1] - row_starts_[r]};
  }
  // Adds to logits what makes up for columns that were not drawn.
  void Correct(std::span<Real> logits) const;

  // W and Wᵀ of those columns alone, and the biases.
  const PackedMatrix& forward() const { return forward_; }
  const PackedMatrix& backward() const { return backward_; }
  std::span<const Real> bias() const { return {bias_.data(), size()}; }
  // Rows of the weights' gradient, compact, [inputs x size()] in room of the sample's own.
  Matrix GradientRows(std::size_t first, std::size_t count) const {
    return Matrix(gradient_.data(), inputs_, size()).slice_rows(first, count);
  }
  // Writes compact values of a row to their places among all columns, which were 0 but for those
  // of earlier().
  void Spread(std::span<const Real> compact, std::span<Real> all) const;

 private:
  std::size_t wanted_, most_, inputs_;
  std::vector<std::uint32_t> chosen_, earlier_, places_, others_;
  std::vector<std::uint32_t> row_places_;
  std::vector<std::size_t> row_starts_;
  std::vector<std::uint8_t> marks_;  // by column
  std::vector<Real> corrections_;    // by place
  std::vector<Real> bias_;
  AlignedBuffer gradient_;
  PackedMatrix forward_, backward_;
};

LATENT_NUMERICS_END

#endif  // LATENT_CORE_MODEL_COLUMN_SAMPLE_H_
