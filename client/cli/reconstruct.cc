#include <CLI/CLI.hpp>
#include <cmath>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/answer.h"
#include "client/cli/commands.h"
#include "client/cli/context.h"
#include "client/cli/parse.h"
#include "client/cli/pictures.h"
#include "client/cli/row_source.h"
#include "client/cli/table_file.h"
#include "client/cli/verb.h"
#include "client/render/text.h"
#include "core/base/status.h"

namespace latent::cli {
namespace {

struct ReconstructFlags {
  ModelFlags model;
  RowFlags rows;
  OutputFlags output;
  std::size_t image_rows = 20;
  std::string add_noise, noisy_output, missing;
  std::uint64_t seed = 0;
};

absl::Status RunReconstruct(Context& context, const ReconstructFlags& flags) {
  LATENT_ASSIGN_OR_RETURN(const RowSource source,
                          RowSource::Open(context, flags.rows, flags.model));
  Target target(flags.model);
  Matrix rebuilt;
  double squared_error = 0;
  LATENT_RETURN_IF_ERROR(source.ForEachRequest(
      context, "reconstructing", [&](std::size_t first, v1::Rows rows) -> absl::Status {
        v1::ReconstructRequest request;
        *request.mutable_model() = target.selector();
        source.AddLabels(first, &request);
        *request.mutable_rows() = std::move(rows);
        request.set_include_error(true);
        LATENT_ASSIGN_OR_RETURN(const auto response,
                                context.client().Reconstruct(std::move(request), context.Call()));
        target.Answered(response.answered_by());
        for (const double error : response.squared_error()) squared_error += error;
        return rebuilt.Append(response.reconstruction());
      }));
  const double rows = static_cast<double>(rebuilt.rows());
  const double mse = squared_error / rows / static_cast<double>(rebuilt.columns);
  Summary summary(target);
  summary.Add("rows", std::uint64_t{rebuilt.rows()});
  summary.Add("squared_error_per_row", squared_error / rows);
  summary.Add("squared_error_per_element", mse);
  if (!flags.output.image.empty()) {
    LATENT_ASSIGN_OR_RETURN(const RowLook look, LookOf(context, target));
    LATENT_ASSIGN_OR_RETURN(const Matrix input,
                            FetchRows(context, target, source, flags.image_rows));
    const Matrix error = AbsoluteError(look, input, rebuilt);
    const GridOptions options{
        .title = absl::StrCat(target.Name(), ": reconstructions of ", source.description()),
        .footer = absl::StrCat("squared error per element over ", rebuilt.rows(),
                               " rows: ", FormatNumber(mse))};
    LATENT_RETURN_IF_ERROR(
        DrawStrips(look, {{"input", &input}, {"output", &rebuilt}, {"|error|", &error, true}},
                   flags.image_rows, options, flags.output.image));
  }
  LATENT_ASSIGN_OR_RETURN(const Answer answer, RowsAnswer(context, target, rebuilt, source.ids()));
  return Emit(context, flags.output, answer, summary);
}

absl::Status SetNoise(const std::string& text, v1::AddNoise* noise) {
  LATENT_ASSIGN_OR_RETURN(const auto parsed, ParseKind("--add-noise", text,
                                                       {"gaussian", "masking", "salt-and-pepper"}));
  if (!parsed.has_level) {
    return absl::InvalidArgumentError(
        absl::StrCat("--add-noise: expected a level, e.g. gaussian:0.3, got \"", text, "\""));
  }
  noise->set_kind(parsed.Is("gaussian")  ? v1::AddNoise::KIND_GAUSSIAN
                  : parsed.Is("masking") ? v1::AddNoise::KIND_MASKING
                                         : v1::AddNoise::KIND_SALT_AND_PEPPER);
  noise->set_level(parsed.level);
  return absl::OkStatus();
}

// A non-zero byte means that the row's cell is missing, by --missing or as the table's file has it.
absl::StatusOr<std::string> ReadMissing(const ReconstructFlags& flags, const RowSource& source) {
  if (flags.missing.empty() && source.is_table() && flags.add_noise.empty()) {
    std::string bytes;
    for (const float cell : source.cells()->cells) bytes += std::isnan(cell) ? '\1' : '\0';
    return bytes;
  }
  if (flags.missing.empty()) return std::string();
  LATENT_ASSIGN_OR_RETURN(const RowSource mask, RowSource::OpenCodes(flags.missing));
  const bool fits = source.cells() && mask.rows() == source.rows() &&
                    mask.cells()->columns == source.cells()->columns;
  if (!fits) {
    return absl::InvalidArgumentError(
        "--missing: needs --input, and a file of the same number of rows and columns");
  }
  std::string bytes;
  for (const float cell : mask.cells()->cells) bytes += cell != 0 ? '\1' : '\0';
  return bytes;
}

struct Denoised {
  Matrix rows, noisy;
  bool trained_with_corruption = false;
};

absl::Status AppendDenoised(const v1::DenoiseResponse& response, Denoised* denoised) {
  denoised->trained_with_corruption = response.trained_with_corruption();
  if (response.has_noisy_rows()) {
    LATENT_RETURN_IF_ERROR(denoised->noisy.Append(response.noisy_rows()));
  }
  return denoised->rows.Append(response.rows());
}

absl::StatusOr<Denoised> Denoise(Context& context, const ReconstructFlags& flags,
                                 const RowSource& source, Target* target) {
  LATENT_ASSIGN_OR_RETURN(const std::string missing, ReadMissing(flags, source));
  v1::AddNoise noise;
  if (!flags.add_noise.empty()) LATENT_RETURN_IF_ERROR(SetNoise(flags.add_noise, &noise));
  Denoised result;
  LATENT_RETURN_IF_ERROR(source.ForEachRequest(
      context, "denoising", [&](std::size_t first, v1::Rows rows) -> absl::Status {
        v1::DenoiseRequest request;
        *request.mutable_model() = target->selector();
        source.AddLabels(first, &request);
        if (!missing.empty()) {
          const std::size_t columns = rows.dense().columns();
          request.set_missing(missing.substr(first * columns, rows.dense().data().size() / 4));
        }
        *request.mutable_rows() = std::move(rows);
        if (!flags.add_noise.empty()) {
          *request.mutable_add_noise() = noise;
          request.mutable_add_noise()->set_seed(flags.seed + first);
        }
        LATENT_ASSIGN_OR_RETURN(const auto response,
                                context.client().Denoise(std::move(request), context.Call()));
        target->Answered(response.answered_by());
        return AppendDenoised(response, &result);
      }));
  return result;
}

std::string Decibels(const char* what, double value) {
  return absl::StrFormat("%s %.2f dB", what, value);
}

absl::Status DrawTriptych(Context& context, const ReconstructFlags& flags, const RowSource& source,
                          const Target& target, const Matrix& clean, const Denoised& denoised,
                          const std::string& footer) {
  LATENT_ASSIGN_OR_RETURN(const RowLook look, LookOf(context, target));
  const std::string title =
      absl::StrCat(target.Name(), ": ", source.description(),
                   flags.add_noise.empty() ? "" : ", noise ", flags.add_noise);
  std::vector<Strip> strips;
  if (denoised.noisy.rows() > 0) {
    strips = {{"clean", &clean}, {"noisy", &denoised.noisy}, {"denoised", &denoised.rows}};
  } else {
    strips = {{"input", &clean}, {"denoised", &denoised.rows}};
  }
  return DrawStrips(look, strips, flags.image_rows, {.title = title, .footer = footer},
                    flags.output.image);
}

absl::Status RunDenoise(Context& context, const ReconstructFlags& flags) {
  LATENT_ASSIGN_OR_RETURN(const RowSource source,
                          RowSource::Open(context, flags.rows, flags.model));
  Target target(flags.model);
  LATENT_ASSIGN_OR_RETURN(const Denoised denoised, Denoise(context, flags, source, &target));
  const bool noise_added = denoised.noisy.rows() > 0;
  Summary summary(target);
  summary.Add("rows", std::uint64_t{denoised.rows.rows()});
  summary.AddFlag("trained_with_corruption", denoised.trained_with_corruption);
  std::string footer;
  Matrix clean;
  if (noise_added) {
    LATENT_ASSIGN_OR_RETURN(clean, FetchRows(context, target, source, source.rows()));
    const double noisy_psnr = Psnr(MeanSquaredError(clean, denoised.noisy, false));
    const double psnr = Psnr(MeanSquaredError(clean, denoised.rows, true));
    summary.Add("psnr_noisy_db", noisy_psnr);
    summary.Add("psnr_denoised_db", psnr);
    footer =
        absl::StrCat("PSNR over ", denoised.rows.rows(), " rows: ", Decibels("noisy", noisy_psnr),
                     ", ", Decibels("denoised", psnr));
    if (!flags.noisy_output.empty()) {
      LATENT_RETURN_IF_ERROR(WriteAnswer(MatrixAnswer(denoised.noisy, "x_"), flags.noisy_output));
    }
  } else if (!flags.output.image.empty()) {
    LATENT_ASSIGN_OR_RETURN(clean, FetchRows(context, target, source, flags.image_rows));
  }
  if (!flags.output.image.empty()) {
    LATENT_RETURN_IF_ERROR(DrawTriptych(context, flags, source, target, clean, denoised, footer));
  }
  LATENT_ASSIGN_OR_RETURN(const Answer answer,
                          RowsAnswer(context, target, denoised.rows, source.ids()));
  return Emit(context, flags.output, answer, summary);
}

void AddImageRows(CLI::App& command, ReconstructFlags& flags) {
  command.add_option("--image-rows", flags.image_rows, "Rows that the picture shows")
      ->check(CLI::Range(1, 512))
      ->capture_default_str();
}

}  // namespace

void AddReconstruct(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("reconstruct", "Rows to codes and back");
  auto flags = std::make_shared<ReconstructFlags>();
  AddModelOptions(*command, flags->model);
  AddRowOptions(*command, flags->rows);
  AddOutputOptions(*command, flags->output, "PNG file: input, output and error side by side");
  AddImageRows(*command, *flags);
  command->footer(
      "Example:\n  latent reconstruct --model faces --dataset faces --count 100 --image grid.png");
  OnCommand(*command, context, flags, RunReconstruct);
}

void AddDenoise(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("denoise", "Noisy rows to their clean estimate");
  auto flags = std::make_shared<ReconstructFlags>();
  AddModelOptions(*command, flags->model);
  AddRowOptions(*command, flags->rows);
  AddOutputOptions(*command, flags->output, "PNG file: clean, noisy and denoised rows");
  AddImageRows(*command, *flags);
  command->add_option("--add-noise", flags->add_noise,
                      "Corrupt the rows first: gaussian:S, masking:P or salt-and-pepper:P");
  command->add_option("--seed", flags->seed, "Seed of that noise")->capture_default_str();
  command->add_option("--noisy-output", flags->noisy_output, "File for the corrupted rows");
  command->add_option("--missing", flags->missing,
                      "File as large as --input whose cells that are not 0 mark what to impute");
  command->footer(
      "With --add-noise it reports PSNR = 10 log10(1/MSE) over all cells, for values from 0 to 1:\n"
      "the noisy rows as they are, the denoised ones clipped to [0, 1]. Of more rows than one\n"
      "request carries, the piece that begins with row r has noise of seed + r.\n"
      "Cells that are missing in a table (empty ones of a CSV file) are imputed and all others "
      "kept;\n"
      "categories are told by name.\n"
      "Examples:\n"
      "  latent denoise --model clean --dataset d --add-noise gaussian:0.3 --image triptych.png\n"
      "  latent denoise --model table --input holes.csv --output whole.csv");
  OnCommand(*command, context, flags, RunDenoise);
}

}  // namespace latent::cli
