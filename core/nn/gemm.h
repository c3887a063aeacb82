// Matrix products on slices, with the right-hand operand packed once. Every entry of a result is
// one chain of fused multiply-adds over k = 0 .. K-1 (multiply, then add on the portable level), so
// its bits depend on its row and column alone: not on the other rows of the call, nor on how
// callers split rows among threads. Each call runs on its caller's thread and allocates nothing.
#ifndef LATENT_CORE_NN_GEMM_H_
#define LATENT_CORE_NN_GEMM_H_

#include <cstddef>
#include <span>

#include "core/nn/activation.h"
#include "core/nn/aligned_buffer.h"
#include "core/nn/matrix.h"

LATENT_NUMERICS_BEGIN

// How the numbers of a packed operand are stored. kFloat16: the nearest IEEE 754 binary16. kInt8:
// a whole number of -127 .. 127 times a scale for each column, its greatest magnitude / 127.
enum class WeightFormat { kFloat32, kFloat16, kInt8 };

// A K x N right-hand operand in panels of 16 columns, each panel K x 16 in one piece; the last
// panel is padded with zeros. Threads may pack disjoint rows of it at once, after one Resize.
class PackedMatrix {
 public:
  static constexpr std::size_t kPanelColumns = 16;

  // Rows of the packed operand: the length of the chains.
  std::size_t k() const { return k_; }
  // Columns of the packed operand, without padding.
  std::size_t n() const { return n_; }
  // The panels; numbers as they are only where the format is kFloat32.
  const Real* data() const { return cells_.data(); }
  WeightFormat format() const { return format_; }
  // Of kInt8 alone: what the cells of each column are multiplied with.
  const Real* scales() const { return scales_.data(); }
  // What stands for entry (row, column) in products, whatever the format.
  Real at(std::size_t row, std::size_t column) const;
  // Bytes of the cells and their scales, padding included.
  std::size_t bytes() const;

  // Takes the shape K x N; packed cells are undefined until packed again if the shape changed.
  // Allocates only when it outgrows every earlier shape.
  void Resize(std::size_t k, std::size_t n);
  // Packs all of `b` [K x N].
  void Pack(ConstMatrix b);
  // Packs the transpose of all of `b` [N x K].
  void PackTransposed(ConstMatrix b);
  // Packs rows first .. first + b.rows - 1 of the operand from `b` [any x N]; Resize came before.
  void PackRows(ConstMatrix b, std::size_t first);
  // Packs columns first .. first + b.rows - 1 of the operand from the rows of `b` [any x K]; Resize
  // came before.
  void PackTransposedRows(ConstMatrix b, std::size_t first);
  // Stores what is packed in fewer bytes, for products of GemmNn and GemmNt alone: nothing can be
  // packed here any more. What a binary16 cannot hold (beyond 65504) leaves all cells as they are.
  void Narrow(WeightFormat format);

 private:
  template <typename Cell>
  const Cell* CellsAs() const {
    return reinterpret_cast<const Cell*>(cells_.data());
  }

  WeightFormat format_ = WeightFormat::kFloat32;
  AlignedBuffer cells_;   // in whichever format
  AlignedBuffer scales_;  // of kInt8: one a column, padded to whole panels
  std::size_t k_ = 0;
  std::size_t n_ = 0;
};

// Y = f(X W + bias). x: [m x k], w: packed [k x n] (Pack of the layer's weights), y: [m x n], bias:
// n entries or empty. y must not overlap x.
void GemmNn(ConstMatrix x, const PackedMatrix& w, std::span<const Real> bias, Activation activation,
            Matrix y);

// How a gradient's slice is finished.
struct NtOptions {
  // Start each chain at what dx holds, e.g. a penalty's gradient, in place of 0.
  bool accumulate = false;
  // Then multiply by f'(.) computed from `outputs` [m x n], the outputs of the layer below (its
  // inputs to f where DerivativeNeedsInput).
  Activation activation = Activation::kIdentity;
  ConstMatrix outputs = {};
};
// dX = (dX0 + dY W^T) * f'. dy: [m x k], wt: packed [k x n] (PackTransposed of the weights), dx:
// [m x n].
void GemmNt(ConstMatrix dy, const PackedMatrix& wt, const NtOptions& options, Matrix dx);

// Rows first .. first + dw.rows - 1 of dW = X^T dY over the whole batch. x: [batch x in], dy:
// packed [batch x n] (Pack of the layer's output gradients), dw: [count x n], the slice alone. With
// `accumulate` each chain starts at what dw holds. Fastest for slices of a multiple of 6 rows.
void GemmTn(ConstMatrix x, const PackedMatrix& dy, std::size_t first, bool accumulate, Matrix dw);

// A left-hand operand that is read where it lies in an image, in place of a matrix: entry
// (i, u * length + v) is image[offsets[i] + u * jump + v * step], for u < segments, v < length.
struct Windows {
  const Real* image = nullptr;
  std::span<const std::size_t> offsets;
  std::size_t segments = 0, length = 0, jump = 0, step = 1;
};
// As above, with windows for x or dy.
void GemmNn(const Windows& x, const PackedMatrix& w, std::span<const Real> bias,
            Activation activation, Matrix y);
void GemmNt(const Windows& dy, const PackedMatrix& wt, const NtOptions& options, Matrix dx);
// The part of the chains of C = A B, or C += A B with `accumulate`, that rows first_k, first_k + 1,
// ... of B make up, as many as windows have entries. Parts in rising order, the later ones with
// `accumulate`, give the bits of one call.
void GemmPart(const Windows& a, const PackedMatrix& b, std::size_t first_k, bool accumulate,
              Matrix c);

LATENT_NUMERICS_END

#endif  // LATENT_CORE_NN_GEMM_H_
