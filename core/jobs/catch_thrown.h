// The edge at which exceptions of libraries end: a job whose memory or threads run out fails, and
// the server lives. Any thread.
#ifndef LATENT_CORE_JOBS_CATCH_THROWN_H_
#define LATENT_CORE_JOBS_CATCH_THROWN_H_

#include <exception>
#include <new>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/base/status.h"

namespace latent {

// Calls what returns a Status or StatusOr. RESOURCE_EXHAUSTED, reason OUT_OF_MEMORY, if memory runs
// out; INTERNAL, reason UNEXPECTED, with the text of any other exception.
template <typename Call>
auto CatchThrown(const Call& call) -> decltype(call()) {
  try {
    return call();
  } catch (const std::bad_alloc&) {
    return MakeError(
        absl::StatusCode::kResourceExhausted, "OUT_OF_MEMORY",
        "the server has not enough memory for this job; use narrower layers, a smaller "
        "latent.dim, batch or dataset");
  } catch (const std::exception& error) {
    return MakeError(absl::StatusCode::kInternal, "UNEXPECTED",
                     absl::StrCat("a library gave up: ", error.what()));
  }
}

}  // namespace latent

#endif  // LATENT_CORE_JOBS_CATCH_THROWN_H_
