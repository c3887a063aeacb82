#include "client/cli/report.h"

#include <filesystem>
#include <optional>
#include <system_error>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "client/cli/describe.h"
#include "client/cli/report_figures.h"
#include "client/cli/report_pictures.h"
#include "client/render/html.h"
#include "client/render/text.h"
#include "core/base/durable_file.h"
#include "core/base/status.h"
#include "core/picture/png.h"

namespace latent::cli {
namespace {

// The rows that pictures are made of: the first part of the training dataset that has any.
std::optional<RowSource> RowsOf(Context& context, const v1::ModelVersion& version, RowFlags flags,
                                std::vector<std::string>* notes) {
  std::vector<std::string> parts = {flags.part};
  if (flags.input.empty() && flags.dataset.empty()) {
    flags.dataset = version.plan().data().dataset();
    parts = {"test", "validation", "train"};
  }
  absl::Status why;
  for (const std::string& part : parts) {
    flags.part = part;
    absl::StatusOr<RowSource> source = RowSource::Open(context, flags, FlagsOf(version));
    if (source.ok()) return *std::move(source);
    why = source.status();
    if (!absl::IsFailedPrecondition(why)) break;
  }
  notes->push_back(absl::StrCat("No rows to show: ", std::string(why.message())));
  return std::nullopt;
}

std::string Section(const std::string& title, const std::string& html) {
  return absl::StrCat("<h2>", HtmlText(title), "</h2>\n", html);
}

std::string Head(const v1::ModelVersion& version) {
  const v1::TrainingPlan& plan = version.plan();
  std::vector<std::string> facts = {absl::StrCat("preset ", plan.preset()), FormatLayers(plan),
                                    absl::StrCat(FormatCount(plan.parameters()), " parameters"),
                                    absl::StrCat("trained on ", plan.data().dataset(), " (",
                                                 FormatCount(plan.data().train_rows()), " rows)"),
                                    absl::StrCat("published ", FormatTime(version.create_time()))};
  if (version.aliases_size() > 0) {
    facts.push_back(absl::StrCat("alias ", absl::StrJoin(version.aliases(), ", ")));
  }
  std::string html =
      absl::StrCat("<h1>", HtmlText(version.model()), " version ", version.version(),
                   "</h1>\n<p class=\"faint\">", HtmlText(absl::StrJoin(facts, " · ")), "</p>\n");
  if (!plan.description().empty()) {
    absl::StrAppend(&html, "<p>", HtmlText(plan.description()), "</p>\n");
  }
  return html;
}

std::string EvaluatedOn(const v1::ModelVersion& version) {
  const v1::Metric* metric = FindMetric(version.metrics(), "test_mse_per_element");
  if (metric == nullptr) return "";
  const std::string part = v1::Part_Name(metric->part()).substr(5);
  return absl::StrCat("<p class=\"faint\">Figures are of ", part,
                      " rows; ± is one standard error. In the column beside, controls that the "
                      "model beats are <span class=\"good\">green</span>, those that beat it "
                      "<span class=\"bad\">orange</span>.</p>\n");
}

// "rate-and-distortion.png" of "Rate and distortion".
std::string FileNameOf(const ReportPicture& picture) {
  return absl::StrCat(absl::StrReplaceAll(absl::AsciiStrToLower(picture.title), {{" ", "-"}}),
                      ".png");
}

// Also writes each to `folder`, if that is not empty.
absl::StatusOr<std::string> PicturesHtml(const std::vector<ReportPicture>& pictures,
                                         const std::string& folder) {
  std::string html;
  if (!folder.empty()) {
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) {
      return absl::InvalidArgumentError(
          absl::StrCat("--pictures: cannot make ", folder, ": ", error.message()));
    }
  }
  for (const ReportPicture& picture : pictures) {
    LATENT_ASSIGN_OR_RETURN(const std::string png, EncodePng(picture.canvas));
    html += Section(picture.title, HtmlPicture(png, picture.caption));
    if (folder.empty()) continue;
    LATENT_RETURN_IF_ERROR(ReplaceFile(absl::StrCat(folder, "/", FileNameOf(picture)), png));
  }
  return html;
}

std::string Lineage(const v1::ModelVersion& version) {
  return Section("Lineage", absl::StrCat("<div class=\"scroll\">",
                                         DescribeVersion(version).ToHtml(), "</div>\n"));
}

std::string Plan(const v1::ModelVersion& version) {
  return absl::StrCat(
      "<h2>Plan</h2>\n<p>The resolved job, every default written out.</p>\n"
      "<details><summary>show</summary><div class=\"scroll\">",
      DescribePlan(version.plan()).ToHtml(), "</div></details>\n");
}

}  // namespace

absl::Status WriteReport(Context& context, const v1::ModelVersion& version, RowFlags rows,
                         const std::string& path, const std::string& pictures_folder) {
  std::vector<std::string> notes, picture_notes;
  const std::optional<RowSource> source = RowsOf(context, version, std::move(rows), &notes);
  const std::vector<ReportPicture> pictures =
      ReportPictures(context, version, source).Draw(&picture_notes);
  notes.insert(notes.end(), picture_notes.begin(), picture_notes.end());

  std::string body =
      absl::StrCat(Head(version), FigureTiles(version.metrics()), EvaluatedOn(version));
  for (const FigureGroup& group : FigureGroups(version.metrics())) {
    body += Section(group.title, group.html);
  }
  LATENT_ASSIGN_OR_RETURN(const std::string drawn, PicturesHtml(pictures, pictures_folder));
  body += drawn;
  for (const std::string& note : notes) {
    absl::StrAppend(&body, "<p class=\"faint\">", HtmlText(note), "</p>\n");
  }
  body += Lineage(version) + Plan(version);
  const std::string title =
      absl::StrCat(version.model(), " version ", version.version(), " - report");
  return ReplaceFile(path, HtmlPage(title, body));
}

}  // namespace latent::cli
