// A store in a temporary directory of its own, with a clock that stands still.
#ifndef LATENT_TESTS_UNIT_STORE_STORE_FIXTURE_H_
#define LATENT_TESTS_UNIT_STORE_STORE_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/clock.h"
#include "core/base/durable_file.h"
#include "core/store/store.h"

namespace latent {

class TemporaryDir {
 public:
  TemporaryDir() {
    // In memory where possible: these tests sync a lot, and none of them cuts the power.
    const bool in_memory = access("/dev/shm", W_OK) == 0;
    std::string pattern = (in_memory ? "/dev/shm/" : testing::TempDir()) + "latent-store-XXXXXX";
    path_ = mkdtemp(pattern.data());
  }
  ~TemporaryDir() { RemoveTree(path_).IgnoreError(); }
  TemporaryDir(const TemporaryDir&) = delete;
  TemporaryDir& operator=(const TemporaryDir&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class StoreTest : public testing::Test {
 protected:
  StoreTest() { Open(); }

  // Opens the same directory anew, as after a restart.
  void Open() {
    store_.reset();
    notes_.clear();
    Store::Options options;
    options.path = dir_.path() + "/state";
    options.clock = &clock_;
    options.datasets = dataset_options_;
    auto opened = Store::Open(std::move(options), &notes_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
  }
  Registry& registry() { return store_->registry(); }
  DatasetStore& datasets() { return store_->datasets(); }
  absl::Status Write(const std::function<absl::Status(Transaction&)>& body) {
    return store_->db().Write(body);
  }
  static PublishRequest Request(const std::string& model, const std::string& weights = "weights") {
    PublishRequest request;
    request.model = model;
    request.files = {{"model.safetensors", weights}, {"plan.json", "{}"}};
    request.latent_space_id = "0123456789abcdef";
    request.lineage = {"job-1", "hash", 7, "revision"};
    return request;
  }
  std::uint64_t Publish(const std::string& model) {
    const auto version = registry().Publish(Request(model));
    EXPECT_TRUE(version.ok()) << version.status();
    return version.value_or(0);
  }

  TemporaryDir dir_;
  FakeClock clock_;
  DatasetStore::Options dataset_options_;
  std::unique_ptr<Store> store_;
  std::vector<std::string> notes_;  // of the last Open
};

}  // namespace latent

#endif  // LATENT_TESTS_UNIT_STORE_STORE_FIXTURE_H_
