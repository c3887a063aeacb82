#include "core/model/training_pass.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/thread_pool.h"
#include "core/model/sparse_layer.h"
#include "core/model/training_state.h"
#include "core/nn/dense.h"

LATENT_NUMERICS_BEGIN
namespace {

// Threads keep off each other's cache lines.
constexpr std::size_t kVectorRows = 16;
constexpr std::size_t kSparseRows = 48;
// Packing writes 16 columns together.
constexpr std::size_t kPackRows = PackedMatrix::kPanelColumns;
// A slab of a dense layer's weights is this many rows, a multiple of the kernel's six and of those
// that are packed together, or as many times that as make up so many numbers: its gradient, its
// moments and both packings stay in the cache from one to the next.
constexpr std::size_t kSlabRows = 3 * kPackRows;
constexpr std::size_t kSlabCells = std::size_t{1} << 15;

// Phases of the rows where some term is coupled.
enum Phase : std::size_t { kForward, kCoupling, kBackward, kPhases };

bool AllFinite(std::span<const Real> values) {
  return std::all_of(values.begin(), values.end(), [](Real v) { return std::isfinite(v); });
}

double MeanOf(const std::vector<double>& values, std::size_t rows) {
  double sum = 0;
  for (std::size_t r = 0; r < rows; ++r) sum += values[r];
  return sum / static_cast<double>(rows);
}

}  // namespace

TrainingPass::State::State(ComposedAutoencoder::Parts* model_parts, std::size_t batch_limit,
                           std::size_t threads, bool keep_latent_space, std::size_t sparse_cells)
    : PassContext(model_parts->spec, model_parts->parameters, model_parts->packed, batch_limit),
      parts(*model_parts),
      corrupts(ChangesRows(parts.spec.corruption())),
      binarises(parts.spec.binarise() == v1::BINARISE_DYNAMIC),
      keeps_codes(keep_latent_space),
      own_input(corrupts || !parts.scaling.invertible() || parts.likelihood->takes_missing()) {
  columns = parts.statistics.mean.size();
  AttachSparse(sparse_cells);
  if (!sparse_target) target.Resize(max_batch * columns);
  if (own_input && !sparse) noisy.Resize(max_batch * columns);
  if (parts.condition.classes() > 0) classes.resize(max_batch);
  AttachLayers();
  draw_nats.resize(max_batch * latent->row_factor());
  if (latent->weighs_draws()) draw_weights.Resize(draw_nats.size());
  AssignGradients(threads, keeps_codes ? MakersOfCodes() : std::set<std::size_t>());
  if (const auto learned = parts.likelihood->learned()) {
    learned_sums.resize(parts.parameters.segment(*learned).rows);
  }
}

void TrainingPass::State::AttachSparse(std::size_t sparse_cells) {
  if (sparse_cells == 0 || !ReadsSparseRows(parts.spec)) return;
  sparse = std::make_unique<SparseBatch>();
  sparse->Reserve(max_batch, columns, sparse_cells);
  own_input = true;
  row_buffer = &noisy;
  sparse_target = parts.likelihood->takes_sparse();
  const NetworkLayer& output = parts.network.decoder.back();
  const std::size_t wanted = parts.spec.likelihood().multinomial().sampled_columns();
  if (wanted == 0 || output.convolution) return;
  sample = std::make_unique<ColumnSample>(columns, wanted, sparse_cells, output.inputs);
}

void TrainingPass::State::AttachLayers() {
  const Network& network = parts.network;
  const std::vector<LayerPenalty> penalties =
      PenaltiesOf(parts.spec.penalties(), network.penalised());
  auto penalty = penalties.begin();
  encoder = std::vector<LayerPass>(network.encoder.size());
  const AlignedBuffer* input = own_input ? &noisy : &target;
  for (std::size_t i = 0; i < encoder.size(); ++i) {
    Attach(encoder[i], network.encoder[i], input, 1);
    encoder[i].penalty = *penalty++;
    input = &encoder[i].output;
  }
  latent = network.latent->MakePass(this, input, *penalty++);
  if (const double weight = parts.spec.penalties().contractive().weight(); weight > 0) {
    std::vector<LayerPass*> chain;
    for (LayerPass& pass : encoder) chain.push_back(&pass);
    chain.push_back(latent->layers().front());
    contraction = std::make_unique<Contraction>(this, chain, weight);
  }
  const std::size_t factor = latent->row_factor();
  input = latent->decoder_input();
  decoder = std::vector<LayerPass>(network.decoder.size());
  for (std::size_t i = 0; i < decoder.size(); ++i) {
    if (i + 1 == decoder.size()) decoder[i].sample = sample.get();
    Attach(decoder[i], network.decoder[i], input, factor);
    if (i + 1 < decoder.size()) decoder[i].penalty = *penalty++;
    input = &decoder[i].output;
  }
}

