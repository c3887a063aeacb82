// What the crash tests do to a store, and what must be there afterwards. The workload tells on a
// descriptor what it begins ("try STEP") and what was acknowledged ("ack STEP DETAIL").
#ifndef LATENT_TESTS_CRASH_WORKLOAD_H_
#define LATENT_TESTS_CRASH_WORKLOAD_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/store/store.h"

namespace latent {

// One acknowledged effect, repeatable until it succeeds.
struct Step {
  std::string name;
  // Returns a detail for the acknowledgement, e.g. the version.
  std::function<absl::StatusOr<std::string>(Store&)> run;
};

// Upload, finish, publish, alias, retention and deletion, twice over.
std::vector<Step> CrashSteps();

// Everything a client could see, one line each, sorted; fails if something that is listed cannot be
// used.
absl::StatusOr<std::string> Describe(Store& store);

}  // namespace latent

#endif  // LATENT_TESTS_CRASH_WORKLOAD_H_
