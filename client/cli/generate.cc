#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <memory>

#include "absl/strings/str_cat.h"
#include "client/cli/answer.h"
#include "client/cli/commands.h"
#include "client/cli/context.h"
#include "client/cli/pictures.h"
#include "client/cli/row_source.h"
#include "client/cli/table_file.h"
#include "client/cli/verb.h"
#include "core/base/status.h"

namespace latent::cli {
namespace {

struct GenerateFlags {
  ModelFlags model;
  RowFlags rows;
  OutputFlags output;
  std::uint32_t count = 64, steps = 8;
  std::optional<std::uint64_t> seed;
  std::optional<double> temperature;
  bool draw = false;
  std::string codes, codes_output, path = "lerp";
  std::size_t image_rows = 20;
};

absl::Status WriteCodes(const GenerateFlags& flags, const v1::DenseRows& codes) {
  if (flags.codes_output.empty()) return absl::OkStatus();
  Matrix matrix;
  LATENT_RETURN_IF_ERROR(matrix.Append(codes));
  return WriteAnswer(MatrixAnswer(matrix, "code_"), flags.codes_output);
}

absl::Status RunSample(Context& context, const GenerateFlags& flags) {
  Target target(flags.model);
  v1::SampleRequest request;
  *request.mutable_model() = target.selector();
  request.set_count(flags.count);
  if (flags.seed) request.set_seed(*flags.seed);
  if (flags.temperature) request.set_temperature(*flags.temperature);
  LATENT_ASSIGN_OR_RETURN(const RequestLabels labels,
                          RequestLabels::Make(context, target, flags.rows.label));
  labels.AddTo(0, flags.count, &request);
  request.set_draw(flags.draw);
  request.set_include_codes(!flags.codes_output.empty());
  LATENT_ASSIGN_OR_RETURN(const auto response, context.client().Sample(request, context.Call()));
  target.Answered(response.answered_by());
  Matrix rows;
  LATENT_RETURN_IF_ERROR(rows.Append(response.rows()));
  LATENT_RETURN_IF_ERROR(WriteCodes(flags, response.codes()));
  Summary summary(target);
  summary.Add("rows", std::uint64_t{rows.rows()});
  summary.Add("seed", std::uint64_t{response.seed()});
  if (!flags.output.image.empty()) {
    LATENT_ASSIGN_OR_RETURN(const RowLook look, LookOf(context, target));
    const int columns = static_cast<int>(std::ceil(std::sqrt(1.5 * flags.count)));
    const GridOptions options{
        .title = absl::StrCat(target.Name(), ": ", rows.rows(), " samples, seed ", response.seed()),
        .columns = columns};
    LATENT_RETURN_IF_ERROR(
        DrawStrips(look, {{"", &rows}}, rows.rows(), options, flags.output.image));
  }
  LATENT_ASSIGN_OR_RETURN(const Answer answer, RowsAnswer(context, target, rows));
  return Emit(context, flags.output, answer, summary);
}

absl::StatusOr<RowSource> OpenEnds(Context& context, const GenerateFlags& flags) {
  const bool rows_given = !flags.rows.input.empty() || !flags.rows.dataset.empty();
  if (!flags.codes.empty() && rows_given) {
    return absl::InvalidArgumentError("--codes: give either codes or rows as ends, not both");
  }
  RowFlags codes = flags.rows;
  codes.input = flags.codes;
  LATENT_ASSIGN_OR_RETURN(RowSource source,
                          flags.codes.empty() ? RowSource::Open(context, flags.rows, flags.model)
                                              : RowSource::OpenCodes(context, codes, flags.model));
  if (source.rows() % 2 != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected pairs of start and end, an even number of rows; got ", source.rows(),
                     " (--count chooses fewer)"));
  }
  return source;
}

