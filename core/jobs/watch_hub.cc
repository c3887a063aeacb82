#include "core/jobs/watch_hub.h"

#include <utility>

#include "core/base/status.h"

namespace latent {
namespace {

constexpr std::size_t kReadAhead = 64;

}  // namespace

WatchHub::Watcher::Watcher(WatchHub* hub, std::string job_id, std::uint64_t after,
                           std::function<void()> notify)
    : hub_(hub), job_id_(std::move(job_id)), notify_(std::move(notify)), cursor_(after) {}

absl::StatusOr<std::optional<JobEvent>> WatchHub::Watcher::Next() {
  if (done_) return std::nullopt;
  if (page_.empty()) LATENT_RETURN_IF_ERROR(ReadStored());
  if (!page_.empty()) {
    JobEvent event = std::move(page_.front());
    page_.pop_front();
    cursor_ = event.sequence;
    done_ = IsEnded(event.state);
    return event;
  }
  MutexLock lock(&mutex_);
  std::optional<JobEvent> live = std::exchange(live_, std::nullopt);
  if (live) live->sequence = cursor_;
  return live;
}

absl::Status WatchHub::Watcher::ReadStored() {
  {
    MutexLock lock(&mutex_);
    if (!stored_news_) return absl::OkStatus();
    // Cleared before reading: what is stored meanwhile raises it again.
    stored_news_ = false;
  }
  auto events = hub_->read_(job_id_, cursor_, kReadAhead);
  MutexLock lock(&mutex_);
  if (!events.ok()) {
    stored_news_ = true;
    return events.status();
  }
  if (events->size() == kReadAhead) stored_news_ = true;
  // What is stored is newer than the step that was shown before it.
  if (!events->empty()) live_.reset();
  page_.assign(std::make_move_iterator(events->begin()), std::make_move_iterator(events->end()));
  return absl::OkStatus();
}

std::shared_ptr<WatchHub::Watcher> WatchHub::Watch(std::string job_id, std::uint64_t after,
                                                   std::function<void()> notify) {
  std::shared_ptr<Watcher> watcher(new Watcher(this, job_id, after, std::move(notify)));
  MutexLock lock(&mutex_);
  watchers_[std::move(job_id)].push_back(watcher);
  return watcher;
}

void WatchHub::Publish(const std::string& job_id, const JobEvent& event) {
  std::vector<std::shared_ptr<Watcher>> watchers;
  {
    MutexLock lock(&mutex_);
    const auto it = watchers_.find(job_id);
    if (it == watchers_.end()) return;
    std::erase_if(it->second, [&](const std::weak_ptr<Watcher>& weak) {
      std::shared_ptr<Watcher> watcher = weak.lock();
      if (watcher == nullptr) return true;
      watchers.push_back(std::move(watcher));
      return false;
    });
    if (it->second.empty()) watchers_.erase(it);
  }
  for (const auto& watcher : watchers) {
    {
      MutexLock lock(&watcher->mutex_);
      if (event.stored) {
        watcher->stored_news_ = true;
      } else {
        watcher->live_ = event;
      }
    }
    watcher->notify_();
  }
}

std::size_t WatchHub::watchers() const {
  MutexLock lock(&mutex_);
  std::size_t count = 0;
  for (const auto& [id, watchers] : watchers_) {
    for (const auto& watcher : watchers) count += watcher.expired() ? 0 : 1;
  }
  return count;
}

}  // namespace latent
