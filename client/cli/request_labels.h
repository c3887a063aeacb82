// The labels that calls on a conditional version carry: one for all rows by --label, or the rows'
// own. A value; one thread.
#ifndef LATENT_CLIENT_CLI_REQUEST_LABELS_H_
#define LATENT_CLIENT_CLI_REQUEST_LABELS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/answer.h"
#include "client/cli/context.h"
#include "latent/v1/spec.pb.h"

namespace latent::cli {

// The value of a label that the condition knows, from its name or else, as when a dataset is
// uploaded, its decimal number. INVALID_ARGUMENT for others; the message lists those it knows.
absl::StatusOr<std::int32_t> ParseLabel(const v1::Condition& condition, std::string_view text);

// Names of labels 0, 1, 2, ... up to the greatest that the condition has a name for: what has none
// goes by its number.
std::vector<std::string> LabelNames(const v1::Condition& condition);

class RequestLabels {
 public:
  RequestLabels() = default;  // none
  // `label`: that of --label, or empty. `own`, one a row or none, go to versions with a condition
  // alone. Asks the server for the version's condition if there is anything to tell it.
  // INVALID_ARGUMENT for a label that it does not know.
  static absl::StatusOr<RequestLabels> Make(Context& context, const Target& target,
                                            const std::string& label,
                                            std::vector<std::int32_t> own = {});

  // Those of rows first .. first + count - 1; none if the version reads none.
  std::vector<std::int32_t> Of(std::size_t first, std::size_t count) const;
  // Gives them to a request.
  template <typename Request>
  void AddTo(std::size_t first, std::size_t count, Request* request) const {
    for (const std::int32_t label : Of(first, count)) request->add_labels(label);
  }

 private:
  std::optional<std::int32_t> one_;
  std::vector<std::int32_t> own_;
};

}  // namespace latent::cli

#endif  // LATENT_CLIENT_CLI_REQUEST_LABELS_H_
