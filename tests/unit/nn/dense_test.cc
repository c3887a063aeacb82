#include "core/nn/dense.h"

#include <atomic>
#include <cstdlib>
#include <new>
#include <vector>

#include "core/base/random.h"
#include "core/base/thread_pool.h"
#include "core/nn/optimizer.h"
#include "gtest/gtest.h"

namespace {

std::atomic<long> allocations{0};

void* Allocate(std::size_t size, std::size_t alignment) {
  ++allocations;
  const std::size_t rounded = (size + alignment - 1) / alignment * alignment;
  if (void* memory = std::aligned_alloc(alignment, rounded)) return memory;
  throw std::bad_alloc();
}

}  // namespace

// Every allocation of this program is counted. Not inlined, or GCC takes the pairs for mismatched.
[[gnu::noinline]] void* operator new(std::size_t size) { return Allocate(size, 16); }
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
  return Allocate(size, static_cast<std::size_t>(alignment));
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}

namespace latent {
namespace {

// A two-layer network with a squared loss, trained by the scheme that dense.h describes.
class TinyNetwork {
 public:
  static constexpr std::size_t kBatch = 53, kIn = 40, kHidden = 21;

  explicit TinyNetwork(std::size_t threads)
      : pool_(threads), parameters_(kParameters), moments_(2 * kParameters) {
    FillNormal({1, 0, 0}, parameters_.Span(kParameters));
    Scale(0.1f, parameters_.Span(kParameters));
    FillUniform({2, 0, 0}, input_.Span(kBatch * kIn));
    first_.Resize(kIn, kHidden);
    second_.Resize(kHidden, kIn);
    first_gradient_.Resize(kBatch, kHidden);
    second_gradient_.Resize(kBatch, kIn);
    first_.Pack(Weights(parameters_, 0));
    second_.Pack(Weights(parameters_, 1));
  }

  void Step() {
    ++step_;
    pool_.Run([this](std::size_t thread) {
      Rows(thread);
      pool_.Barrier();
      Update(thread, 0);
      Update(thread, 1);
    });
  }
  std::vector<float> weights() {
    const auto span = parameters_.Span(kParameters);
    return {span.begin(), span.end()};
  }
  double loss() {
    double sum = 0;
    for (const double row : losses_) sum += row;
    return sum;
  }

 private:
  static constexpr std::size_t kLayer = kIn * kHidden;
  static constexpr std::size_t kParameters = 2 * kLayer + kHidden + kIn;

  // Both layers' weights, then both biases.
  static Matrix Weights(AlignedBuffer& buffer, std::size_t layer) {
    Real* cells = buffer.Span(kParameters).data();
    return layer == 0 ? Matrix(cells, kIn, kHidden) : Matrix(cells + kLayer, kHidden, kIn);
  }
  static std::span<Real> Bias(AlignedBuffer& buffer, std::size_t layer) {
    const auto biases = buffer.Span(kParameters).subspan(2 * kLayer);
    return layer == 0 ? biases.first(kHidden) : biases.subspan(kHidden);
  }

  void Rows(std::size_t thread) {
    const auto [first, count] = Share(kBatch, pool_.threads(), thread);
    const Matrix x = input_.Shape(kBatch, kIn).slice_rows(first, count);
    const Matrix h = Matrix(hidden_.data(), kBatch, kHidden).slice_rows(first, count);
    const Matrix dh = Matrix(hidden_slope_.data(), kBatch, kHidden).slice_rows(first, count);
    const Matrix y = Matrix(output_.data(), kBatch, kIn).slice_rows(first, count);
    DenseForward(x, first_.forward, Bias(parameters_, 0), Activation::kTanh, h);
    DenseForward(h, second_.forward, Bias(parameters_, 1), Activation::kIdentity, y);
    for (std::size_t r = 0; r < count; ++r) {
      losses_[first + r] = SquaredError(y.row(r), x.row(r), 2, y.row(r));
    }
    DenseBackwardData(y, second_.backward, {false, Activation::kTanh, h}, dh);
    second_gradient_.PackRows(y, first);
    first_gradient_.PackRows(dh, first);
  }

