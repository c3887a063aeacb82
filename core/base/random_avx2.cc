#include "core/base/random_kernel.inc"

namespace latent::random_kernel {

void UniformAvx2(const Row& row, uint32_t first, size_t groups, float* values) {
  FillUniformGroups(row, first, groups, values);
}
void NormalAvx2(const Row& row, uint32_t first, size_t groups, float* values) {
  FillNormalGroups(row, first, groups, values);
}

}  // namespace latent::random_kernel
