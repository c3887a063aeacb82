// The numbers of a model as one flat array with named segments, so that optimiser,
// clipping, checkpoints and error messages need not know layers. Owned by the model; one writer,
// and no reader meanwhile. Not its job: what the numbers mean (network.h).
#ifndef LATENT_CORE_MODEL_PARAMETERS_H_
#define LATENT_CORE_MODEL_PARAMETERS_H_

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/nn/aligned_buffer.h"
#include "core/nn/matrix.h"

LATENT_NUMERICS_BEGIN

// A matrix or vector inside the flat array.
struct ParameterSegment {
  std::string name;         // e.g. "encoder.0.weight"; also the tensor's name in a file
  std::size_t offset = 0;   // first number in the flat array; a multiple of 16
  std::size_t rows = 0;     // inputs of a weight; entries of a vector
  std::size_t columns = 0;  // outputs of a weight; 1 for a vector
  bool matrix = false;      // weight matrices decay, biases and scalars do not
  bool trained = true;      // by gradients; else its part keeps it
  bool held = true;         // its numbers are in the array; they may be packed alone

  std::size_t size() const { return rows * columns; }
};

class ParameterSet {
 public:
  // Adds a segment and returns its index. Before Allocate.
  std::size_t Add(std::string name, std::size_t rows, std::size_t columns, bool matrix,
                  bool trained = true);

  // Makes room for all segments, zeroed; until then there are names and sizes alone.
  void Allocate() { values_.Resize(size_); }
  // Makes room for those alone that `wanted` says true of. The others are not held: they have names
  // and shapes, but their views have no data.
  void AllocateSome(const std::function<bool(const ParameterSegment&)>& wanted);

  std::span<const ParameterSegment> segments() const { return segments_; }
  const ParameterSegment& segment(std::size_t index) const { return segments_[index]; }
  // All numbers; the few between segments are padding and stay 0.
  std::span<Real> values() { return {values_.data(), size_}; }
  std::span<const Real> values() const { return {values_.data(), size_}; }
  // One segment as rows x columns; a vector is a column.
  Matrix matrix(std::size_t index);
  ConstMatrix matrix(std::size_t index) const;
  std::span<Real> span(std::size_t index);
  std::span<const Real> span(std::size_t index) const;
  // Numbers, padding not counted.
  std::size_t count() const;
  // Index of the segment called `name`, or segments().size().
  std::size_t Find(std::string_view name) const;

 private:
  Real* Cells(const ParameterSegment& s) const {
    return s.held ? values_.data() + s.offset : nullptr;
  }

  std::vector<ParameterSegment> segments_;
  std::size_t size_ = 0;
  AlignedBuffer values_;
};

LATENT_NUMERICS_END

#endif  // LATENT_CORE_MODEL_PARAMETERS_H_
