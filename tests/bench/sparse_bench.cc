// What sparse rows save, in process. Reads a command a line and answers with a line of JSON:
//
//   layer ITEMS HIDDEN ROWS CELLS zipf|uniform
//     Microseconds of CPU a row, on one thread, of a first layer over rows of CELLS items each, by
//     its cells and as a dense product: forward, gradient (grouping by item included), and forward
//     out of packed weights as served models run it.
//   train TRAIN VALIDATION EPOCHS BATCH THREADS [REQUEST]
//     Trains `mult-vae` on files of one user a line, items from 0 separated by spaces; answers
//     users a second and the final model's exact objective on VALIDATION. REQUEST is more of the
//     TrainJobSpec, in text format.
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "core/base/thread_pool.h"
#include "core/data/dataset.h"
#include "core/nn/aligned_buffer.h"
#include "core/nn/dense.h"
#include "core/nn/sparse_batch.h"
#include "core/train/plan.h"
#include "core/train/trainer.h"
#include "core/train/validation.h"
#include "google/protobuf/text_format.h"

namespace latent::bench {
namespace {

using Clock = std::chrono::steady_clock;

double Seconds(Clock::time_point from) {
  return std::chrono::duration<double>(Clock::now() - from).count();
}

// CPU time of this thread: what others do meanwhile does not count, but for the caches.
double CpuSeconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// Rows of distinct items, as cells alone.
struct Rows {
  std::vector<std::uint64_t> offsets{0};
  std::vector<std::uint32_t> indices;
  std::vector<float> values;
  std::size_t columns = 0;

  std::size_t count() const { return offsets.size() - 1; }
  RowsView view() const {
    return RowsView(SparseRows{offsets.data(), indices.data(), values.data(), count(), columns});
  }
  void Add(std::vector<std::uint32_t> items) {
    std::sort(items.begin(), items.end());
    items.erase(std::unique(items.begin(), items.end()), items.end());
    indices.insert(indices.end(), items.begin(), items.end());
    values.resize(indices.size(), 1.0f);
    offsets.push_back(indices.size());
  }
};

Rows Draw(std::size_t rows, std::size_t items, std::size_t cells, bool zipf) {
  // Items by popularity are scattered over the columns.
  std::vector<std::uint32_t> order(items);
  FillPermutation(1, 0, order);
  Rows out;
  out.columns = items;
  for (std::size_t r = 0; r < rows; ++r) {
    std::vector<std::uint32_t> row;
    std::vector<bool> has(items);
    for (std::uint64_t i = 0; row.size() < cells; ++i) {
      const double u = static_cast<double>(UniformAt({.seed = 2, .sample = r}, i));
      const double rank =
          zipf ? std::pow(static_cast<double>(items), u) - 1 : u * static_cast<double>(items);
      const std::uint32_t item = order[std::min(items - 1, static_cast<std::size_t>(rank))];
      if (has[item]) continue;
      has[item] = true;
      row.push_back(item);
    }
    out.Add(row);
  }
  return out;
}

class Layer {
 public:
  Layer(std::size_t items, std::size_t hidden, std::size_t rows, std::size_t cells, bool zipf)
      : items_(items),
        hidden_(hidden),
        rows_(rows),
        data_(Draw(kBatches * rows, items, cells, zipf)) {
    FillNormal({.seed = 3}, weights_.Span(items * hidden));
    packed_.Pack({weights_.data(), items, hidden});
    bias_.resize(hidden, 0.1f);
    y_.resize(rows * hidden);
    FillNormal({.seed = 4}, y_);
    packed_y_.Pack(Y());
    batch_.Reserve(rows, items, rows * cells);
    dense_.resize(rows * items);
  }

  std::string Measure() {
    double forward = 0, served = 0, gradient = 0, dense_forward = 0, dense_gradient = 0;
    std::vector<RowsView::SparseRow> cells(rows_);
    for (std::size_t b = 0; b < kBatches; ++b) {
      std::vector<std::uint64_t> indices(rows_);
      std::iota(indices.begin(), indices.end(), b * rows_);
      double start = CpuSeconds();
      batch_.Take(data_.view(), indices);
      for (std::size_t r = 0; r < rows_; ++r) batch_.Settle(r);
      const double grouping = CpuSeconds() - start;
      start = CpuSeconds();
      for (std::size_t r = 0; r < rows_; ++r) {
        SparseRowForward(batch_.settled(r), {weights_.data(), items_, hidden_}, bias_, Y().row(r));
      }
      forward += CpuSeconds() - start;
      for (std::size_t r = 0; r < rows_; ++r) cells[r] = batch_.settled(r);
      start = CpuSeconds();
      SparseRowsForward(cells, packed_, bias_, Y());
      served += CpuSeconds() - start;
      start = CpuSeconds();
      for (std::size_t c = 0; c < items_; ++c) {
        batch_.ColumnGradient(c, Y(), slab_.row(c % kSlab));
      }
      gradient += grouping + CpuSeconds() - start;
      data_.view().Gather(indices, {dense_.data(), rows_, items_});
      const ConstMatrix x(dense_.data(), rows_, items_);
      start = CpuSeconds();
      DenseForward(x, packed_, bias_, Activation::kIdentity, Y());
      dense_forward += CpuSeconds() - start;
      start = CpuSeconds();
      for (std::size_t c = 0; c < items_; c += kSlab) {
        const std::size_t columns = std::min(kSlab, items_ - c);
        DenseWeightGradient(x, packed_y_, c, false, {slab_.row(0).data(), columns, hidden_});
      }
      dense_gradient += CpuSeconds() - start;
    }
    const double scale = 1e6 / static_cast<double>(kBatches * rows_);
    std::ostringstream out;
    out << "{\"forward\": " << forward * scale << ", \"served\": " << served * scale
        << ", \"gradient\": " << gradient * scale
        << ", \"dense_forward\": " << dense_forward * scale
        << ", \"dense_gradient\": " << dense_gradient * scale << "}";
    return out.str();
  }

