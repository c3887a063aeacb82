// Codes in fewer bits: 8-bit integers with a scale for each code entry.
// Values and free functions; any thread. Not its job: the wire (server/rows_codec).
#ifndef LATENT_CORE_MODEL_CODE_FORMAT_H_
#define LATENT_CORE_MODEL_CODE_FORMAT_H_

#include <cstdint>
#include <span>
#include <vector>

#include "core/nn/matrix.h"

namespace latent {

// Entry i of a code is about offset[i] + scale[i] * q, q an integer from -127 to 127.
struct CodeScales {
  std::vector<float> scale;   // >= 0; 0 for an entry that never changed
  std::vector<float> offset;  // the middle of the entry's range
  bool empty() const { return scale.empty(); }
};
// Maps the range of each column of `codes` [n x latent_dim], n >= 1, to -127 .. 127.
CodeScales FitCodeScales(MatrixView<const float> codes);

// Nearest integers of one code; what lies outside the fitted range becomes its end.
void QuantiseCode(const CodeScales& scales, std::span<const float> code,
                  std::span<std::int8_t> quantised);
void DequantiseCode(const CodeScales& scales, std::span<const std::int8_t> quantised,
                    std::span<float> code);

}  // namespace latent

#endif  // LATENT_CORE_MODEL_CODE_FORMAT_H_