// The segments that LatentSpaceId reads.
std::set<std::size_t> TrainingPass::State::MakersOfCodes() const {
  std::set<std::size_t> segments;
  const auto add = [&](std::span<const NetworkLayer> made_of) {
    for (const NetworkLayer& layer : made_of) {
      segments.insert({layer.weight, layer.bias});
      if (layer.label_bias) segments.insert(*layer.label_bias);
    }
  };
  const LatentPart& part = *parts.network.latent;
  add(parts.network.encoder);
  add(part.layers().first(part.encoding_layers()));
  return segments;
}

void TrainingPass::State::AssignGradients(std::size_t threads, const std::set<std::size_t>& kept) {
  const std::span<const ParameterSegment> segments = parts.parameters.segments();
  gradient.Resize(parts.parameters.values().size());
  uses.resize(segments.size());
  layers = Layers();
  for (LayerPass* pass : layers) {
    Use& weight = uses[pass->layer->weight];
    (pass->layer->borrowed ? weight.borrower : weight.owner) = pass;
    uses[pass->layer->bias].owner = pass;
    if (pass->layer->label_bias) uses[*pass->layer->label_bias].owner = pass;
  }
  touched.resize(segments.size());
  for (const LayerPass* pass : layers) {
    if (pass->sparse != nullptr) touched[pass->layer->weight].resize(columns);
  }
  ranges.resize(threads);
  for (std::size_t t = 0; t < threads; ++t) {
    for (std::size_t i = 0; i < segments.size(); ++i) {
      if (kept.contains(i)) continue;
      const ParameterSegment& s = segments[i];
      if (!s.trained) continue;
      const auto add = [&](std::size_t first, std::size_t count) {
        ranges[t].push_back({.segment = i,
                             .first_row = first,
                             .rows = count,
                             .offset = s.offset + first * s.columns,
                             .size = count * s.columns});
      };
      if (!touched[i].empty()) {
        // In turn, because some columns have far more cells than others, often next to each other.
        for (std::size_t first = t * kSparseRows; first < s.rows; first += threads * kSparseRows) {
          add(first, std::min(kSparseRows, s.rows - first));
        }
        continue;
      }
      const auto [first, count] = Share(s.rows, threads, t, s.matrix ? kPackRows : kVectorRows);
      const std::size_t slab = SlabRows(i);
      for (std::size_t done = 0; done < count; done += slab) {
        add(first + done, std::min(slab, count - done));
      }
    }
  }
}

// Where each part of a gradient would do its whole work anew, there is one part.
std::size_t TrainingPass::State::SlabRows(std::size_t segment) const {
  const ParameterSegment& s = parts.parameters.segment(segment);
  const bool dense = uses[segment].owner != nullptr && !uses[segment].owner->layer->convolution;
  if (!s.matrix || !dense || !weight_terms.empty()) return s.rows;
  return std::max<std::size_t>(1, kSlabCells / (kSlabRows * s.columns)) * kSlabRows;
}

std::vector<LayerPass*> TrainingPass::State::Layers() {
  std::vector<LayerPass*> all;
  for (LayerPass& pass : encoder) all.push_back(&pass);
  for (LayerPass* pass : latent->layers()) all.push_back(pass);
  for (LayerPass& pass : decoder) all.push_back(&pass);
  return all;
}

TrainingPass::TrainingPass(ComposedAutoencoder* model, std::size_t max_batch, std::size_t threads,
                           bool keep_latent_space, std::size_t sparse_cells)
    : state_(std::make_unique<State>(model->parts_.get(), max_batch, threads, keep_latent_space,
                                     sparse_cells)) {
  model->parts_->pack_backward = true;
  model->parts_->PackAll();
}
TrainingPass::~TrainingPass() = default;

std::uint64_t TrainingPass::BytesNeeded(const v1::ModelSpec& spec, std::size_t columns,
                                        std::size_t max_batch) {
  ParameterSet parameters;
  const Network network = BuildNetwork(spec, columns, &parameters);
  std::uint64_t cells = 2 * columns + network.latent->training_cells();
  for (const NetworkLayer& layer : network.encoder) cells += CellsOf(layer, 1);
  for (const NetworkLayer& layer : network.decoder) {
    cells += CellsOf(layer, network.latent->row_factor());
  }
  if (spec.penalties().contractive().weight() > 0) cells += Contraction::CellsOf(network);
  cells *= max_batch;
  // The gradient and two packings of the weights.
  cells += 3 * static_cast<std::uint64_t>(parameters.count());
  // Of a sample of columns: their gradient and two packings.
  if (spec.likelihood().multinomial().sampled_columns() > 0) {
    cells += 3 * static_cast<std::uint64_t>(network.decoder.back().inputs) * columns;
  }
  return cells * sizeof(Real);
}

