// The hot loops behind core/nn as a table of plain functions, one table an instruction-set level.
// Units compiled for a level hold intrinsics and loops alone, in anonymous namespaces, behind these
// C-like signatures: an inline function that two levels shared would be merged by the linker, and
// code for the newer CPU would run on the older one. For core/nn itself; others use its headers.
#ifndef LATENT_CORE_NN_KERNELS_H_
#define LATENT_CORE_NN_KERNELS_H_

#include <stddef.h>

#include "core/nn/matrix.h"

namespace latent {
enum class Isa;  // core/base/isa.h
}

LATENT_NUMERICS_BEGIN
namespace kernels {

// The panel width that GemmCall's right-hand operand is packed in, see PackedMatrix.
inline constexpr size_t kPanel = 16;

// In the order of Activation.
enum Function { kIdentity, kRelu, kLeakyRelu, kTanh, kSigmoid, kElu, kSilu, kSoftplus };

// How B's numbers are stored. Halves are IEEE 754 binary16 (finite); bytes are signed and stand for
// their product, rounded, with the scale of their column.
enum Cells { kFloatCells, kHalfCells, kByteCells };

// c[m x n] = f(start + A B), each entry one chain over k from 0; then times d(outputs).
struct GemmCall {
  const Real* a;  // entry (i, k) is a[i * a_row + k * a_k]; one of the strides is 1, and a_k is
                  // where B is not kFloatCells
  size_t a_row;
  size_t a_k;
  const void* b;       // packed panels, from the first of the k rows that take part
  Cells cells;         // what they hold; kFloatCells is Real
  const Real* scales;  // of kByteCells: one a column, padded to whole panels
  size_t panel_rows;   // rows that the operand was packed with, >= k
  Real* c;
  size_t c_row;
  size_t m, n, k;
  const Real* bias;     // where chains start: these n entries, or
  bool accumulate;      // at c, or (neither) at 0
  Function activation;  // f: identity, ReLU or LeakyReLU
  const Real* outputs;  // null, or [m x n]: multiply by the derivative of
  size_t outputs_row;   //
  Function derivative;  // this function up to kSigmoid, computed from its outputs
};

// Likewise with A in an image: entry (i, u * length + v) is a[offsets[i] + u * jump + v * step].
// The call's own a, a_row and a_k are not used; its k is segments * length.
struct WindowCall {
  GemmCall gemm;
  const Real* a;
  const size_t* offsets;
  size_t segments, length, jump, step;
};

// The tile of add_products.
inline constexpr size_t kProductRows = 8, kProductColumns = 24;

// ApplyAdam's constants in the precision of the weights.
struct AdamConstants {
  Real gradient_scale, beta1, one_minus_beta1, beta2, one_minus_beta2;
  Real rate;             // learning rate / (1 - beta1^t)
  Real variance_factor;  // 1 / (1 - beta2^t)
  Real epsilon;
  Real decay;  // learning rate x weight decay
};

// ApplySgd's constants.
struct SgdConstants {
  Real gradient_scale, momentum;
  Real velocity_rate, gradient_rate;  // learning rate x share of each in the step
  Real decay;                         // learning rate x weight decay
};

struct Table {
  void (*gemm)(const GemmCall& call);
  void (*window_gemm)(const WindowCall& call);
  // out[i] = f(in[i]); in == out is allowed.
  void (*exp)(const Real* in, Real* out, size_t count);
  void (*log)(const Real* in, Real* out, size_t count);
  void (*tanh)(const Real* in, Real* out, size_t count);
  void (*sigmoid)(const Real* in, Real* out, size_t count);
  void (*softplus)(const Real* in, Real* out, size_t count);
  void (*elu)(const Real* in, Real* out, size_t count);
  void (*silu)(const Real* in, Real* out, size_t count);
  // out[i] = f'(x_i): of softplus from its outputs, of SiLU from its inputs.
  void (*softplus_slope)(const Real* in, Real* out, size_t count);
  void (*silu_slope)(const Real* in, Real* out, size_t count);
  // See BernoulliNats and SquaredError; gradient and cells may be null.
  double (*bernoulli)(const Real* logits, const Real* targets, size_t count, Real scale,
                      Real* gradient, Real* cells);
  double (*squared_error)(const Real* predictions, const Real* targets, size_t count, Real scale,
                          Real* gradient);
  double (*sum)(const Real* cells, size_t count);
  double (*sum_squares)(const Real* cells, size_t count);
  // See ApplySgd; all constants in the precision of the weights.
  void (*sgd)(const SgdConstants& constants, size_t count, const Real* gradients, Real* weights,
              Real* velocity);
  void (*adam)(const AdamConstants& constants, size_t count, const Real* gradients, Real* weights,
               Real* first_moment, Real* second_moment);
  // c[8 x 24], its rows c_row apart: entry (i, j) adds a[24 r + i] * b[24 r + j] for r = 0, 1 ..
  // count - 1 in turn.
  void (*add_products)(const double* a, const double* b, size_t count, double* c, size_t c_row);
};

extern const Table kPortable;
#if defined(__x86_64__) && !defined(LATENT_REAL_DOUBLE)
extern const Table kAvx2;
extern const Table kAvx512;
#endif

// The table of a level that the CPU has; double has the portable one alone.
const Table& TableOf(Isa level);
// The table of ActiveIsa().
const Table& Active();

}  // namespace kernels
LATENT_NUMERICS_END

#endif  // LATENT_CORE_NN_KERNELS_H_
