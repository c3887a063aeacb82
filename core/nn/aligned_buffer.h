// Cells on a 64-byte boundary that grow and never shrink: what makes a step free of allocation
// after the first. Large ones are mappings of their own, so that what is freed goes back to the
// system at once. Owned by a workspace or a packed matrix; one thread at a time may resize.
#ifndef LATENT_CORE_NN_ALIGNED_BUFFER_H_
#define LATENT_CORE_NN_ALIGNED_BUFFER_H_

#include <cstddef>
#include <memory>
#include <span>

#include "core/nn/matrix.h"

LATENT_NUMERICS_BEGIN

struct FreeCells {
  std::size_t mapped = 0;  // bytes of a mapping of its own; 0: from the heap
  void operator()(Real* cells) const;
};

class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t cells) { Resize(cells); }

  // At least `cells` cells. Growth loses what was there and zeroes everything; otherwise the cells
  // stay as they are.
  void Resize(std::size_t cells);
  std::size_t capacity() const { return capacity_; }
  Real* data() const { return cells_.get(); }
  // The first `count` cells, growing if needed.
  std::span<Real> Span(std::size_t count);
  // rows x columns cells from the start, growing if needed.
  Matrix Shape(std::size_t rows, std::size_t columns);

 private:
  std::unique_ptr<Real, FreeCells> cells_;
  std::size_t capacity_ = 0;
};

LATENT_NUMERICS_END

#endif  // LATENT_CORE_NN_ALIGNED_BUFFER_H_
