// The code is a function of the row in which every group of entries is replaced by the nearest
// vector of a codebook (van den Oord et al., arXiv 1711.00937). Gradients pass straight through
// the replacement; the vectors follow the encoder by exponential averages (its appendix A.1), and
// those that nothing chooses any more start again on a code of the batch.
#include <algorithm>
#include <array>
#include <bit>
#include <numeric>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/base/random.h"
#include "core/model/codebook.h"
#include "core/model/composed_parts.h"
#include "core/model/latent_part.h"
#include "core/model/layer_pass.h"
#include "core/model/workspace.h"

LATENT_NUMERICS_BEGIN
namespace {

// What is remembered of the vectors from batch to batch, in float64 whatever Real is: it lives in
// the pass's counters, as a checkpoint keeps them, the averages by their bits.
class CodebookAverages {
 public:
  CodebookAverages(std::size_t size, std::size_t width)
      : size_(size), width_(width), cells_(size * (2 + width)) {}

  std::span<std::uint64_t> cells() { return cells_; }
  // Training rows since vector k was last chosen.
  std::uint64_t& idle(std::size_t k) { return cells_[k]; }
  // Average, over batches, of how many groups choose vector k, and of the sum of their entry j.
  double count(std::size_t k) const { return std::bit_cast<double>(cells_[size_ + k]); }
  double sum(std::size_t k, std::size_t j) const { return std::bit_cast<double>(SumCell(k, j)); }
  void set_count(std::size_t k, double v) { cells_[size_ + k] = std::bit_cast<std::uint64_t>(v); }
  void set_sum(std::size_t k, std::size_t j, double v) {
    cells_[2 * size_ + k * width_ + j] = std::bit_cast<std::uint64_t>(v);
  }

 private:
  std::uint64_t SumCell(std::size_t k, std::size_t j) const {
    return cells_[2 * size_ + k * width_ + j];
  }
  std::size_t size_, width_;
  std::vector<std::uint64_t> cells_;
};

class VectorQuantisedPass final : public LatentPass {
 public:
  VectorQuantisedPass(PassContext* context, const NetworkLayer& code, const CodebookPlace& place,
                      const AlignedBuffer* input, const LayerPenalty& penalty)
      : context_(*context),
        spec_(context->spec.latent().vector_quantised()),
        place_(place),
        averages_(Book().size(), Book().width()) {
    context_.Attach(code_, code, input, 1);
    code_.penalty = penalty;
    code_.inner.Resize(context_.max_batch * code.outputs);
    indices_.resize(context_.max_batch * place_.groups);
    counts_.resize(Book().size());
    sums_.resize(Book().size() * Book().width());
    order_.resize(indices_.size());
    for (std::size_t k = 0; k < Book().size(); ++k) {
      averages_.idle(k) = spec_.restart_after_rows();
      averages_.set_count(k, 1);
      for (std::size_t j = 0; j < Book().width(); ++j) {
        averages_.set_sum(k, j, static_cast<double>(Book().vectors(j, k)));
      }
    }
  }

  std::vector<LayerPass*> layers() override { return {&code_}; }
  const AlignedBuffer* decoder_input() const override { return &code_.output; }
  std::size_t row_factor() const override { return 1; }
  bool has_kl() const override { return true; }
  std::string_view divergence() const override { return "commitment"; }
  std::span<std::uint64_t> counters() override { return averages_.cells(); }

  std::optional<double> perplexity() const override {
    std::vector<double> counts(Book().size());
    for (std::size_t k = 0; k < counts.size(); ++k) counts[k] = averages_.count(k);
    return Perplexity(counts);
  }

  void Forward(std::size_t first, std::size_t count) override {
    const Matrix inner = code_.View(code_.inner, context_.rows);
    const Matrix codes = code_.View(code_.output, context_.rows);
    RunAffine(*code_.layer, context_.parameters, context_.packed,
              code_.Input(context_.rows).slice_rows(first, count), inner.slice_rows(first, count),
              context_.ClassesOf(first, count, 1));
    for (std::size_t r = first; r < first + count; ++r) {
      std::copy(inner.row(r).begin(), inner.row(r).end(), codes.row(r).begin());
      SnapCode(Book(), codes.row(r), RowIndices(r));
      double squares = 0;
      for (std::size_t i = 0; i < codes.columns; ++i) {
        const auto difference = static_cast<double>(inner(r, i) - codes(r, i));
        squares += difference * difference;
      }
      context_.kl[r] = squares / 2;
      context_.charged[r] = spec_.commitment() * squares / 2;
    }
  }

