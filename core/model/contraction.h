// The contractive penalty weight ||d code / d x||_F^2 (Rifai et al., ICML 2011) with its gradient,
// second derivatives included, for an encoder of any depth. One layer has a closed form; deeper
// ones carry the Jacobian of each row, latent.dim rows of it, down through the layers and its
// adjoint up again. Owned by a training pass; threads work on disjoint rows; no allocation after
// the constructor.
#ifndef LATENT_CORE_MODEL_CONTRACTION_H_
#define LATENT_CORE_MODEL_CONTRACTION_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/model/layer_pass.h"
#include "core/model/network.h"

LATENT_NUMERICS_BEGIN

class Contraction final : public WeightTerm {
 public:
  // `chain`: the hidden layers of the encoder, then the one that makes the code. All must outlive
  // this.
  Contraction(PassContext* context, std::vector<LayerPass*> chain, double weight);

  // Numbers that are held for each row of a batch.
  static std::uint64_t CellsOf(const Network& network);

  // When a batch begins; one thread.
  void Begin();
  // Rows [first, first + count), when their activations are there: writes context.contractive.
  void Charge(std::size_t first, std::size_t count);
  // Adds the rows' gradient by layer `index`'s inner values to its deltas, once those are complete.
  void AddTo(std::size_t index, std::size_t first, std::size_t count) const;
  // The weights' direct share.
  void AddGradient(std::size_t segment, std::size_t first, Matrix dw) const override;

 private:
  // With a_l = h_{l-1} W_l + b_l, h_l = f(a_l): R_l = d code / d a_l and Q_l = d code / d h_l, so
  // R_L = diag(f'), Q_{l-1} = R_l W_l^T, R_l = Q_l diag(f'_l), and Q_0 is the Jacobian.
  struct Level {
    LayerPass* pass = nullptr;
    AlignedBuffer slope;      // f' [batch x outputs]
    AlignedBuffer bend;       // f'', then the gradient by a_l
    AlignedBuffer inner;      // R_l [batch * dim x outputs]
    AlignedBuffer outer;      // Q_l; not of the code's layer
    AlignedBuffer outer_bar;  // gradient by Q_{l-1} [batch * dim x inputs]
    PackedMatrix packed;      // R_l
  };
  bool closed() const { return levels_.size() == 1; }
  Matrix RowsOf(const AlignedBuffer& buffer, std::size_t columns, std::size_t first,
                std::size_t count) const;
  void ChargeClosed(std::size_t first, std::size_t count);
  void Descend(std::size_t first, std::size_t count);
  void Ascend(std::size_t first, std::size_t count);

  PassContext& context_;
  const double weight_;
  const std::size_t dim_;
  std::vector<Level> levels_;
  std::vector<double> lengths_;  // closed form: each code entry's squared weights
};

LATENT_NUMERICS_END

#endif  // LATENT_CORE_MODEL_CONTRACTION_H_
