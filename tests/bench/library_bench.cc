// What the library does in this process, without a server: the other side of lines that say what
// serving and jobs cost. Reads commands from its input, answers each with one line of JSON:
//
//   encode VERSION_DIRECTORY ROWS SECONDS   calls of ROWS rows on this thread
//   train DATASET_DIRECTORY PLAN_FILE       the whole plan, at normal priority
//   read KIB SECONDS                        bytes a second of a warm buffer, one core
//   peak                                    operations a second, see kernel_peak.h
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <new>
#include <sstream>
#include <string>
#include <vector>

#include "core/base/isa.h"
#include "core/base/random.h"
#include "core/data/parse.h"
#include "core/serve/served_model.h"
#include "core/train/plan_json.h"
#include "core/train/trainer.h"
#include "tests/bench/kernel_peak.h"

namespace {
std::atomic<std::uint64_t> allocations{0};

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

namespace latent::bench {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::uint64_t PageFaults() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_minflt);
}

[[noreturn]] void Fail(const std::string& what) {
  std::fprintf(stderr, "library_bench: %s\n", what.c_str());
  std::exit(1);
}

template <typename T>
T ValueOf(absl::StatusOr<T> result) {
  if (!result.ok()) Fail(std::string(result.status().message()));
  return *std::move(result);
}

// Seconds of each call of `once`, after as many to warm up as a tenth of the time has.
template <typename Once>
std::vector<double> Repeat(double seconds, const Once& once) {
  const auto warm_up = Clock::now();
  do once();
  while (SecondsSince(warm_up) < seconds / 10);
  std::vector<double> took;
  took.reserve(1 << 20);
  // The room for times shall not fault in while they are taken.
  took.resize(took.capacity(), 1.0);
  took.clear();
  const auto start = Clock::now();
  while (SecondsSince(start) < seconds && took.size() < took.capacity()) {
    const auto call = Clock::now();
    once();
    took.push_back(SecondsSince(call));
  }
  return took;
}

void Encode(std::istream& arguments) {
  static std::map<std::string, std::shared_ptr<const ServedModel>> models;
  std::string directory;
  std::size_t rows = 0;
  double seconds = 0;
  if (!(arguments >> directory >> rows >> seconds)) Fail("encode DIRECTORY ROWS SECONDS");
  auto& served = models[directory];
  if (served == nullptr) served = ValueOf(ServedModel::Load({"bench", 1}, directory, "none"));
  const Autoencoder& model = served->model();
  std::vector<float> input(rows * model.columns()), codes(rows * model.latent_dim());
  FillUniform({1, 0, 0}, input);
  ForwardOutputs outputs;
  outputs.codes = {codes.data(), rows, model.latent_dim()};
  Workspace workspace;
  std::uint64_t allocated = 0, faults = 0, calls = 0;
  const ConstMatrix batch = {input.data(), rows, model.columns()};
  std::vector<double> took = Repeat(seconds, [&] {
    const std::uint64_t allocations_before = allocations.load();
    const std::uint64_t faults_before = calls % 64 == 0 ? PageFaults() : 0;
    model.Forward(batch, outputs, workspace);
    // The first call makes the workspace.
    if (calls > 0) allocated += allocations.load() - allocations_before;
    if (calls > 0 && calls % 64 == 0) faults += PageFaults() - faults_before;
    ++calls;
  });
  double all = 0;
  for (const double one : took) all += one;
  std::sort(took.begin(), took.end());
  std::printf(
      "{\"rows_per_second\": %.1f, \"p50_us\": %.2f, \"calls\": %zu, \"allocations\": %llu, "
      "\"faults\": %llu}\n",
      static_cast<double>(rows * took.size()) / all, 1e6 * took[took.size() / 2], took.size(),
      static_cast<unsigned long long>(allocated), static_cast<unsigned long long>(faults));
}

void TrainPlan(std::istream& arguments) {
  std::string dataset, plan_file;
  if (!(arguments >> dataset >> plan_file)) Fail("train DATASET_DIRECTORY PLAN_FILE");
  std::ostringstream text;
  text << std::ifstream(plan_file).rdbuf();
  const v1::TrainingPlan plan = ValueOf(ParsePlan(text.str()));
  const auto data = ValueOf(OpenDataset(dataset));
  const auto start = Clock::now();
  const TrainResult result = ValueOf(Train(plan, *data, "", TrainingPriority::kNormal, {}, {}));
  std::printf("{\"seconds\": %.4f, \"epochs\": %u, \"threads\": %u}\n", SecondsSince(start),
              result.progress.epoch(), plan.training().threads());
}

typedef float Lanes __attribute__((vector_size(64)));

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
__attribute__((target_clones("default", "avx2", "avx512f")))
#endif
float SumOf(const Lanes* cells, std::size_t count) {
  Lanes sums[8] = {};
  for (std::size_t i = 0; i + 8 <= count; i += 8) {
#pragma GCC unroll 8
    for (std::size_t s = 0; s < 8; ++s) sums[s] += cells[i + s];
  }
  Lanes sum = {};
  for (const Lanes& one : sums) sum += one;
  return sum[0];
}

void Read(std::istream& arguments) {
  std::size_t kib = 0;
  double seconds = 0;
  if (!(arguments >> kib >> seconds)) Fail("read KIB SECONDS");
  const std::size_t count = kib * 1024 / sizeof(Lanes);
  const auto buffer = std::make_unique<Lanes[]>(count);
  std::fill_n(buffer.get(), count, Lanes{});
  // Small buffers are read again and again between two looks at the clock.
  const std::size_t times = std::max<std::size_t>(1, (1u << 23) / (kib * 1024));
  volatile float sink = 0;
  std::vector<double> took = Repeat(seconds, [&] {
    for (std::size_t t = 0; t < times; ++t) sink = SumOf(buffer.get(), count);
  });
  std::sort(took.begin(), took.end());
  std::printf("{\"bytes_per_second\": %.0f}\n",
              static_cast<double>(times * count * sizeof(Lanes)) / took[took.size() / 2]);
}

void PrintPeak() {
  std::printf("{\"isa\": \"%s\", \"portable\": %.0f, \"avx2\": %.0f, \"avx512\": %.0f}\n",
              std::string(IsaName()).c_str(), GenericPeak(), Avx2Peak(), Avx512Peak());
}

void Obey(const std::string& line) {
  std::istringstream arguments(line);
  std::string command;
  arguments >> command;
  if (command == "encode") {
    Encode(arguments);
  } else if (command == "train") {
    TrainPlan(arguments);
  } else if (command == "read") {
    Read(arguments);
  } else if (command == "peak") {
    PrintPeak();
  } else {
    Fail("expected encode, train, read or peak, got \"" + command + "\"");
  }
  std::fflush(stdout);
}

}  // namespace
}  // namespace latent::bench

int main() {
  std::string line;
  while (std::getline(std::cin, line)) latent::bench::Obey(line);
  return 0;
}