  void Backward(const LayerPass& decoder, std::size_t first, std::size_t count) override {
    const Matrix delta = code_.View(code_.delta, context_.rows);
    const Matrix inner = code_.View(code_.inner, context_.rows);
    const Matrix codes = code_.View(code_.output, context_.rows);
    const NtOptions options{.accumulate = context_.SeedPenalty(code_, first, count)};
    context_.BackwardData(decoder, first, options, delta.slice_rows(first, count));
    const auto weight = static_cast<Real>(spec_.commitment() / static_cast<double>(context_.rows));
    for (std::size_t r = first; r < first + count; ++r) {
      for (std::size_t i = 0; i < delta.columns; ++i) {
        delta(r, i) += weight * (inner(r, i) - codes(r, i));
      }
    }
  }

  void BackwardEncoder(LayerPass& top, std::size_t first, std::size_t count) override {
    context_.CarryBack(code_, top, first, count);
  }

  void EndBatch(ParameterSet& parameters) override {
    GatherBatch();
    const Matrix vectors = parameters.matrix(place_.segment);
    FollowCodes(vectors);
    RestartIdle(vectors);
  }

 private:
  Codebook Book() const {
    return {.groups = place_.groups, .vectors = context_.parameters.matrix(place_.segment)};
  }
  std::span<std::uint32_t> RowIndices(std::size_t row) {
    return std::span(indices_).subspan(row * place_.groups, place_.groups);
  }
  // What the encoder gave in group `at % groups` of row `at / groups`.
  std::span<const Real> Encoded(std::size_t at) const {
    const std::size_t width = code_.layer->outputs / place_.groups;
    return {code_.inner.data() + at * width, width};
  }

  // Who chose which vector, in row order; and since when nobody has.
  void GatherBatch() {
    std::fill(counts_.begin(), counts_.end(), 0.0);
    std::fill(sums_.begin(), sums_.end(), 0.0);
    for (std::size_t k = 0; k < counts_.size(); ++k) averages_.idle(k) += context_.rows;
    for (std::size_t at = 0; at < context_.rows * place_.groups; ++at) {
      const std::uint32_t k = indices_[at];
      const std::span<const Real> encoded = Encoded(at);
      averages_.idle(k) = context_.rows - 1 - at / place_.groups;
      counts_[k] += 1;
      for (std::size_t j = 0; j < encoded.size(); ++j) {
        sums_[k * encoded.size() + j] += static_cast<double>(encoded[j]);
      }
    }
  }

  void FollowCodes(Matrix vectors) {
    const double kept = spec_.decay();
    double total = 0;
    for (std::size_t k = 0; k < vectors.columns; ++k) {
      averages_.set_count(k, kept * averages_.count(k) + (1 - kept) * counts_[k]);
      total += averages_.count(k);
    }
    const double epsilon = spec_.smoothing();
    const double smoothed_total = total + static_cast<double>(vectors.columns) * epsilon;
    for (std::size_t k = 0; k < vectors.columns; ++k) {
      const double count = (averages_.count(k) + epsilon) / smoothed_total * total;
      for (std::size_t j = 0; j < vectors.rows; ++j) {
        const double batch = sums_[k * vectors.rows + j];
        averages_.set_sum(k, j, kept * averages_.sum(k, j) + (1 - kept) * batch);
        vectors(j, k) = static_cast<Real>(averages_.sum(k, j) / count);
      }
    }
  }

