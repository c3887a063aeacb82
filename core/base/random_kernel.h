// The loops behind random.h, compiled once a level from random_kernel.inc. They use no fused
// operation, so all levels agree to the bit. C-like, because a unit compiled for a newer CPU must
// not leave inline functions for the linker to share.
#ifndef LATENT_CORE_BASE_RANDOM_KERNEL_H_
#define LATENT_CORE_BASE_RANDOM_KERNEL_H_

#include <stddef.h>
#include <stdint.h>

namespace latent::random_kernel {

// Eight counters in a row make a group of 32 values: value 8 w + l is word w of counter l.
constexpr size_t kLanes = 8;
constexpr size_t kGroup = 4 * kLanes;

// A row's Philox key and the last three words of its counter; the first is the block's number.
struct Row {
  uint32_t key[2];
  uint32_t counter[3];
};

// values[0 .. 32 groups) of the row, from group `first`.
void UniformPortable(const Row& row, uint32_t first, size_t groups, float* values);
void NormalPortable(const Row& row, uint32_t first, size_t groups, float* values);
void UniformAvx2(const Row& row, uint32_t first, size_t groups, float* values);
void NormalAvx2(const Row& row, uint32_t first, size_t groups, float* values);

}  // namespace latent::random_kernel

#endif  // LATENT_CORE_BASE_RANDOM_KERNEL_H_