void TrainingPass::Begin(const Batch& batch) {
  State& s = *state_;
  s.batch = batch;
  s.rows = batch.indices.size();
  s.noise_seed = SeedFor(RandomPurpose::kCorruption, batch.seed);
  s.draw_seed = SeedFor(RandomPurpose::kTrainingDraws, batch.seed);
  s.cell_seed = SeedFor(RandomPurpose::kBinarise, batch.seed);
  if (s.sparse) s.sparse->Take(batch.rows, batch.indices);
  if (s.sample) {
    s.sample->Draw({.seed = SeedFor(RandomPurpose::kColumnSample, batch.seed),
                    .stream = static_cast<std::uint32_t>(batch.epoch),
                    .sample = batch.update},
                   batch.rows, batch.indices);
  }
  s.latent->Begin();
  if (s.contraction) s.contraction->Begin();
  for (LayerPass* pass : s.layers) pass->ResizePacked(s.rows);
}

std::size_t TrainingPass::phases() const {
  const std::size_t before = state_->sample ? 1 : 0;
  return before + (state_->coupled.empty() ? std::size_t{1} : std::size_t{kPhases});
}

void TrainingPass::RunPhase(std::size_t phase, std::size_t thread, std::size_t first,
                            std::size_t count) {
  State& s = *state_;
  const bool all = s.coupled.empty();
  if (s.sample) {
    const NetworkLayer& output = s.parts.network.decoder.back();
    const ParameterSet& parameters = s.parts.parameters;
    if (phase == 0) {
      return s.sample->Pack(parameters.matrix(output.weight), parameters.span(output.bias), thread,
                            s.ranges.size());
    }
    --phase;
  }
  if (phase == kCoupling) {
    for (RowCoupled* term : s.coupled) term->Couple(thread, s.ranges.size());
  }
  if (count == 0) return;
  if (all || phase == kForward) s.Forward(first, count);
  if (all || phase == kBackward) s.Backward(first, count);
}

BatchLoss TrainingPass::Loss() const {
  const State& s = *state_;
  BatchLoss loss{.reconstruction = MeanOf(s.reconstruction, s.rows),
                 .kl = MeanOf(s.kl, s.rows),
                 .l1 = MeanOf(s.l1, s.rows),
                 .l2 = MeanOf(s.l2, s.rows),
                 .contractive = MeanOf(s.contractive, s.rows),
                 .dead = MeanOf(s.dead, s.rows)};
  for (const double charge : s.kl_sparsity) loss.kl_sparsity += charge;
  loss.total = loss.reconstruction + MeanOf(s.charged, s.rows) + loss.l1 + loss.l2 +
               loss.kl_sparsity + loss.contractive + loss.dead;
  return loss;
}

std::vector<NamedTerm> TrainingPass::Terms(const BatchLoss& loss) const {
  const State& s = *state_;
  std::vector<NamedTerm> terms = {{"reconstruction", loss.reconstruction}};
  if (s.latent->has_kl()) terms.push_back({s.latent->divergence(), loss.kl});
  const auto charges = [&](double LayerPenalty::*weight) {
    return std::any_of(s.layers.begin(), s.layers.end(),
                       [&](const LayerPass* pass) { return pass->penalty.*weight != 0; });
  };
  if (charges(&LayerPenalty::l1)) terms.push_back({"l1", loss.l1});
  if (charges(&LayerPenalty::l2)) terms.push_back({"l2", loss.l2});
  if (!s.kl_sparsity.empty()) terms.push_back({"kl_sparsity", loss.kl_sparsity});
  if (s.contraction) terms.push_back({"contractive", loss.contractive});
  if (s.latent->charges_dead()) terms.push_back({"dead", loss.dead});
  return terms;
}

std::span<const ParameterRange> TrainingPass::ranges(std::size_t thread) const {
  return state_->ranges[thread];
}

std::span<Real> TrainingPass::gradient() {
  return {state_->gradient.data(), state_->parts.parameters.values().size()};
}

