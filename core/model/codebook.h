// The vectors that vector-quantised codes are made of: nearest ones, codes as indices and back. A
// view of what a model holds, which must outlive it. Free functions; any thread. Not its job: how
// the vectors are found (vector_quantised_latent.cc), what is drawn of them (code_prior.h).
#ifndef LATENT_CORE_MODEL_CODEBOOK_H_
#define LATENT_CORE_MODEL_CODEBOOK_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/nn/matrix.h"

LATENT_NUMERICS_BEGIN

// A code is `groups` vectors, one after the other.
struct Codebook {
  std::size_t groups = 0;
  ConstMatrix vectors = {};  // [entries of a group x vectors]: column k is vector k

  std::size_t width() const { return vectors.rows; }
  std::size_t size() const { return vectors.columns; }
  std::size_t latent_dim() const { return groups * width(); }
};

// Index of the column of `vectors` that is nearest to z (ties: the lower index), and how far it is.
// Distances are summed entry by entry in order, so that they depend on z and the vector alone.
struct NearestVector {
  std::uint32_t index = 0;
  Real squared_distance = 0;  // not finite where no vector is at a finite distance
};
NearestVector FindNearest(ConstMatrix vectors, std::span<const Real> z);

// Replaces each group of a code by its nearest vector, and says which it was where `indices`
// [groups] is not empty. A group that is at no finite distance from any becomes NaN, so that it
// shows.
void SnapCode(const Codebook& codebook, std::span<Real> code,
              std::span<std::uint32_t> indices = {});
// Indices of the vectors nearest to the groups of a code.
void IndicesOf(const Codebook& codebook, std::span<const Real> code,
               std::span<std::uint32_t> indices);
// The code of some indices < codebook.size().
void VectorsOf(const Codebook& codebook, std::span<const std::uint32_t> indices,
               std::span<Real> code);

// exp of the entropy of a distribution given by weights >= 0: as many as there are weights if all
// are alike, 1 if one has all; 0 for weights that sum to 0.
double Perplexity(std::span<const double> weights);

LATENT_NUMERICS_END

#endif  // LATENT_CORE_MODEL_CODEBOOK_H_
