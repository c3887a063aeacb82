#include "core/model/parameters.h"

#include <utility>

LATENT_NUMERICS_BEGIN
namespace {
// Segments start on cache lines, so that threads that own neighbours do not share one.
constexpr std::size_t kAlignment = 16;

std::size_t Padded(std::size_t cells) { return (cells + kAlignment - 1) / kAlignment * kAlignment; }
}  // namespace

std::size_t ParameterSet::Add(std::string name, std::size_t rows, std::size_t columns, bool matrix,
                              bool trained) {
  segments_.push_back({std::move(name), size_, rows, columns, matrix, trained});
  size_ += Padded(rows * columns);
  return segments_.size() - 1;
}

void ParameterSet::AllocateSome(const std::function<bool(const ParameterSegment&)>& wanted) {
  size_ = 0;
  for (ParameterSegment& s : segments_) {
    s.held = wanted(s);
    if (!s.held) continue;
    s.offset = size_;
    size_ += Padded(s.size());
  }
  Allocate();
}

Matrix ParameterSet::matrix(std::size_t index) {
  const ParameterSegment& s = segments_[index];
  return {Cells(s), s.rows, s.columns};
}

ConstMatrix ParameterSet::matrix(std::size_t index) const {
  const ParameterSegment& s = segments_[index];
  return {Cells(s), s.rows, s.columns};
}

std::span<Real> ParameterSet::span(std::size_t index) {
  const ParameterSegment& s = segments_[index];
  return {Cells(s), s.held ? s.size() : 0};
}

std::span<const Real> ParameterSet::span(std::size_t index) const {
  const ParameterSegment& s = segments_[index];
  return {Cells(s), s.held ? s.size() : 0};
}

std::size_t ParameterSet::count() const {
  std::size_t total = 0;
  for (const ParameterSegment& s : segments_) total += s.size();
  return total;
}

std::size_t ParameterSet::Find(std::string_view name) const {
  std::size_t index = 0;
  while (index < segments_.size() && segments_[index].name != name) ++index;
  return index;
}

LATENT_NUMERICS_END
