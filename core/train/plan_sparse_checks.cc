#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "core/model/sparse_layer.h"
#include "core/train/plan_parts.h"

namespace latent::internal {

void CheckStaysSparse(std::string_view path, std::string_view instead, const v1::ModelSpec& model,
                      const DatasetInfo& data, FieldErrors& errors) {
  if (data.sparse && ReadsSparseRows(model)) return;
  errors.Add(
      path,
      absl::StrCat(data.sparse ? "needs rows whose zeros stay zeros to a first layer of its own: "
                                 "scaling none or l2_row, corruption none, masking or dropout, a "
                                 "dense layer and weights that are not tied, no contractive penalty"
                               : "needs a sparse dataset, got a dense one",
                   "; use ", absl::string_view(instead.data(), instead.size())));
}

}  // namespace latent::internal
