#include "core/nn/aligned_buffer.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>

LATENT_NUMERICS_BEGIN
namespace {

constexpr std::align_val_t kAlignment{64};
// From here on a buffer has pages of its own; below, the heap's waste is less than a page's.
constexpr std::size_t kMappedBytes = std::size_t{256} << 10;

// Zeroed pages, all present: nothing faults later.
Real* MapPages(std::size_t bytes) {
  void* pages = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (pages == MAP_FAILED) throw std::bad_alloc();  // as operator new does
  return static_cast<Real*>(pages);
}

}  // namespace

void FreeCells::operator()(Real* cells) const {
  if (mapped != 0) {
    munmap(cells, mapped);
  } else {
    ::operator delete[](cells, kAlignment);
  }
}

void AlignedBuffer::Resize(std::size_t cells) {
  if (cells <= capacity_) return;
  const std::size_t bytes = cells * sizeof(Real);
  if (bytes >= kMappedBytes) {
    cells_ = {MapPages(bytes), FreeCells{bytes}};
  } else {
    cells_ = {new (kAlignment) Real[cells], FreeCells{}};
    std::fill_n(cells_.get(), cells, Real{0});
  }
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