void TrainingPass::Gradient(const ParameterRange& range) {
  State& s = *state_;
  const ParameterSegment& segment = s.parts.parameters.segment(range.segment);
  const State::Use& use = s.uses[range.segment];
  Real* const out = s.gradient.data() + range.offset;
  if (use.owner == nullptr) return s.LearnedGradient(range, {out, range.size});
  const LayerPass& owner = *use.owner;
  if (owner.layer->label_bias == range.segment) {
    return s.LabelGradient(owner, range.first_row, Matrix(out, range.rows, segment.columns));
  }
  if (!segment.matrix && owner.sample != nullptr) {
    return s.SampledBiasGradient(owner, range, {out, range.size});
  }
  if (!segment.matrix) {
    // Of convolutions all places share a bias.
    const Matrix deltas = owner.View(owner.delta, s.rows);
    const std::size_t biases = segment.rows;
    DenseBiasGradient({deltas.data, deltas.rows * deltas.columns / biases, biases}, range.first_row,
                      false, {out, range.size});
    return;
  }
  const Matrix dw(out, range.rows, segment.columns);
  if (owner.sparse != nullptr) return s.SparseGradient(owner, range, dw);
  if (owner.sample != nullptr) return s.SampledGradient(owner, range, dw);
  owner.WeightGradient(s.rows, range.first_row, false, dw);
  // y = x Wᵀ adds dYᵀ X to dW: the borrower's deltas stand where the owner's inputs do.
  if (use.borrower != nullptr) use.borrower->WeightGradient(s.rows, range.first_row, true, dw);
  for (const WeightTerm* term : s.weight_terms) {
    term->AddGradient(range.segment, range.first_row, dw);
  }
}

std::span<const std::uint8_t> TrainingPass::touched(const ParameterRange& range) const {
  const std::vector<std::uint8_t>& rows = state_->touched[range.segment];
  if (rows.empty()) return {};
  return std::span(rows).subspan(range.first_row, range.rows);
}

std::span<std::uint64_t> TrainingPass::counters() { return state_->latent->counters(); }

std::optional<double> TrainingPass::CodebookPerplexity() const {
  return state_->latent->perplexity();
}

bool TrainingPass::has_constraints() const {
  return state_->parts.spec.penalties().unit_norm_decoder() ||
         state_->parts.likelihood->learned().has_value() || !state_->latent->counters().empty();
}

void TrainingPass::ApplyConstraints(std::size_t thread) {
  if (thread != 0) return;
  ComposedAutoencoder::Parts& parts = state_->parts;
  parts.ApplyUnitNorm();
  parts.likelihood->BoundLearned(parts.parameters);
  if (!state_->keeps_codes) state_->latent->EndBatch(parts.parameters);
}

bool TrainingPass::packs_ranges() const {
  return !has_constraints() && state_->weight_terms.empty();
}

void TrainingPass::PackRange(const ParameterRange& range) {
  if (!state_->parts.parameters.segment(range.segment).matrix) return;
  if (!state_->ReadsPacked(range.segment)) return;
  state_->parts.PackWeight(range.segment, range.first_row, range.rows);
}

void TrainingPass::RefreshPacked(std::size_t thread) { state_->Pack(thread, true); }

void TrainingPass::RefreshServing(std::size_t thread) { state_->Pack(thread, false); }

void TrainingPass::State::Pack(std::size_t thread, bool read_in_steps) {
  const std::span<const ParameterSegment> segments = parts.parameters.segments();
  for (std::size_t i = 0; i < segments.size(); ++i) {
    if (!segments[i].matrix || !segments[i].trained || ReadsPacked(i) != read_in_steps) continue;
    const auto [first, count] = Share(segments[i].rows, ranges.size(), thread, kPackRows);
    if (count > 0) parts.PackWeight(i, first, count);
  }
}

std::string TrainingPass::FindNotFinite() const {
  State& s = *state_;
  const ParameterSet& parameters = s.parts.parameters;
  for (std::size_t i = 0; i < parameters.segments().size(); ++i) {
    if (!AllFinite(parameters.span(i))) return "parameter " + parameters.segment(i).name;
  }
  for (const LayerPass* pass : s.layers) {
    const Matrix output = pass->View(pass->output, s.rows);
    if (!AllFinite({output.data, output.rows * output.columns})) {
      return absl::StrCat("layer ", pass->layer->name, " (activation)");
    }
  }
  for (const NamedTerm& term : Terms(Loss())) {
    if (!std::isfinite(term.value)) return "term " + std::string(term.name);
  }
  for (std::size_t i = 0; i < parameters.segments().size(); ++i) {
    const ParameterSegment& segment = parameters.segment(i);
    if (!AllFinite({s.gradient.data() + segment.offset, segment.size()})) {
      return "gradient of " + segment.name;
    }
  }
  return "";
}

LATENT_NUMERICS_END