 private:
  static constexpr std::size_t kBatches = 6;
  // Columns whose gradient is formed before their update, as training does.
  static constexpr std::size_t kSlab = 64;
  Matrix Y() { return {y_.data(), rows_, hidden_}; }
  std::size_t items_, hidden_, rows_;
  Rows data_;
  AlignedBuffer weights_, gradient_;
  Matrix slab_ = gradient_.Shape(kSlab, hidden_);
  std::vector<float> bias_, y_, dense_;
  PackedMatrix packed_, packed_y_;
  SparseBatch batch_;
};

Rows ReadUsers(const std::string& path) {
  Rows rows;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream numbers(line);
    std::vector<std::uint32_t> items;
    for (std::uint32_t item; numbers >> item;) items.push_back(item);
    rows.Add(items);
  }
  for (const std::uint32_t item : rows.indices) {
    rows.columns = std::max<std::size_t>(rows.columns, item + 1);
  }
  return rows;
}

std::vector<float> Cells(const Rows& rows, std::size_t columns) {
  std::vector<float> cells(rows.count() * columns);
  for (std::size_t r = 0; r < rows.count(); ++r) {
    for (const std::uint32_t item : rows.view().sparse_row(r).indices) {
      cells[r * columns + item] = 1;
    }
  }
  return cells;
}

std::string TrainOn(std::istream& command) {
  std::string train_file, validation_file, more;
  std::uint32_t epochs, batch, threads;
  command >> train_file >> validation_file >> epochs >> batch >> threads;
  std::getline(command, more);
  const Rows train = ReadUsers(train_file), validation = ReadUsers(validation_file);
  DatasetInfo info;
  info.name = info.content_hash = "users";
  info.columns = static_cast<std::uint32_t>(std::max(train.columns, validation.columns));
  info.row_shape = {info.columns};
  // Judged afterwards: VALIDATION is no part of what is timed.
  const auto data = MakeSparse(*MakeDataset(info, {Cells(train, info.columns), {}}, {}, {}));
  v1::TrainJobSpec request;
  const bool parsed = google::protobuf::TextFormat::ParseFromString(more, &request);
  if (!parsed) return "{\"error\": \"REQUEST is no TrainJobSpec\"}";
  request.set_model("users");
  request.set_dataset("users");
  request.set_preset("mult-vae");
  request.mutable_training()->set_threads(threads);
  v1::GradientSolver& solver = *request.mutable_training()->mutable_solver()->mutable_gradient();
  solver.set_epochs(epochs);
  solver.set_batch_size(batch);
  const auto plan = Resolve(request, data->info(), {});
  if (!plan.ok()) return "{\"error\": \"" + std::string(plan.status().message()) + "\"}";
  const Clock::time_point start = Clock::now();
  const auto fit = Train(*plan, *data, "", TrainingPriority::kNormal, {}, {});
  const double seconds = Seconds(start);
  if (!fit.ok()) return "{\"error\": \"" + std::string(fit.status().message()) + "\"}";
  const std::vector<float> cells = Cells(validation, info.columns);
  ThreadPool pool(threads);
  ValidationPass pass(RowsView(cells.data(), validation.count(), info.columns));
  const double objective = pass.Objective(*fit->model, 0, pool);
  std::ostringstream out;
  out << "{\"users_per_second\": " << static_cast<double>(train.count() * epochs) / seconds
      << ", \"objective\": " << objective
      << ", \"hidden\": " << plan->architecture().encoder().layers(0).dense().units()
      << ", \"latent\": " << plan->architecture().latent().dim() << "}";
  return out.str();
}

std::string Answer(const std::string& line) {
  std::istringstream command(line);
  std::string what;
  command >> what;
  if (what == "train") return TrainOn(command);
  std::size_t items, hidden, rows, cells;
  std::string law;
  if (what != "layer" || !(command >> items >> hidden >> rows >> cells >> law)) {
    return "{\"error\": \"expected layer ITEMS HIDDEN ROWS CELLS LAW, or train ...\"}";
  }
  return Layer(items, hidden, rows, cells, law == "zipf").Measure();
}

}  // namespace
}  // namespace latent::bench

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << latent::bench::Answer(line) << std::endl;
  }
}
