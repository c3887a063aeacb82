#include "core/model/code_format.h"

#include <algorithm>
#include <cmath>

namespace latent {

CodeScales FitCodeScales(MatrixView<const float> codes) {
  CodeScales scales;
  for (std::size_t c = 0; c < codes.columns; ++c) {
    float least = codes(0, c), greatest = codes(0, c);
    for (std::size_t r = 1; r < codes.rows; ++r) {
      least = std::min(least, codes(r, c));
      greatest = std::max(greatest, codes(r, c));
    }
    // Halved first, so that no sum of finite numbers overflows.
    scales.scale.push_back((greatest / 2 - least / 2) / 127);
    scales.offset.push_back(least / 2 + greatest / 2);
  }
  return scales;
}

void QuantiseCode(const CodeScales& scales, std::span<const float> code,
                  std::span<std::int8_t> quantised) {
  for (std::size_t i = 0; i < code.size(); ++i) {
    const float scale = scales.scale[i];
    const float steps = scale > 0 ? (code[i] - scales.offset[i]) / scale : 0;
    quantised[i] = static_cast<std::int8_t>(std::clamp(std::nearbyint(steps), -127.0f, 127.0f));
  }
}

void DequantiseCode(const CodeScales& scales, std::span<const std::int8_t> quantised,
                    std::span<float> code) {
  for (std::size_t i = 0; i < code.size(); ++i) {
    code[i] = scales.offset[i] + scales.scale[i] * static_cast<float>(quantised[i]);
  }
}

}  // namespace latent
