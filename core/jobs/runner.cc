#include "core/jobs/runner.h"

#include <chrono>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "core/base/status.h"
#include "core/jobs/catch_thrown.h"

namespace latent {
namespace {

// Pause before the store is asked again after it has failed.
constexpr std::chrono::seconds kRetryPause{1};

}  // namespace

Runner::Runner(RunnerParts parts, RunnerOptions options)
    : parts_(std::move(parts)), options_(std::move(options)) {
  parts_.jobs->SetListener(
      [this](const std::string& id, v1::JobState state) { OnChange(id, state); });
}

Runner::~Runner() {
  Stop();
  parts_.jobs->SetListener([](const std::string&, v1::JobState) {});
}

void Runner::OnChange(const std::string& id, v1::JobState state) {
  std::shared_ptr<RunningJob> running;
  {
    MutexLock lock(&mutex_);
    if (state == v1::JOB_STATE_QUEUED) {
      work_ = true;
      wake_.NotifyAll();
    } else if (running_ != nullptr && running_->id() == id) {
      running = running_;
    }
  }
  if (running != nullptr) running->RequestStop(RunningJob::StopReason::kCancel);
}

void Runner::Start() {
  thread_ = std::jthread([this] { Loop(); });
}

void Runner::Stop() {
  std::shared_ptr<RunningJob> running;
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
    running = running_;
    wake_.NotifyAll();
  }
  if (running != nullptr) running->RequestStop(RunningJob::StopReason::kServerStops);
  if (thread_.joinable()) thread_.join();
}

void Runner::Loop() {
  for (;;) {
    {
      MutexLock lock(&mutex_);
      while (!work_ && !stopping_) wake_.Wait(&mutex_);
      if (stopping_) return;
      work_ = false;
    }
    absl::StatusOr<bool> ran = CatchThrown([&] { return RunNext(); });
    MutexLock lock(&mutex_);
    if (ran.ok() && !*ran) continue;
    work_ = true;
    if (ran.ok()) continue;
    const auto retry_at = std::chrono::steady_clock::now() + kRetryPause;
    while (!stopping_ && wake_.WaitUntil(&mutex_, retry_at)) {
    }
  }
}

absl::StatusOr<bool> Runner::RunNext() {
  LATENT_ASSIGN_OR_RETURN(std::optional<JobRecord> job, parts_.jobs->StartNext());
  if (!job) return false;
  const std::string id = job->id;
  parts_.reserve(job->plan.training_bytes());
  const absl::Cleanup release = [this] { parts_.reserve(0); };
  const auto running = std::make_shared<RunningJob>(&parts_, &options_, &stats_, *std::move(job));
  bool stopping;
  {
    MutexLock lock(&mutex_);
    running_ = running;
    stopping = stopping_;
  }
  if (stopping) running->RequestStop(RunningJob::StopReason::kServerStops);
  // A cancel between StartNext and here found nobody to tell.
  const absl::StatusOr<JobRecord> now = parts_.jobs->Get(id);
  if (now.ok() && now->state == v1::JOB_STATE_CANCELLING) {
    running->RequestStop(RunningJob::StopReason::kCancel);
  }
  const absl::Status ended = running->Execute();
  {
    MutexLock lock(&mutex_);
    running_ = nullptr;
  }
  LATENT_RETURN_IF_ERROR(ended);
  return true;
}

}  // namespace latent
