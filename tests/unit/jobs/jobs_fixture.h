// A store in a temporary directory with a job store, a small dataset and a plan to train on it.
#ifndef LATENT_TESTS_UNIT_JOBS_JOBS_FIXTURE_H_
#define LATENT_TESTS_UNIT_JOBS_JOBS_FIXTURE_H_

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/clock.h"
#include "core/base/random.h"
#include "core/data/dataset.h"
#include "core/jobs/job_store.h"
#include "core/store/store.h"
#include "core/train/plan.h"

namespace latent {

inline constexpr std::uint32_t kJobColumns = 6;

inline DatasetInfo JobDatasetInfo() {
  DatasetInfo info;
  info.name = "numbers";
  info.content_hash = std::string(64, 'a');
  info.columns = kJobColumns;
  info.row_shape = {kJobColumns};
  info.part_rows[v1::PART_TRAIN] = 64;
  info.part_rows[v1::PART_VALIDATION] = 16;
  info.part_rows[v1::PART_TEST] = 16;
  info.max = info.train_max = 1;
  return info;
}

inline InMemoryPart RandomPart(std::size_t rows, std::uint64_t seed) {
  InMemoryPart part;
  part.cells.resize(rows * kJobColumns);
  FillUniform({seed, 0, 0}, part.cells);
  return part;
}

inline std::shared_ptr<const Dataset> JobDataset() {
  return MakeDataset(JobDatasetInfo(), RandomPart(64, 1), RandomPart(16, 2), RandomPart(16, 3));
}

inline v1::TrainingPlan JobPlan(const std::string& model = "toy", std::uint32_t epochs = 4) {
  v1::TrainJobSpec request;
  request.set_model(model);
  request.set_dataset("numbers");
  request.mutable_architecture()->mutable_latent()->set_dim(2);
  request.mutable_training()->mutable_solver()->mutable_gradient()->set_epochs(epochs);
  request.mutable_training()->mutable_solver()->mutable_gradient()->set_batch_size(16);
  request.mutable_training()->set_threads(1);
  auto plan = Resolve(request, JobDatasetInfo(), PlanEnvironment());
  EXPECT_TRUE(plan.ok()) << plan.status();
  return *std::move(plan);
}

class JobsTest : public testing::Test {
 protected:
  JobsTest()
      : root_(std::filesystem::temp_directory_path() /
              ("latent-jobs-" + std::to_string(::getpid()) + "-" +
               testing::UnitTest::GetInstance()->current_test_info()->name())) {
    std::filesystem::remove_all(root_);
    Open();
  }
  ~JobsTest() override {
    jobs_.reset();
    store_.reset();
    std::filesystem::remove_all(root_);
  }

  // As a start of the server does; what was open is closed first.
  void Open() {
    jobs_.reset();
    store_.reset();
    Store::Options options;
    options.path = root_;
    options.clock = &clock_;
    options.schemas = {JobStore::DatabaseSchema()};
    std::vector<std::string> notes;
    auto store = Store::Open(std::move(options), &notes);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    jobs_ = std::make_unique<JobStore>(&store_->dir(), &store_->db(), &clock_, JobStore::Options());
    ASSERT_TRUE(jobs_->Recover(&notes).ok());
  }
  // The methods that join a transaction, in one of their own.
  absl::StatusOr<JobRecord> TrySubmit(const v1::TrainingPlan& plan) {
    return InTransaction([&](Transaction& tx) { return jobs_->Submit(tx, plan); });
  }
  absl::StatusOr<JobRecord> Cancel(const std::string& id) {
    return InTransaction([&](Transaction& tx) { return jobs_->Cancel(tx, id); });
  }
  absl::Status Delete(const std::string& id) {
    return store_->db().Write([&](Transaction& tx) { return jobs_->Delete(tx, id); });
  }
  std::string Submit(const v1::TrainingPlan& plan) {
    auto job = TrySubmit(plan);
    EXPECT_TRUE(job.ok()) << job.status();
    return job.ok() ? job->id : "";
  }
  std::string Submit() { return Submit(JobPlan()); }
  JobRun Start() {
    auto job = jobs_->StartNext();
    EXPECT_TRUE(job.ok() && job->has_value()) << job.status();
    return {(*job)->id, (*job)->attempt};
  }
  JobRecord Get(const std::string& id) {
    auto job = jobs_->Get(id);
    EXPECT_TRUE(job.ok()) << job.status();
    return job.ok() ? *job : JobRecord();
  }

  absl::StatusOr<JobRecord> InTransaction(
      const std::function<absl::StatusOr<JobRecord>(Transaction&)>& body) {
    absl::StatusOr<JobRecord> job;
    const absl::Status done = store_->db().Write([&](Transaction& tx) {
      job = body(tx);
      return job.status();
    });
    if (!done.ok()) return done;
    return job;
  }

  const std::filesystem::path root_;
  FakeClock clock_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<JobStore> jobs_;
};

}  // namespace latent

#endif  // LATENT_TESTS_UNIT_JOBS_JOBS_FIXTURE_H_
