// What a Workspace holds. Seen by core/model alone.
#ifndef LATENT_CORE_MODEL_WORKSPACE_H_
#define LATENT_CORE_MODEL_WORKSPACE_H_

#include <array>
#include <cstdint>
#include <vector>

#include "core/model/autoencoder.h"
#include "core/nn/aligned_buffer.h"
#include "core/nn/sparse_batch.h"

LATENT_NUMERICS_BEGIN

struct Workspace::Buffers {
  AlignedBuffer scaled;                 // rows in scaled units
  AlignedBuffer filled;                 // likewise, nothing missing
  std::array<AlignedBuffer, 2> hidden;  // layers write them in turn
  AlignedBuffer code;                   // codes that the caller does not want
  AlignedBuffer log_variance;           // of Gaussian latents
  std::array<AlignedBuffer, 4> latent;  // what a latent computes on the way
  AlignedBuffer variance;
  std::vector<std::uint32_t> classes;  // of conditional models' rows
  ZeroSkipper skipper;                 // of rows that are 0 almost everywhere
};

LATENT_NUMERICS_END

#endif  // LATENT_CORE_MODEL_WORKSPACE_H_
