#include "core/nn/aligned_buffer.h"

#include <algorithm>
#include <new>

LATENT_NUMERICS_BEGIN
namespace {

constexpr std::align_val_t kAlignment{64};

}  // namespace

void AlignedBuffer::Free::operator()(Real* cells) const { ::operator delete[](cells, kAlignment); }

void AlignedBuffer::Resize(std::size_t cells) {
  if (cells <= capacity_) return;
  auto* grown = new (kAlignment) Real[cells];
  std::fill_n(grown, cells, Real{0});
  cells_.reset(grown);
  capacity_ = cells;
}

std::span<Real> AlignedBuffer::Span(std::size_t count) {
  Resize(count);
  return {data(), count};
}

Matrix AlignedBuffer::Shape(std::size_t rows, std::size_t columns) {
  Resize(rows * columns);
  return {data(), rows, columns};
}

LATENT_NUMERICS_END
