// The figures of a report as HTML: in groups, each beside its controls. Pure functions.
#ifndef LATENT_CLIENT_CLI_REPORT_FIGURES_H_
#define LATENT_CLIENT_CLI_REPORT_FIGURES_H_

#include <string>
#include <vector>

#include "latent/v1/spec.pb.h"

namespace latent::cli {

using Metrics = google::protobuf::RepeatedPtrField<v1::Metric>;

// Null if there is none of that name.
const v1::Metric* FindMetric(const Metrics& metrics, const std::string& name);

// The few figures that a reader looks for first.
std::string FigureTiles(const Metrics& metrics);

struct FigureGroup {
  std::string title, html;
};
// Every figure that there is, each once: as a line of its own or as a control of another. Groups
// without figures are left out; figures of no group come last.
std::vector<FigureGroup> FigureGroups(const Metrics& metrics);

}  // namespace latent::cli

#endif  // LATENT_CLIENT_CLI_REPORT_FIGURES_H_