  void Update(std::size_t thread, std::size_t layer) {
    const Matrix weights = Weights(parameters_, layer);
    const auto [first, count] = Share(weights.rows, pool_.threads(), thread, 16);
    const ConstMatrix inputs = layer == 0 ? ConstMatrix(input_.data(), kBatch, kIn)
                                          : ConstMatrix(hidden_.data(), kBatch, kHidden);
    const Matrix dw = Weights(gradients_, layer).slice_rows(first, count);
    DenseWeightGradient(inputs, layer == 0 ? first_gradient_ : second_gradient_, first, false, dw);
    Adam(static_cast<std::size_t>(weights.row(0).data() - parameters_.data()) +
             first * weights.columns,
         count * weights.columns);
    (layer == 0 ? first_ : second_).PackRows(weights.slice_rows(first, count), first);
    if (thread != 0) return;
    const ConstMatrix dy = layer == 0 ? ConstMatrix(hidden_slope_.data(), kBatch, kHidden)
                                      : ConstMatrix(output_.data(), kBatch, kIn);
    const auto bias = Bias(gradients_, layer);
    DenseBiasGradient(dy, 0, false, bias);
    Adam(static_cast<std::size_t>(bias.data() - gradients_.data()), bias.size());
  }

  void Adam(std::size_t first, std::size_t count) {
    AdamUpdate update;
    update.learning_rate = 0.01;
    update.step = step_;
    const auto moments = moments_.Span(2 * kParameters);
    ApplyAdam(update, {.weights = parameters_.Span(kParameters).subspan(first, count),
                       .gradients = gradients_.Span(kParameters).subspan(first, count),
                       .first_moment = moments.subspan(first, count),
                       .second_moment = moments.subspan(kParameters + first, count)});
  }

  ThreadPool pool_;
  AlignedBuffer parameters_, gradients_{kParameters}, moments_, input_;
  AlignedBuffer hidden_{kBatch * kHidden}, hidden_slope_{kBatch * kHidden}, output_{kBatch * kIn};
  DensePacked first_, second_;
  PackedMatrix first_gradient_, second_gradient_;
  std::vector<double> losses_ = std::vector<double>(kBatch);
  std::uint64_t step_ = 0;
};

TEST(DenseTrainingTest, LearnsTheSameBitsOnAnyNumberOfThreads) {
  TinyNetwork one(1);
  one.Step();
  const double loss_before = one.loss();
  for (int i = 1; i < 100; ++i) one.Step();
  EXPECT_LT(one.loss(), 0.2 * loss_before);
  for (const std::size_t threads : {2u, 3u, 5u}) {
    TinyNetwork several(threads);
    for (int i = 0; i < 100; ++i) several.Step();
    EXPECT_EQ(several.weights(), one.weights()) << threads;
    EXPECT_EQ(several.loss(), one.loss()) << threads;
  }
}

TEST(DenseTrainingTest, AllocatesNothingInAStep) {
  TinyNetwork network(2);
  network.Step();
  const long before = allocations;
  for (int i = 0; i < 10; ++i) network.Step();
  EXPECT_EQ(allocations - before, 0);
}

TEST(DenseBiasGradientTest, SumsTheRowsOfASlice) {
  std::vector<float> dy = {1, 2, 3, 10, 20, 30};
  std::vector<float> db = {5, 5};
  DenseBiasGradient({dy.data(), 2, 3}, 1, false, db);
  EXPECT_EQ(db, (std::vector<float>{22, 33}));
  DenseBiasGradient({dy.data(), 2, 3}, 0, true, db);
  EXPECT_EQ(db, (std::vector<float>{33, 55}));
}

}  // namespace
}  // namespace latent
