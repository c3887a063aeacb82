// Every kernel of core/nn by itself, on one thread, at the level that LATENT_ISA names:
//
//   kernel_bench --benchmark_filter=forward --benchmark_format=json
//
// Products run over the six layers of 784-512-256-32-256-512-784 and report `flops` (operations a
// second) and `share_of_peak` (of the multiply-adds that registers alone allow on that level,
// measured in turn with the products). Loops over cells report `ns` (nanoseconds an element).
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/isa.h"
#include "core/base/random.h"
#include "core/nn/activation.h"
#include "core/nn/aligned_buffer.h"
#include "core/nn/dense.h"
#include "core/nn/optimizer.h"
#include "tests/bench/kernel_peak.h"

namespace latent::bench {
namespace {

using benchmark::Counter;
using benchmark::State;

constexpr std::array<std::size_t, 7> kWidths = {784, 512, 256, 32, 256, 512, 784};
constexpr std::size_t kEncoderLayers = 3;

// A matrix of its own cells, normal random numbers at first.
struct Block {
  Block(std::size_t rows, std::size_t columns, std::uint64_t seed)
      : view(cells.Shape(rows, columns)) {
    FillNormal({seed, 0, 0}, {view.data, rows * columns});
  }
  AlignedBuffer cells;
  Matrix view;
};

// A layer with a batch at both ends.
struct Layer {
  Layer(std::size_t rows, std::size_t k, std::size_t n)
      : weights(k, n, 1), x(rows, k, 2), y(rows, n, 3), gradient(k, n, 4), bias(n, 0.1f) {
    packed.Resize(k, n);
    packed.Pack(weights.view);
    packed_y.Pack(y.view);
  }
  double Flops() const {
    return 2.0 * static_cast<double>(x.view.rows * weights.view.rows * weights.view.columns);
  }
  Block weights, x, y, gradient;
  std::vector<float> bias;
  DensePacked packed;
  PackedMatrix packed_y;
};

using Network = std::vector<std::unique_ptr<Layer>>;

Network NetworkOf(std::size_t rows, std::size_t layers) {
  Network network;
  for (std::size_t l = 0; l < layers; ++l) {
    network.push_back(std::make_unique<Layer>(rows, kWidths[l], kWidths[l + 1]));
  }
  return network;
}

double FlopsOf(const Network& network) {
  double flops = 0;
  for (const auto& layer : network) flops += layer->Flops();
  return flops;
}

// One measurement: what registers alone allowed around it, at the least, operations a second.
struct Turn {
  double seconds;  // of one run of what is measured
  double share;    // of the peak
  double peak;
};

// Turns in which the core gave its peak: where others share its units, as hypervisors let them,
// products and peak suffer unequally, and the turn says little about either.
std::vector<Turn> Undisturbed(const std::vector<Turn>& turns) {
  double best = 0;
  for (const Turn& turn : turns) best = std::max(best, turn.peak);
  std::vector<Turn> some;
  for (const Turn& turn : turns) {
    if (turn.peak >= 0.95 * best) some.push_back(turn);
  }
  return some;
}

double MedianOf(const std::vector<Turn>& turns, double Turn::*field) {
  std::vector<double> values;
  for (const Turn& turn : turns) values.push_back(turn.*field);
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// Runs `once`, which does `flops` operations, as long as the state wants it, in turn with what
// registers alone allow, since a core's pace changes from one moment to the next; the counters are
// medians over the undisturbed turns.
template <typename Once>
void RunProducts(State& state, double flops, const Once& once) {
  constexpr double kTurnSeconds = 3e-4;
  once();
  double start = ThreadSeconds();
  once();
  const auto runs = static_cast<benchmark::IterationCount>(
      1 + kTurnSeconds / std::max(1e-7, ThreadSeconds() - start));
  std::vector<Turn> turns;
  double before = PeakNow(ActiveIsa());
  while (state.KeepRunningBatch(runs)) {
    start = ThreadSeconds();
    for (benchmark::IterationCount run = 0; run < runs; ++run) {
      once();
      benchmark::ClobberMemory();
    }
    const double seconds = (ThreadSeconds() - start) / static_cast<double>(runs);
    state.PauseTiming();
    const double after = PeakNow(ActiveIsa());
    turns.push_back({seconds, flops / seconds / ((before + after) / 2), std::min(before, after)});
    before = after;
    state.ResumeTiming();
  }
  const std::vector<Turn> some = Undisturbed(turns);
  state.counters["share_of_peak"] = MedianOf(some, &Turn::share);
  state.counters["us"] = 1e6 * MedianOf(some, &Turn::seconds);
  state.counters["flops"] = flops / MedianOf(some, &Turn::seconds);
  state.counters["peak"] = MedianOf(some, &Turn::peak);
}

template <typename Once>
void RunCells(State& state, std::size_t cells, const Once& once) {
  for (auto _ : state) {
    once();
    benchmark::ClobberMemory();
  }
  state.counters["ns"] = Counter(1e-9 * static_cast<double>(cells),
                                 Counter::kIsIterationInvariantRate | Counter::kInvert);
}

std::size_t RowsOf(const State& state) { return static_cast<std::size_t>(state.range(0)); }

void Forward(State& state, bool fused) {
  const Network network = NetworkOf(RowsOf(state), kWidths.size() - 1);
  RunProducts(state, FlopsOf(network), [&] {
    for (const auto& layer : network) {
      GemmNn(layer->x.view, layer->packed.forward,
             fused ? std::span<const float>(layer->bias) : std::span<const float>(),
             fused ? Activation::kRelu : Activation::kIdentity, layer->y.view);
    }
  });
}

// Each layer by itself several times over, so that it lies in the inner caches as far as it fits:
// of Forward, which passes over all weights in turn, the outer caches are a part.
void ForwardWarm(State& state) {
  constexpr int kTimes = 16;
  const Network network = NetworkOf(RowsOf(state), kWidths.size() - 1);
  RunProducts(state, kTimes * FlopsOf(network), [&] {
    for (const auto& layer : network) {
      for (int time = 0; time < kTimes; ++time) {
        GemmNn(layer->x.view, layer->packed.forward, layer->bias, Activation::kRelu, layer->y.view);
      }
    }
  });
}

// Without the first layer, whose input needs no gradient.
void InputGradient(State& state, bool fused) {
  Network network = NetworkOf(RowsOf(state), kWidths.size() - 1);
  network.erase(network.begin());
  RunProducts(state, FlopsOf(network), [&] {
    for (const auto& layer : network) {
      const NtOptions options = {false, fused ? Activation::kRelu : Activation::kIdentity,
                                 layer->x.view};
      GemmNt(layer->y.view, layer->packed.backward, options, layer->x.view);
    }
  });
}

// With `pack`, the batch's output gradients are packed each time, as a training step does.
void WeightGradient(State& state, bool pack) {
  const Network network = NetworkOf(RowsOf(state), kWidths.size() - 1);
  RunProducts(state, FlopsOf(network), [&] {
    for (const auto& layer : network) {
      if (pack) layer->packed_y.Pack(layer->y.view);
      GemmTn(layer->x.view, layer->packed_y, 0, false, layer->gradient.view);
    }
  });
}

// One layer, forward: rows, k, n.
void OneLayer(State& state) {
  const Layer layer(RowsOf(state), static_cast<std::size_t>(state.range(1)),
                    static_cast<std::size_t>(state.range(2)));
  RunProducts(state, layer.Flops(), [&] {
    GemmNn(layer.x.view, layer.packed.forward, layer.bias, Activation::kRelu, layer.y.view);
  });
}

// The encoder half as it serves: each layer reads what the one before has written.
void Encode(State& state, WeightFormat weights) {
  const std::size_t rows = RowsOf(state);
  const Network network = NetworkOf(rows, kEncoderLayers);
  for (const auto& layer : network) layer->packed.forward.Narrow(weights);
  RunProducts(state, FlopsOf(network), [&] {
    const Layer* below = nullptr;
    for (const auto& layer : network) {
      GemmNn(below == nullptr ? layer->x.view : below->y.view, layer->packed.forward, layer->bias,
             layer.get() == network.back().get() ? Activation::kIdentity : Activation::kRelu,
             layer->y.view);
      below = layer.get();
    }
  });
}

void PackWeights(State& state, bool transposed) {
  Layer layer(1, kWidths[0], kWidths[1]);
  RunCells(state, kWidths[0] * kWidths[1], [&] {
    if (transposed) {
      layer.packed.backward.PackTransposed(layer.weights.view);
    } else {
      layer.packed.forward.Pack(layer.weights.view);
    }
  });
}

// The parameters of the whole network, which the innermost cache does not hold.
void Adam(State& state) {
  constexpr std::size_t kCount = 1083392;
  Block weights(1, kCount, 1), gradients(1, kCount, 2), first(1, kCount, 3), second(1, kCount, 4);
  for (float& cell : second.view.row(0)) cell *= cell;
  AdamUpdate update;
  RunCells(state, kCount, [&] {
    ++update.step;
    ApplyAdam(update,
              {weights.view.row(0), gradients.view.row(0), first.view.row(0), second.view.row(0)});
  });
}

void Map(State& state, void (*function)(std::span<const float>, std::span<float>)) {
  constexpr std::size_t kCount = 4096;
  Block in(1, kCount, 1), out(1, kCount, 2);
  for (float& cell : in.view.row(0)) cell = cell < 0 ? -cell : cell;  // the logarithm's domain
  RunCells(state, kCount, [&] { function(in.view.row(0), out.view.row(0)); });
}

void Bernoulli(State& state) {
  Block logits(1, kWidths[0], 1), targets(1, kWidths[0], 2), gradient(1, kWidths[0], 3);
  FillUniform({2, 0, 0}, targets.view.row(0));
  RunCells(state, kWidths[0], [&] {
    benchmark::DoNotOptimize(
        BernoulliNats(logits.view.row(0), targets.view.row(0), 1, gradient.view.row(0)));
  });
}

void Squares(State& state) {
  Block values(1, kWidths[0], 1), targets(1, kWidths[0], 2), gradient(1, kWidths[0], 3);
  RunCells(state, kWidths[0], [&] {
    benchmark::DoNotOptimize(
        SquaredError(values.view.row(0), targets.view.row(0), 1, gradient.view.row(0)));
  });
}

void Random(State& state, void (*fill)(const RandomKey&, std::span<float>)) {
  Block values(1, 4096, 1);
  RandomKey key = {1, 0, 0};
  RunCells(state, 4096, [&] { fill(key, values.view.row(0)); });
}

constexpr void (*kUniform)(const RandomKey&, std::span<float>) = FillUniform;
constexpr void (*kNormal)(const RandomKey&, std::span<float>) = FillNormal;

void Rows(benchmark::internal::Benchmark* one) {
  for (const int rows : {1, 8, 64, 128, 256, 1024}) one->Arg(rows);
}
void Layers(benchmark::internal::Benchmark* one) {
  for (const int rows : {1, 8, 64}) {
    for (std::size_t l = 0; l + 1 < kWidths.size(); ++l) {
      one->Args({rows, static_cast<int>(kWidths[l]), static_cast<int>(kWidths[l + 1])});
    }
  }
}

BENCHMARK_CAPTURE(Forward, plain, false)->Apply(Rows);
BENCHMARK_CAPTURE(Forward, bias_relu, true)->Apply(Rows);
BENCHMARK(ForwardWarm)->Apply(Rows);
BENCHMARK_CAPTURE(InputGradient, plain, false)->Apply(Rows);
BENCHMARK_CAPTURE(InputGradient, relu_slope, true)->Apply(Rows);
BENCHMARK_CAPTURE(WeightGradient, plain, false)->Apply(Rows);
BENCHMARK_CAPTURE(WeightGradient, with_packing, true)->Apply(Rows);
BENCHMARK(OneLayer)->Apply(Layers);
BENCHMARK_CAPTURE(Encode, float32, WeightFormat::kFloat32)
    ->Unit(benchmark::kMicrosecond)
    ->Apply(Rows);
BENCHMARK_CAPTURE(Encode, float16, WeightFormat::kFloat16)
    ->Unit(benchmark::kMicrosecond)
    ->Apply(Rows);
BENCHMARK_CAPTURE(Encode, int8, WeightFormat::kInt8)->Unit(benchmark::kMicrosecond)->Apply(Rows);
BENCHMARK_CAPTURE(PackWeights, plain, false);
BENCHMARK_CAPTURE(PackWeights, transposed, true);
BENCHMARK(Adam);
BENCHMARK_CAPTURE(Map, exp, Exp);
BENCHMARK_CAPTURE(Map, log, Log);
BENCHMARK_CAPTURE(Map, tanh, Tanh);
BENCHMARK_CAPTURE(Map, sigmoid, Sigmoid);
BENCHMARK_CAPTURE(Map, softplus, Softplus);
BENCHMARK(Bernoulli);
BENCHMARK(Squares);
BENCHMARK_CAPTURE(Random, uniform, kUniform);
BENCHMARK_CAPTURE(Random, normal, kNormal);

std::string GigaflopsOf(double peak) {
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), "%.1f", peak * 1e-9);
  return text.data();
}

}  // namespace
}  // namespace latent::bench

int main(int argc, char** argv) {
  namespace bench = latent::bench;
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::AddCustomContext("isa", std::string(latent::IsaName()));
  benchmark::AddCustomContext("peak_gflops_16_bytes", bench::GigaflopsOf(bench::GenericPeak()));
  benchmark::AddCustomContext("peak_gflops_avx2", bench::GigaflopsOf(bench::Avx2Peak()));
  benchmark::AddCustomContext("peak_gflops_avx512", bench::GigaflopsOf(bench::Avx512Peak()));
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
