// Training by the library alone, in this process, measured when asked: reads commands a line from
// standard input and answers each with a line of JSON.
//
//   train_bench ROWS.npy      float32 in [0, 1]
//
//   train MODEL EPOCHS THREADS [background]   rows a second and page faults a step of the epochs
//                                             after the first, and the share of the cores' peak
//   first MODEL STEPS PATH                    writes the first weights, and the noise of STEPS
//                                             epochs over the first batch, as safetensors
//   losses MODEL STEPS                        the loss of each of STEPS updates on that batch
//   steps MODEL                               allocations and page faults that a step adds
//
// MODEL is ae (784-512-256-32 and back) or vae (784-400-20 and back); batches of 128, Adam.
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <memory>
#include <new>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "core/base/isa.h"
#include "core/base/random.h"
#include "core/data/dataset.h"
#include "core/data/formats.h"
#include "core/model/composed_parts.h"
#include "core/model/model_io.h"
#include "core/train/plan.h"
#include "core/train/trainer.h"
#include "google/protobuf/text_format.h"
#include "tests/bench/kernel_peak.h"

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

namespace latent::bench {
namespace {

constexpr std::size_t kBatch = 128;

// Adam as it is in its paper, and the loss as it is.
constexpr char kTraining[] =
    "training { seed: 1 solver { gradient { batch_size: 128 clip_norm: 0 "
    "  early_stopping { enabled: false } "
    "  optimizer { adam { weight_decay: 0 } } "
    "  schedule { constant {} learning_rate: 0.001 warm_up_fraction: 0 } } } }";

struct Shape {
  const char* name;
  const char* request;
  std::vector<std::size_t> products;  // inputs, outputs; inputs, outputs; ...; in order
};
const Shape kShapes[] = {
    {"ae",
     "preset: \"plain\" architecture { likelihood { bernoulli {} } latent { dim: 32 } encoder { "
     "layers { dense { units: 512 } } layers { dense { units: 256 } } } }",
     {784, 512, 512, 256, 256, 32, 32, 256, 256, 512, 512, 784}},
    {"vae",
     "preset: \"vae\" architecture { likelihood { bernoulli {} } latent { dim: 20 } encoder { "
     "layers { dense { units: 400 } } } objective { elbo { warm_up_fraction: 0 } } }",
     {784, 400, 400, 20, 400, 20, 20, 400, 400, 784}},
};

[[noreturn]] void Fail(const std::string& message) {
  std::cerr << message << "\n";
  std::exit(1);
}

template <typename T>
T Must(absl::StatusOr<T> value) {
  if (!value.ok()) Fail(value.status().ToString());
  return *std::move(value);
}

const Shape& ShapeOf(const std::string& name) {
  for (const Shape& shape : kShapes) {
    if (shape.name == name) return shape;
  }
  Fail("expected ae or vae, got " + name);
}

// Forward, dW, and dX but for the first layer.
double FlopsPerRow(const Shape& shape) {
  double products = 0, first = 0;
  for (std::size_t i = 0; i < shape.products.size(); i += 2) {
    products += static_cast<double>(shape.products[i] * shape.products[i + 1]);
    if (i == 0) first = products;
  }
  return 2 * (3 * products - first);
}

// The first `rows` of the table.
std::shared_ptr<const Dataset> DatasetOf(const RowTable& table, std::size_t rows) {
  constexpr std::size_t kColumns = 784;
  DatasetInfo info;
  info.name = "images";
  info.content_hash = std::string(64, 'a');
  info.columns = kColumns;
  info.row_shape = {28, 28, 1};
  const auto begin = table.cells.begin();
  return MakeDataset(info, {{begin, begin + static_cast<std::ptrdiff_t>(rows * kColumns)}, {}}, {},
                     {});
}

v1::TrainingPlan PlanOf(const Shape& shape, const Dataset& data, std::uint32_t epochs,
                        std::uint32_t threads) {
  v1::TrainJobSpec request, over;
  request.set_model("m");
  request.set_dataset("images");
  for (const char* text : {shape.request, kTraining}) {
    if (!google::protobuf::TextFormat::MergeFromString(text, &over)) Fail(text);
  }
  request.MergeFrom(over);
  request.mutable_training()->set_threads(threads);
  request.mutable_training()->mutable_solver()->mutable_gradient()->set_epochs(epochs);
  return Must(Resolve(request, data.info(), {}));
}

double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

long PageFaults() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt;
}

// What had been used when an epoch ended.
struct Mark {
  double seconds, loss;
  long faults, allocated;
  std::uint64_t step;
};

std::vector<Mark> Marks(const v1::TrainingPlan& plan, const Dataset& data,
                        TrainingPriority priority = TrainingPriority::kNormal) {
  std::vector<Mark> marks;
  marks.reserve(plan.training().solver().gradient().epochs());
  TrainCallbacks callbacks;
  callbacks.on_progress = [&](const v1::TrainProgress& progress, bool epoch_end) {
    if (!epoch_end) return;
    marks.push_back(
        {Seconds(), progress.train_loss(), PageFaults(), allocations.load(), progress.step()});
  };
  Must(Train(plan, data, "", priority, callbacks, {}));
  return marks;
}

// Of so many cores at once.
double PeakOf(std::uint32_t threads) {
  std::vector<double> peaks(threads);
  std::vector<std::thread> team;
  for (double& peak : peaks) team.emplace_back([&peak] { peak = ActivePeak(); });
  double sum = 0;
  for (std::size_t t = 0; t < team.size(); ++t) {
    team[t].join();
    sum += peaks[t];
  }
  return sum;
}

std::string TrainAnswer(const RowTable& table, std::istream& words) {
  std::string model, priority;
  std::uint32_t epochs = 0, threads = 0;
  words >> model >> epochs >> threads >> priority;
  const Shape& shape = ShapeOf(model);
  const auto data = DatasetOf(table, table.rows);
  const std::vector<Mark> marks =
      Marks(PlanOf(shape, *data, epochs, threads), *data,
            priority == "background" ? TrainingPriority::kBackground : TrainingPriority::kNormal);
  const Mark &first = marks.front(), &last = marks.back();
  const auto rows = static_cast<double>((epochs - 1) * table.rows);
  const double rate = rows / (last.seconds - first.seconds);
  const double peak = PeakOf(threads);
  return absl::StrCat(
      "{\"rows_per_second\": ", rate, ", \"faults_per_step\": ",
      static_cast<double>(last.faults - first.faults) / static_cast<double>(last.step - first.step),
      ", \"share_of_peak\": ", rate * FlopsPerRow(shape) / peak, ", \"peak\": ", peak,
      ", \"isa\": \"", std::string(IsaName()), "\"}");
}

std::string FirstAnswer(const RowTable& table, std::istream& words) {
  std::string model, path;
  std::size_t steps = 0;
  words >> model >> steps >> path;
  const auto data = DatasetOf(table, kBatch);
  const v1::TrainingPlan plan = PlanOf(ShapeOf(model), *data, 1, 1);
  const auto first = Must(CreateModel(plan, ComputeColumnStatistics(data->rows(v1::PART_TRAIN))));
  TensorFile file = ToTensors(*first);
  Tensor noise{.shape = {steps, kBatch, first->latent_dim()}, .values = {}};
  noise.values.resize(steps * kBatch * first->latent_dim());
  float* row = noise.values.data();
  for (std::uint32_t step = 0; step < steps; ++step) {
    for (std::uint64_t r = 0; r < kBatch; ++r, row += first->latent_dim()) {
      FillNormal({.seed = SeedFor(RandomPurpose::kTrainingDraws, plan.training().seed()),
                  .stream = step,
                  .sample = r},
                 std::span(row, first->latent_dim()));
    }
  }
  file.tensors["noise"] = std::move(noise);
  std::ofstream(path, std::ios::binary) << SerializeTensors(file);
  return "{}";
}

std::string LossesAnswer(const RowTable& table, std::istream& words) {
  std::string model;
  std::uint32_t steps = 0;
  words >> model >> steps;
  const auto data = DatasetOf(table, kBatch);
  v1::TrainingPlan plan = PlanOf(ShapeOf(model), *data, steps, 2);
  plan.mutable_training()->mutable_solver()->mutable_gradient()->set_shuffle(false);
  std::vector<std::string> losses;
  for (const Mark& mark : Marks(plan, *data)) losses.push_back(absl::StrFormat("%.10g", mark.loss));
  return absl::StrCat("{\"losses\": [", absl::StrJoin(losses, ", "), "]}");
}

// Epochs of many steps take what those of few do, and the rest is the steps'. The least of many
// short ones is that of one in which no report was due.
std::string StepsAnswer(const RowTable& table, std::istream& words) {
  constexpr std::size_t kFew = 2, kMany = 6, kEpochs = 24;
  std::string model;
  words >> model;
  Mark used[2]{};
  for (const std::size_t steps : {kFew, kMany}) {
    const auto data = DatasetOf(table, steps * kBatch);
    const std::vector<Mark> marks = Marks(PlanOf(ShapeOf(model), *data, kEpochs, 2), *data);
    Mark least = marks.back();
    for (std::size_t i = 2; i < marks.size(); ++i) {
      least.faults = std::min(least.faults, marks[i].faults - marks[i - 1].faults);
      least.allocated = std::min(least.allocated, marks[i].allocated - marks[i - 1].allocated);
    }
    used[steps == kMany] = least;
  }
  const auto each = [&](long few, long many) {
    return static_cast<double>(many - few) / static_cast<double>(kMany - kFew);
  };
  return absl::StrCat("{\"allocations\": ", each(used[0].allocated, used[1].allocated),
                      ", \"faults\": ", each(used[0].faults, used[1].faults), "}");
}

std::string Answer(const RowTable& table, const std::string& line) {
  std::istringstream words(line);
  std::string command;
  words >> command;
  if (command == "train") return TrainAnswer(table, words);
  if (command == "first") return FirstAnswer(table, words);
  if (command == "losses") return LossesAnswer(table, words);
  if (command == "steps") return StepsAnswer(table, words);
  Fail("expected train, first, losses or steps; got " + line);
}

}  // namespace
}  // namespace latent::bench

int main(int argc, char** argv) {
  namespace bench = latent::bench;
  if (argc != 2) bench::Fail("usage: train_bench ROWS.npy");
  const auto table = bench::Must(
      latent::ReadRows(argv[1], latent::FileFormat::kNpy, {}, 1.0, std::uint64_t{1} << 28));
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << bench::Answer(table, line) << std::endl;
  }
  return 0;
}
