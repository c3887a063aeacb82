// One self-contained HTML page about a version. Asks the server; main thread.
#ifndef LATENT_CLIENT_CLI_REPORT_H_
#define LATENT_CLIENT_CLI_REPORT_H_

#include <string>

#include "absl/status/status.h"
#include "client/cli/context.h"
#include "client/cli/row_source.h"
#include "latent/v1/registry_service.pb.h"

namespace latent::cli {

// Writes the page to `path`. Rows to show come from `rows`, or, if that names none, from the TEST
// rows of the dataset that the version was trained on; without any the page has fewer pictures.
// Each picture also becomes a PNG file in the folder `pictures`, which is made; not if that is
// empty.
absl::Status WriteReport(Context& context, const v1::ModelVersion& version, RowFlags rows,
                         const std::string& path, const std::string& pictures);

}  // namespace latent::cli

#endif  // LATENT_CLIENT_CLI_REPORT_H_
