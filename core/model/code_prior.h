// Where Sample draws vector-quantised codes from: indices group by group, p(c_1) prod p(c_i |
// c_(i-1)), with the frequencies of the training rows' codes. Immutable once fitted; any thread.
#ifndef LATENT_CORE_MODEL_CODE_PRIOR_H_
#define LATENT_CORE_MODEL_CODE_PRIOR_H_

#include <cstdint>
#include <memory>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "core/model/codebook.h"
#include "core/model/model_file.h"
#include "core/model/sampler.h"
#include "latent/v1/spec.pb.h"

namespace latent {

// Where there would be more transitions than this, (groups - 1) * size^2, each group is drawn by
// itself.
inline constexpr std::uint64_t kMaxTransitions = std::uint64_t{1} << 24;

// Counts the indices of codes [n x latent_dim], n >= 1. With pseudo-counts of one row in all: a
// group has p_i(c) = (n_i(c) + 1/size) / (n + 1), and after b in the group before it (n_i(b, c) +
// p_i(c)) / (n_(i-1)(b) + 1). At a temperature t probabilities become proportional to p^(1/t), at 0
// the greatest is taken. INVALID_ARGUMENT if a code is not finite; what `check`, asked often, ends
// it with.
absl::StatusOr<std::unique_ptr<Sampler>> FitCodePrior(MatrixView<const float> codes,
                                                      const Codebook& codebook,
                                                      absl::FunctionRef<absl::Status()> check);
// Bytes that fitting holds at once, the codes among them.
std::uint64_t CodePriorBytes(std::uint64_t codes, const v1::Latent& latent);

// Whether a file holds one, and the one that it holds; its vectors are the model's.
// FAILED_PRECONDITION if its tensors do not fit.
bool HasCodePrior(const TensorFile& file);
absl::StatusOr<std::unique_ptr<Sampler>> CodePriorFromTensors(const TensorFile& file,
                                                              std::size_t latent_dim);

}  // namespace latent

#endif  // LATENT_CORE_MODEL_CODE_PRIOR_H_
