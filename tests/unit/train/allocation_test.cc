// Steps of training take no memory: every allocation of this binary is counted.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <limits>
#include <new>
#include <string>

#include "core/model/presets.h"
#include "tests/unit/train/train_fixture.h"

namespace {
std::atomic<long> allocations{0};

void* Allocate(std::size_t size, std::size_t alignment) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  const std::size_t whole = std::max<std::size_t>(1, (size + alignment - 1) / alignment);
  void* memory = std::aligned_alloc(alignment, whole * alignment);
  if (memory == nullptr) std::abort();
  return memory;
}
}  // namespace

// The other forms of the library lead to these.
void* operator new(std::size_t size) { return Allocate(size, alignof(std::max_align_t)); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return Allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace latent {
namespace {

constexpr std::size_t kRows = 256;

// The least that any epoch after the first has allocated, from the end of one report to the end of
// the next one: what its steps need, and what its end needs.
long AllocationsOfAnEpoch(const Dataset& rows, const std::string& request, int batch_size) {
  const Dataset* const data = &rows;
  v1::TrainingPlan plan = PlanFor(*data, request);
  auto& training = *plan.mutable_training();
  training.mutable_solver()->mutable_gradient()->set_epochs(4);
  training.mutable_solver()->mutable_gradient()->set_batch_size(
      static_cast<std::uint32_t>(batch_size));
  training.mutable_solver()->mutable_gradient()->mutable_early_stopping()->set_enabled(false);
  training.set_threads(2);
  long least = std::numeric_limits<long>::max();
  long before = -1;
  TrainCallbacks callbacks;
  callbacks.on_progress = [&](const v1::TrainProgress&, bool epoch_end) {
    if (!epoch_end) return;
    const long now = allocations.load();
    if (before >= 0) least = std::min(least, now - before);
    before = now;
  };
  const auto result = Train(plan, *data, "", TrainingPriority::kNormal, callbacks, {});
  EXPECT_TRUE(result.ok()) << result.status();
  return least;
}

// Eight times the steps, and not one allocation more.
void ExpectNoneInSteps(const std::string& request, bool sparse = false) {
  SCOPED_TRACE(request);
  const auto dense = SomeDigits(kRows, 64);
  const auto data = sparse ? MakeSparse(*dense) : dense;
  const long few = AllocationsOfAnEpoch(*data, request, 64);
  const long many = AllocationsOfAnEpoch(*data, request, 8);
  EXPECT_EQ(many, few);
}

TEST(AllocationTest, CountsWhatIsAllocated) {
  const long before = allocations.load();
  const std::string text(1000, 'x');
  EXPECT_EQ(allocations.load(), before + 1) << text;
}

TEST(AllocationTest, StepsOfEveryGradientPresetTakeNoMemory) {
  for (const Preset& preset : Presets()) {
    if (!preset.training.solver().has_gradient() && preset.training.has_solver()) continue;
    ExpectNoneInSteps("preset: \"" + preset.name + "\"");
  }
}

TEST(AllocationTest, StepsWithFurtherPartsTakeNoMemory) {
  for (const char* parts : {
           "architecture { corruption { masking { fraction: 0.3 } } tied_weights: true }",
           "architecture { corruption { salt_and_pepper { fraction: 0.3 } } }",
           "architecture { penalties { l1 { weight: 0.01 } l2 { weight: 0.01 code_weight: 0.1 }"
           " unit_norm_decoder: true } scaling { standardise {} } }",
           "training { solver { gradient { clip_norm: 0.5 } } }",
       }) {
    ExpectNoneInSteps(std::string("preset: \"plain\" ") + parts);
  }
  ExpectNoneInSteps(
      "preset: \"vae\" architecture { likelihood { gaussian { learned_variance: true } }"
      " objective { elbo { draws: 3 free_bits: 0.1 warm_up_fraction: 0.5 } } }");
}

TEST(AllocationTest, StepsOnSparseRowsTakeNoMemory) {
  for (const char* parts : {
           "",
           "training { solver { gradient { clip_norm: 0 optimizer { adam { lazy: true } } } } }",
           "architecture { likelihood { multinomial { sampled_columns: 5 } } }",
       }) {
    ExpectNoneInSteps(std::string("preset: \"mult-vae\" ") + parts, true);
    ExpectNoneInSteps(std::string("preset: \"mult-dae\" ") + parts, true);
  }
}

}  // namespace
}  // namespace latent
