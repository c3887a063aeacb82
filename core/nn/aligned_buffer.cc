#include "core/nn/aligned_buffer.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>

LATENT_NUMERICS_BEGIN
namespace {

constexpr std::align_val_t kAlignment{64};
// From here on a buffer has pages of its own; below, the heap's waste is less than a page's.
constexpr std::size_t kMappedBytes = std::size_t{256} << 10;

constexpr std::size_t kPage = 4096;
// Buffers of at least one such page begin on its boundary and ask for it: an address table of small
// pages does not reach over the weights, moments and packings of one step.
constexpr std::size_t kHugePage = std::size_t{2} << 20;

std::byte* Map(std::size_t bytes, int flags) {
  void* pages =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
  if (pages == MAP_FAILED) throw std::bad_alloc();  // as operator new does
  return static_cast<std::byte*>(pages);
}

// Zeroed pages, all present: nothing faults later.
Real* MapPages(std::size_t bytes) {
  if (bytes < kHugePage) return reinterpret_cast<Real*>(Map(bytes, MAP_POPULATE));
  const std::size_t whole = (bytes + kPage - 1) / kPage * kPage;
  std::byte* const mapped = Map(whole + kHugePage, 0);
  const std::size_t head =
      (kHugePage - reinterpret_cast<std::uintptr_t>(mapped) % kHugePage) % kHugePage;
  std::byte* const begin = mapped + head;
  if (head > 0) munmap(mapped, head);
  munmap(begin + whole, kHugePage - head);
  // A wish: where it is not granted the pages are small ones.
  static_cast<void>(madvise(begin, whole, MADV_HUGEPAGE));
  for (std::size_t at = 0; at < whole; at += kPage) begin[at] = std::byte{0};
  return reinterpret_cast<Real*>(begin);
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
