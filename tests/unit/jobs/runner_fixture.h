// A runner over a real store, with a clock, an evaluation and objectives that a test sets.
#ifndef LATENT_TESTS_UNIT_JOBS_RUNNER_FIXTURE_H_
#define LATENT_TESTS_UNIT_JOBS_RUNNER_FIXTURE_H_

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "core/jobs/runner.h"
#include "core/train/version_files.h"
#include "jobs_fixture.h"

namespace latent {

class RunnerTest : public JobsTest {
 protected:
  RunnerTest() {
    evaluate_ = [](const Autoencoder&, const v1::TrainingPlan&, const Dataset&, std::stop_token) {
      Evaluation evaluation;
      evaluation.anomaly_threshold = 1;
      evaluation.score_quantiles = {0, 1};
      return evaluation;
    };
  }
  std::unique_ptr<Runner> MakeRunner() {
    RunnerParts parts;
    parts.jobs = jobs_.get();
    parts.registry = &store_->registry();
    parts.state = &store_->dir();
    parts.clock = &clock_;
    parts.load_dataset = [this](const v1::DatasetSchema&) { return data_; };
    parts.train = [this](const v1::TrainingPlan& plan, const Dataset& data,
                         const std::string& checkpoint, TrainingPriority,
                         const TrainCallbacks& callbacks, std::stop_token stop,
                         const TensorFile* start) {
      if (start != nullptr) {
        return Train(plan, data, checkpoint, TrainingPriority::kNormal, callbacks, stop, start);
      }
      return train_(plan, data, checkpoint, callbacks, stop);
    };
    parts.evaluate = evaluate_;
    parts.objective = [this](const Autoencoder&, const Dataset&, v1::Part, std::uint64_t) {
      return objectives_.size() > 1 ? TakeObjective() : objectives_.front();
    };
    RunnerOptions options;
    options.priority = TrainingPriority::kNormal;
    options.code_revision = "r1";
    return std::make_unique<Runner>(std::move(parts), options);
  }
  double TakeObjective() {
    const double value = objectives_.front();
    objectives_.erase(objectives_.begin());
    return value;
  }
  // Runs the next job to its end.
  JobRecord RunOne(const std::string& id) {
    const auto ran = MakeRunner()->RunOne();
    EXPECT_TRUE(ran.ok() && *ran) << ran.status();
    JobRecord job = Get(id);
    return job;
  }
  std::uint64_t Production(const std::string& model = "toy") {
    const auto found = store_->registry().Get()->FindModel(model);
    return found.ok() && (*found)->aliases.contains("production")
               ? (*found)->aliases.at("production").version
               : 0;
  }
  std::string Weights(std::uint64_t version, const std::string& model = "toy") {
    const auto found = store_->registry().Get()->Resolve(model, {version, ""});
    EXPECT_TRUE(found.ok()) << found.status();
    return *store_->registry().ReadArtifact(**found, kWeightsFile);
  }
  // Trains for real, but after the event of epoch `epoch` waits until it is asked to stop.
  void HoldAtEpoch(std::uint32_t epoch) {
    train_ = [this, epoch](const v1::TrainingPlan& plan, const Dataset& data,
                           const std::string& checkpoint, const TrainCallbacks& callbacks,
                           std::stop_token stop) {
      TrainCallbacks held = callbacks;
      held.on_progress = [&](const v1::TrainProgress& progress, bool epoch_end) {
        callbacks.on_progress(progress, epoch_end);
        if (!epoch_end || progress.epoch() != epoch) return;
        std::unique_lock<std::mutex> lock(held_mutex_);
        held_ = true;
        held_changed_.notify_all();
        held_changed_.wait(lock, stop, [] { return false; });
      };
      return Train(plan, data, checkpoint, TrainingPriority::kNormal, held, stop);
    };
  }
  void WaitUntilHeld() {
    std::unique_lock<std::mutex> lock(held_mutex_);
    held_changed_.wait(lock, [this] { return held_; });
    held_ = false;
  }
  // Until the job has ended, by its events.
  JobRecord WaitForEnd(const std::string& id) {
    std::mutex mutex;
    std::condition_variable changed;
    std::atomic<bool> news = true;
    const auto watcher = *jobs_->Watch(id, 0, [&] {
      const std::lock_guard<std::mutex> lock(mutex);
      news = true;
      changed.notify_all();
    });
    while (!watcher->done()) {
      std::unique_lock<std::mutex> lock(mutex);
      changed.wait(lock, [&] { return news.load(); });
      news = false;
      lock.unlock();
      while (watcher->Next()->has_value()) {
      }
    }
    return Get(id);
  }

  using FakeTrain = std::function<absl::StatusOr<TrainResult>(
      const v1::TrainingPlan&, const Dataset&, const std::string&, const TrainCallbacks&,
      std::stop_token)>;
  std::shared_ptr<const Dataset> data_ = JobDataset();
  FakeTrain train_ = [](const v1::TrainingPlan& plan, const Dataset& data,
                        const std::string& checkpoint, const TrainCallbacks& callbacks,
                        std::stop_token stop) {
    return Train(plan, data, checkpoint, TrainingPriority::kNormal, callbacks, stop);
  };
  decltype(RunnerParts::evaluate) evaluate_;
  std::vector<double> objectives_ = {1.0};
  std::mutex held_mutex_;
  std::condition_variable_any held_changed_;
  bool held_ = false;
};

}  // namespace latent

#endif  // LATENT_TESTS_UNIT_JOBS_RUNNER_FIXTURE_H_
