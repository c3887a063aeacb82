#include "core/model/parameters.h"

#include <utility>

LATENT_NUMERICS_BEGIN
namespace {
// Segments start on cache lines, so that threads that own neighbours do not share one.
constexpr std::size_t kAlignment = 16;
}  // namespace

std::size_t ParameterSet::Add(std::string name, std::size_t rows, std::size_t columns, bool matrix,
                              bool trained) {
  segments_.push_back({std::move(name), size_, rows, columns, matrix, trained});
  size_ += (rows * columns + kAlignment - 1) / kAlignment * kAlignment;
  return segments_.size() - 1;
}

Matrix ParameterSet::matrix(std::size_t index) {
  const ParameterSegment& s = segments_[index];
  return {values_.data() + s.offset, s.rows, s.columns};
}

ConstMatrix ParameterSet::matrix(std::size_t index) const {
  const ParameterSegment& s = segments_[index];
  return {values_.data() + s.offset, s.rows, s.columns};
}

std::span<Real> ParameterSet::span(std::size_t index) {
  const ParameterSegment& s = segments_[index];
  return {values_.data() + s.offset, s.size()};
}

std::span<const Real> ParameterSet::span(std::size_t index) const {
  const ParameterSegment& s = segments_[index];
  return {values_.data() + s.offset, s.size()};
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
