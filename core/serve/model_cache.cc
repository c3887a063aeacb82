#include "core/serve/model_cache.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/train/version_files.h"

namespace latent {
namespace {

constexpr char kDefaultAlias[] = "production";  // what calls mean that name neither

bool Names(const RegistrySnapshot& snapshot, const VersionKey& key) {
  const auto model = snapshot.models.find(key.model);
  return model != snapshot.models.end() && model->second->versions.contains(key.version);
}

// Of the packed weights, before they are loaded: about those of their file.
std::uint64_t WeightBytes(const VersionInfo& version) {
  for (const ArtifactInfo& artifact : version.artifacts) {
    if (artifact.name == kWeightsFile) return artifact.size;
  }
  return 0;
}

}  // namespace

ModelCache::ModelCache(Options options, Verify verify, Poster post)
    : options_(std::move(options)), verify_(std::move(verify)), post_(std::move(post)) {}

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
  Models dropped;  // freed after the lock
  MutexLock lock(&mutex_);
  Insert(key, std::move(model), snapshot_ != nullptr && Names(*snapshot_, key));
  Evict(0, key, &dropped);
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const ServedModel>> ModelCache::LoadNow(const VersionInfo& version) {
  const VersionKey key{version.model, version.version};
  auto model = [&]() -> absl::StatusOr<std::shared_ptr<const ServedModel>> {
    const std::uint64_t expected = WeightBytes(version);
    LATENT_RETURN_IF_ERROR(CheckFits(key, expected));
    Models dropped;
    {
      MutexLock lock(&mutex_);
      Evict(expected, key, &dropped);
    }
    dropped.clear();
    LATENT_RETURN_IF_ERROR(verify_(version));
    LATENT_ASSIGN_OR_RETURN(
        auto loaded,
        ServedModel::Load(key, version.dir, version.latent_space_id, options_.weights));
    LATENT_RETURN_IF_ERROR(CheckFits(key, loaded->bytes()));
    return loaded;
  }();
  MutexLock lock(&mutex_);
  ++(model.ok() ? stats_.loads : stats_.load_failures);
  return model;
}

std::uint64_t ModelCache::Room() const {
  const std::uint64_t reserved = options_.reserved();
  return reserved < options_.budget_bytes ? options_.budget_bytes - reserved : 0;
}

absl::Status ModelCache::CheckFits(const VersionKey& key, std::uint64_t bytes) const {
  const std::uint64_t room = Room();
  if (bytes <= room) return absl::OkStatus();
  return MakeError(absl::StatusCode::kResourceExhausted, "MEMORY_BUDGET",
                   absl::StrCat("version ", key.version, " of model ", key.model, " needs ", bytes,
                                " bytes of memory; the budget is ", options_.budget_bytes,
                                " bytes, of which training and rows in flight leave ", room,
                                "; raise the server's memory budget or wait for the training job"));
}

void ModelCache::MakeRoom() {
  Models dropped;
  MutexLock lock(&mutex_);
  Evict(0, {}, &dropped);
}

void ModelCache::FinishLoad(const VersionKey& key,
                            const absl::StatusOr<std::shared_ptr<const ServedModel>>& result) {
  std::vector<Callback> callbacks;
  Models dropped;
  {
    MutexLock lock(&mutex_);
    if (result.ok()) Insert(key, *result, /*published=*/true);
    callbacks = std::move(loading_[key]);
    loading_.erase(key);
    awaited_.erase(key);
    Evict(0, key, &dropped);
  }
  for (const Callback& callback : callbacks) callback(result);
}

void ModelCache::Insert(const VersionKey& key, std::shared_ptr<const ServedModel> model,
                        bool published) {
  Entry& entry = entries_[key];
  if (entry.model != nullptr) bytes_ -= entry.model->bytes();
  entry.model = std::move(model);
  bytes_ += entry.model->bytes();
  entry.last_use = ++use_clock_;
  entry.published = entry.published || published;
  awaited_.erase(key);
}

std::map<VersionKey, ModelCache::Entry>::iterator ModelCache::Victim(const VersionKey& keep) {
  auto victim = entries_.end();
  std::pair<int, std::uint64_t> lowest;
  for (auto it = entries_.begin(); it != entries_.end(); ++it) {
    if (it->first == keep || it->second.model.use_count() > 1) continue;
    const auto alias = aliased_.find(it->first);
    const std::pair rank(alias == aliased_.end() ? 0 : alias->second, it->second.last_use);
    if (victim != entries_.end() && lowest < rank) continue;
    victim = it;
    lowest = rank;
  }
  return victim;
}

void ModelCache::Drop(std::map<VersionKey, Entry>::iterator entry, Models* dropped) {
  bytes_ -= entry->second.model->bytes();
  dropped->push_back(std::move(entry->second.model));
  entries_.erase(entry);
}

void ModelCache::Evict(std::uint64_t extra, const VersionKey& keep, Models* dropped) {
  const std::uint64_t room = Room();
  for (;;) {
    const bool too_many = entries_.size() > aliased_.size() + options_.max_idle_versions;
    const bool too_large = bytes_ + extra > room;
    if (!too_many && !too_large) return;
    const auto victim = Victim(keep);
    if (victim == entries_.end()) return;
    // Their number alone is no reason to let go of what an alias names.
    if (!too_large && aliased_.contains(victim->first)) return;
    Drop(victim, dropped);
    ++stats_.evictions;
  }
}

void ModelCache::OnSnapshot(const std::shared_ptr<const RegistrySnapshot>& snapshot) {
  std::vector<std::shared_ptr<const VersionInfo>> missing;
  Models dropped;
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
  const auto before = std::exchange(aliased_, {});
  for (const auto& [name, model] : snapshot.models) {
    for (const auto& [alias, target] : model->aliases) {
      const auto version = model->versions.find(target.version);
      if (version == model->versions.end()) continue;
      const VersionKey key{name, target.version};
      int& rank = aliased_[key];
      const bool seen = rank != 0 || before.contains(key) || entries_.contains(key);
      rank = std::max(rank, alias == kDefaultAlias ? 2 : 1);
      if (!seen && version->second->damage.empty()) missing.push_back(version->second);
    }
  }
  return missing;
}

void ModelCache::DropDeleted(const RegistrySnapshot& snapshot, Models* dropped) {
  for (auto it = entries_.begin(); it != entries_.end();) {
    const bool named = Names(snapshot, it->first);
    if (named) it->second.published = true;
    // One that is being published is not named yet; one that was and is no more, was deleted.
    if (named || !it->second.published) {
      ++it;
      continue;
    }
    Drop(it++, dropped);
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
  stats.bytes = bytes_;
  return stats;
}

}  // namespace latent