absl::Status RunInterpolate(Context& context, const GenerateFlags& flags) {
  LATENT_ASSIGN_OR_RETURN(const RowSource source, OpenEnds(context, flags));
  Target target(flags.model);
  v1::InterpolateRequest request;
  *request.mutable_model() = target.selector();
  v1::Rows& ends = flags.codes.empty() ? *request.mutable_rows() : *request.mutable_codes();
  ends = source.Slice(0, source.rows());
  source.AddLabels(0, source.rows(), &request);
  request.set_steps(flags.steps);
  request.set_path(flags.path == "slerp" ? v1::InterpolateRequest::PATH_SLERP
                                         : v1::InterpolateRequest::PATH_LERP);
  LATENT_ASSIGN_OR_RETURN(const auto response,
                          context.client().Interpolate(std::move(request), context.Call()));
  target.Answered(response.answered_by());
  Matrix rows;
  LATENT_RETURN_IF_ERROR(rows.Append(response.rows()));
  LATENT_RETURN_IF_ERROR(WriteCodes(flags, response.codes()));
  Summary summary(target);
  summary.Add("pairs", std::uint64_t{source.rows() / 2});
  summary.Add("steps", std::uint64_t{response.steps()});
  if (!flags.output.image.empty()) {
    LATENT_ASSIGN_OR_RETURN(const RowLook look, LookOf(context, target));
    const GridOptions options{
        .title = absl::StrCat(target.Name(), ": from row to row, ", source.description()),
        .columns = static_cast<int>(response.steps())};
    const std::size_t drawn = std::min(source.rows() / 2, flags.image_rows) * response.steps();
    LATENT_RETURN_IF_ERROR(DrawStrips(look, {{"", &rows}}, drawn, options, flags.output.image));
  }
  LATENT_ASSIGN_OR_RETURN(const Answer answer, RowsAnswer(context, target, rows));
  return Emit(context, flags.output, answer, summary);
}

}  // namespace

void AddSample(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("sample", "New rows");
  auto flags = std::make_shared<GenerateFlags>();
  AddModelOptions(*command, flags->model);
  command->add_option("--count", flags->count, "Number of rows")->capture_default_str();
  command->add_option("--seed", flags->seed, "Same seed, same rows (default: the server's choice)");
  command->add_option("--temperature", flags->temperature, "Factor on the prior's deviation");
  command->add_option("--label", flags->rows.label,
                      "Label of the rows, by value or name (conditional models)");
  command->add_flag("--draw", flags->draw, "Draw cells rather than take their mean");
  command->add_option("--codes-output", flags->codes_output, "File for the codes of the rows");
  AddOutputOptions(*command, flags->output, "PNG file for a grid of the rows");
  command->footer(
      "Examples:\n  latent sample --model faces --count 60 --seed 7 --image faces.png\n"
      "  latent sample --model digits --label 3 --image threes.png");
  OnCommand(*command, context, flags, RunSample);
}

void AddInterpolate(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("interpolate", "Rows on the way from one to another");
  auto flags = std::make_shared<GenerateFlags>();
  AddModelOptions(*command, flags->model);
  AddRowOptions(*command, flags->rows);
  command->add_option("--codes", flags->codes, "File of codes as ends, in place of rows");
  command->add_option("--steps", flags->steps, "Points a pair, ends included")
      ->capture_default_str();
  command->add_option("--path", flags->path, "lerp (a line) or slerp (a great circle)")
      ->check(CLI::IsMember({"lerp", "slerp"}))
      ->capture_default_str();
  command->add_option("--codes-output", flags->codes_output, "File for the codes of the points");
  AddOutputOptions(*command, flags->output, "PNG file, one line a pair");
  command->add_option("--image-rows", flags->image_rows, "Pairs that the picture shows")
      ->check(CLI::Range(1, 512))
      ->capture_default_str();
  command->footer(
      "Rows 0 and 1 are the first pair, rows 2 and 3 the second, and so on. To conditional models\n"
      "both ends of a pair must have the same label.\n"
      "Example:\n"
      "  latent interpolate --model faces --dataset faces --count 8 --steps 12 --image ways.png");
  OnCommand(*command, context, flags, RunInterpolate);
}

}  // namespace latent::cli