  // Each on another code of the batch, as far as there are any.
  void RestartIdle(Matrix vectors) {
    const std::span<std::uint32_t> order = std::span(order_).first(context_.rows * place_.groups);
    std::size_t used = 0;
    for (std::size_t k = 0; k < vectors.columns && used < order.size(); ++k) {
      if (averages_.idle(k) < spec_.restart_after_rows()) continue;
      if (used == 0) DrawOrder(order);
      const std::span<const Real> encoded = Encoded(order[used++]);
      averages_.idle(k) = 0;
      averages_.set_count(k, 1);
      for (std::size_t j = 0; j < encoded.size(); ++j) {
        averages_.set_sum(k, j, static_cast<double>(encoded[j]));
        vectors(j, k) = encoded[j];
      }
    }
  }
  // A row leads one batch of an epoch at most, so it names the batch.
  void DrawOrder(std::span<std::uint32_t> order) const {
    std::iota(order.begin(), order.end(), 0U);
    const Batch& batch = context_.batch;
    FillPermutation(
        DeriveSeed(SeedFor(RandomPurpose::kCodebookRestarts, batch.seed), batch.indices.front()),
        static_cast<std::uint32_t>(batch.epoch), order);
  }

  PassContext& context_;
  const v1::VectorQuantisedLatent& spec_;
  const CodebookPlace place_;
  LayerPass code_;                      // `inner` before, `output` after the replacement
  std::vector<std::uint32_t> indices_;  // [batch x groups]
  CodebookAverages averages_;
  std::vector<double> counts_, sums_;  // of this batch
  std::vector<std::uint32_t> order_;
};

class VectorQuantisedLatent final : public LatentPart {
 public:
  VectorQuantisedLatent(const v1::Latent& spec, LayerInput input, ParameterSet* parameters)
      : layers_{AddLayer("latent.code", input, spec.dim(), Activation::kIdentity, parameters)},
        place_{.segment = parameters->Add(
                   "latent.codebook", spec.dim() / spec.vector_quantised().groups(),
                   spec.vector_quantised().codebook_size(), /*matrix=*/true, /*trained=*/false),
               .groups = spec.vector_quantised().groups()},
        name_(absl::StrCat("vector_quantised:", place_.groups)) {}

  std::string_view name() const override { return name_; }
  std::size_t dim() const override { return code().outputs; }
  std::size_t decoder_inputs() const override { return code().outputs; }
  bool variational() const override { return false; }
  std::span<const NetworkLayer> layers() const override { return layers_; }
  std::optional<CodebookPlace> codebook() const override { return place_; }

  void Initialise(std::uint64_t seed, ParameterSet& parameters) const override {
    DrawWeights(code(), seed, parameters);
    FillNormal({.seed = seed, .stream = static_cast<std::uint32_t>(place_.segment)},
               parameters.span(place_.segment));
  }

  void Encode(const LayerRunner& run, ConstMatrix hidden, Matrix codes,
              Workspace& /*ws*/) const override {
    run(code(), hidden, codes);
    Snap(run, codes);
  }
  // The decoder has seen codebook vectors alone: of others, such as those between two codes, the
  // nearest are decoded.
  ConstMatrix DecoderInput(const LayerRunner& run, ConstMatrix codes,
                           Workspace& ws) const override {
    const Matrix snapped = ws.buffers().latent[0].Shape(codes.rows, codes.columns);
    for (std::size_t r = 0; r < codes.rows; ++r) {
      std::copy(codes.row(r).begin(), codes.row(r).end(), snapped.row(r).begin());
    }
    Snap(run, snapped);
    return snapped;
  }

  std::unique_ptr<LatentPass> MakePass(PassContext* context, const AlignedBuffer* input,
                                       const LayerPenalty& penalty) const override {
    return std::make_unique<VectorQuantisedPass>(context, code(), place_, input, penalty);
  }
  std::size_t row_factor() const override { return 1; }
  std::uint64_t training_cells() const override {
    return CellsOf(code(), 1) + code().outputs + 2 * place_.groups;
  }

 private:
  void Snap(const LayerRunner& run, Matrix codes) const {
    const Codebook codebook{.groups = place_.groups,
                            .vectors = run.parameters.matrix(place_.segment)};
    for (std::size_t r = 0; r < codes.rows; ++r) SnapCode(codebook, codes.row(r));
  }

  std::array<NetworkLayer, 1> layers_;
  CodebookPlace place_;
  std::string name_;
};

}  // namespace

std::unique_ptr<LatentPart> MakeVectorQuantisedLatent(const v1::ModelSpec& spec, LayerInput input,
                                                      ParameterSet* parameters) {
  return std::make_unique<VectorQuantisedLatent>(spec.latent(), input, parameters);
}

LATENT_NUMERICS_END
