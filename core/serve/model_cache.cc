#include "core/serve/model_cache.h"

#include <algorithm>
#include <utility>

#include "core/base/status.h"

namespace latent {
namespace {

bool Names(const RegistrySnapshot& snapshot, const VersionKey& key) {
  const auto model = snapshot.models.find(key.model);
  return model != snapshot.models.end() && model->second->versions.contains(key.version);
}

}  // namespace

ModelCache::ModelCache(Options options, Verify verify, Poster post)
    : options_(options), verify_(std::move(verify)), post_(std::move(post)) {}

std::shared_ptr<const ServedModel> ModelCache::Find(const std::string& model,
                                                    std::uint64_t version) {
  MutexLock lock(&mutex_);
  const auto it = entries_.find(VersionKey{model, version});
  if (it == entries_.end()) {
    ++stats_.misses;
    return nullptr;
  }
  ++stats_.hits;
  it->second.last_use = ++use_clock_;
  return it->second.model;
}

void ModelCache::LoadAsync(std::shared_ptr<const VersionInfo> version, const Callback& done) {
  const VersionKey key{version->model, version->version};
  std::shared_ptr<const ServedModel> loaded;
  {
    MutexLock lock(&mutex_);
    if (const auto it = entries_.find(key); it != entries_.end()) {
      it->second.last_use = ++use_clock_;
      loaded = it->second.model;
    } else {
      const auto [waiting, first] = loading_.try_emplace(key);
      waiting->second.push_back(done);
      if (!first) return;
    }
  }
  if (loaded != nullptr) {
    done(std::move(loaded));
    return;
  }
  post_([this, key, version = std::move(version)] { FinishLoad(key, LoadNow(*version)); });
}

absl::Status ModelCache::Preload(const VersionInfo& version) {
  const VersionKey key{version.model, version.version};
  {
    MutexLock lock(&mutex_);
    if (entries_.contains(key)) return absl::OkStatus();
  }
  // Whoever waits for a load of the same version in flight waits for that one.
  LATENT_ASSIGN_OR_RETURN(std::shared_ptr<const ServedModel> model, LoadNow(version));
  std::vector<std::shared_ptr<const ServedModel>> dropped;  // freed after the lock
  MutexLock lock(&mutex_);
  Insert(key, std::move(model), snapshot_ != nullptr && Names(*snapshot_, key));
  EvictIdle(key, &dropped);
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const ServedModel>> ModelCache::LoadNow(const VersionInfo& version) {
  auto model = [&]() -> absl::StatusOr<std::shared_ptr<const ServedModel>> {
    LATENT_RETURN_IF_ERROR(verify_(version));
    return ServedModel::Load({version.model, version.version}, version.dir);
  }();
  MutexLock lock(&mutex_);
  ++(model.ok() ? stats_.loads : stats_.load_failures);
  return model;
}

void ModelCache::FinishLoad(const VersionKey& key,
                            const absl::StatusOr<std::shared_ptr<const ServedModel>>& result) {
  std::vector<Callback> callbacks;
  std::vector<std::shared_ptr<const ServedModel>> dropped;
  {
    MutexLock lock(&mutex_);
    if (result.ok()) Insert(key, *result, /*published=*/true);
    callbacks = std::move(loading_[key]);
    loading_.erase(key);
    awaited_.erase(key);
    EvictIdle(key, &dropped);
  }
  for (const Callback& callback : callbacks) callback(result);
}

void ModelCache::Insert(const VersionKey& key, std::shared_ptr<const ServedModel> model,
                        bool published) {
  Entry& entry = entries_[key];
  entry.model = std::move(model);
  entry.last_use = ++use_clock_;
  entry.published = entry.published || published;
  awaited_.erase(key);
}

void ModelCache::EvictIdle(const VersionKey& keep,
                           std::vector<std::shared_ptr<const ServedModel>>* dropped) {
  for (;;) {
    std::size_t versions = 0;
    std::uint64_t bytes = 0;
    auto oldest = entries_.end();
    for (auto it = entries_.begin(); it != entries_.end(); ++it) {
      if (aliased_.contains(it->first)) continue;
      ++versions;
      bytes += it->second.model->bytes();
      if (it->first == keep) continue;
      if (oldest == entries_.end() || it->second.last_use < oldest->second.last_use) oldest = it;
    }
    const bool over = versions > options_.max_idle_versions || bytes > options_.max_idle_bytes;
    if (!over || oldest == entries_.end()) return;
    dropped->push_back(std::move(oldest->second.model));
    entries_.erase(oldest);
    ++stats_.evictions;
  }
}

void ModelCache::OnSnapshot(const std::shared_ptr<const RegistrySnapshot>& snapshot) {
  std::vector<std::shared_ptr<const VersionInfo>> missing;
  std::vector<std::shared_ptr<const ServedModel>> dropped;
  {
    MutexLock lock(&mutex_);
    if (snapshot_ != nullptr && snapshot->generation < snapshot_->generation) return;
    missing = TakeTargets(*snapshot);
    if (snapshot_ == nullptr) {
      for (const auto& version : missing) awaited_.insert({version->model, version->version});
    }
    snapshot_ = snapshot;
    DropDeleted(*snapshot, &dropped);
  }
  for (auto& version : missing) {
    LoadAsync(std::move(version), [](const auto&) {});
  }
}

std::vector<std::shared_ptr<const VersionInfo>> ModelCache::TakeTargets(
    const RegistrySnapshot& snapshot) {
  std::vector<std::shared_ptr<const VersionInfo>> missing;
  aliased_.clear();
  for (const auto& [name, model] : snapshot.models) {
    for (const auto& [alias, target] : model->aliases) {
      const auto version = model->versions.find(target.version);
      if (version == model->versions.end()) continue;
      const VersionKey key{name, target.version};
      if (!aliased_.insert(key).second || entries_.contains(key)) continue;
      if (version->second->damage.empty()) missing.push_back(version->second);
    }
  }
  return missing;
}

void ModelCache::DropDeleted(const RegistrySnapshot& snapshot,
                             std::vector<std::shared_ptr<const ServedModel>>* dropped) {
  for (auto it = entries_.begin(); it != entries_.end();) {
    const bool named = Names(snapshot, it->first);
    if (named) it->second.published = true;
    // One that is being published is not named yet; one that was and is no more, was deleted.
    if (named || !it->second.published) {
      ++it;
      continue;
    }
    dropped->push_back(std::move(it->second.model));
    it = entries_.erase(it);
  }
}

bool ModelCache::ready() const {
  MutexLock lock(&mutex_);
  return snapshot_ != nullptr && awaited_.empty();
}

std::vector<std::shared_ptr<const ServedModel>> ModelCache::Loaded() const {
  MutexLock lock(&mutex_);
  std::vector<std::shared_ptr<const ServedModel>> models;
  models.reserve(entries_.size());
  for (const auto& [key, entry] : entries_) models.push_back(entry.model);
  return models;
}

CacheStats ModelCache::stats() const {
  MutexLock lock(&mutex_);
  CacheStats stats = stats_;
  stats.versions = entries_.size();
  stats.loading = loading_.size();
  for (const auto& [key, entry] : entries_) stats.bytes += entry.model->bytes();
  return stats;
}

}  // namespace latent
