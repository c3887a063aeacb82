#include "tests/bench/kernel_peak.h"

#include <algorithm>
#include <cstddef>
#include <ctime>

#include "benchmark/benchmark.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace latent::bench {
namespace {

// More chains than any core needs to hide a multiply-add's latency, and few enough for 16
// registers.
constexpr std::size_t kChains = 12;
constexpr std::size_t kSteps = 4000;
constexpr int kRuns = 12;

// Best rate of `chains`, which does kSteps steps of kChains chains, `lanes` wide.
double BestRate(void (*chains)(), std::size_t lanes, int runs = kRuns) {
  double best = 1;
  for (int run = 0; run < runs; ++run) {
    const double start = ThreadSeconds();
    chains();
    best = std::min(best, ThreadSeconds() - start);
  }
  return 2.0 * static_cast<double>(kSteps * kChains * lanes) / best;
}

typedef float Lanes __attribute__((vector_size(16)));

void GenericChains() {
  Lanes sums[kChains] = {};
  Lanes factor = {0.5f, 0.5f, 0.5f, 0.5f}, term = factor;
  benchmark::DoNotOptimize(factor);
  for (std::size_t step = 0; step < kSteps; ++step) {
#pragma GCC unroll 16
    for (std::size_t c = 0; c < kChains; ++c) sums[c] = sums[c] * factor + term;
  }
  for (Lanes& sum : sums) benchmark::DoNotOptimize(sum);
}

#if defined(__x86_64__)

__attribute__((target("avx2,fma"))) void Avx2Chains() {
  __m256 sums[kChains] = {};
  __m256 factor = _mm256_set1_ps(0.5f), term = factor;
  benchmark::DoNotOptimize(factor);
  for (std::size_t step = 0; step < kSteps; ++step) {
#pragma GCC unroll 16
    for (std::size_t c = 0; c < kChains; ++c) sums[c] = _mm256_fmadd_ps(sums[c], factor, term);
  }
  for (__m256& sum : sums) benchmark::DoNotOptimize(sum);
}

__attribute__((target("avx512f"))) void Avx512Chains() {
  __m512 sums[kChains] = {};
  __m512 factor = _mm512_set1_ps(0.5f), term = factor;
  benchmark::DoNotOptimize(factor);
  for (std::size_t step = 0; step < kSteps; ++step) {
#pragma GCC unroll 16
    for (std::size_t c = 0; c < kChains; ++c) sums[c] = _mm512_fmadd_ps(sums[c], factor, term);
  }
  for (__m512& sum : sums) benchmark::DoNotOptimize(sum);
}

#endif

}  // namespace

double ThreadSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

double GenericPeak() { return BestRate(GenericChains, 4); }

double Avx2Peak() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    return BestRate(Avx2Chains, 8);
  }
#endif
  return 0;
}

double Avx512Peak() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return BestRate(Avx512Chains, 16);
#endif
  return 0;
}

double ActivePeak() {
  switch (ActiveIsa()) {
    case Isa::kAvx512:
      return Avx512Peak();
    case Isa::kAvx2:
      return Avx2Peak();
    case Isa::kPortable:
      break;
  }
  return GenericPeak();
}

double PeakNow(Isa level) {
  constexpr int kFewRuns = 2;
#if defined(__x86_64__)
  if (level == Isa::kAvx512) return BestRate(Avx512Chains, 16, kFewRuns);
  if (level == Isa::kAvx2) return BestRate(Avx2Chains, 8, kFewRuns);
#endif
  return BestRate(GenericChains, 4, kFewRuns);
}

}  // namespace latent::bench
