#include "core/jobs/publisher.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"

namespace latent {
namespace {

// A user may move an alias, or the store may lose sight of a commit, while a version is published.
constexpr int kTries = 3;

v1::Part GatePart(const Dataset& data) {
  return data.info().rows(v1::PART_VALIDATION) > 0 ? v1::PART_VALIDATION : v1::PART_TRAIN;
}

// Rows on which the files of a version are tried before anything depends on them.
constexpr std::size_t kTriedRows = 16;

// Codes, then reconstructions.
std::vector<float> Answers(const Autoencoder& model, const LabelledRows& rows) {
  std::vector<float> answers(rows.rows * (model.latent_dim() + model.columns()));
  ForwardOutputs outputs;
  outputs.codes = {answers.data(), rows.rows, model.latent_dim()};
  outputs.reconstruction = {answers.data() + rows.rows * model.latent_dim(), rows.rows,
                            model.columns()};
  Workspace workspace;
  model.Forward(rows, outputs, workspace);
  return answers;
}

// By its name in the metric table; unlike the others it is computed without the rest.
bool ComparesObjective(const v1::PublishSpec& publish) {
  return publish.metric().empty() || publish.metric() == "validation_objective";
}

// Not every figure is defined for every model; that is no reason to lose one.
bool IsUndefined(const absl::Status& status) {
  return absl::IsNotFound(status) || absl::IsInvalidArgument(status);
}

// Shows one part where reported figures look for TEST rows, so that the gate's figures come from
// rows that are not the reported ones.
class PartAsTest final : public Dataset {
 public:
  PartAsTest(const Dataset& data, v1::Part part) : data_(data), part_(part), info_(data.info()) {
    info_.part_rows[v1::PART_TEST] = info_.rows(part);
    info_.part_cells[v1::PART_TEST] = info_.part_cells[static_cast<std::size_t>(part)];
    info_.part_labels[v1::PART_TEST] = info_.labels(part);
  }
  const DatasetInfo& info() const override { return info_; }
  RowsView rows(v1::Part part) const override { return data_.rows(Shown(part)); }
  std::span<const std::int32_t> labels(v1::Part part) const override {
    return data_.labels(Shown(part));
  }
  std::string_view row_id(v1::Part part, std::size_t r) const override {
    return data_.row_id(Shown(part), r);
  }
  MissingMask missing(v1::Part part) const override { return data_.missing(Shown(part)); }

 private:
  v1::Part Shown(v1::Part part) const { return part == v1::PART_TEST ? part_ : part; }
  const Dataset& data_;
  const v1::Part part_;
  DatasetInfo info_;
};

}  // namespace

absl::Status Publisher::Publish() {
  const JobRun run{job_.id, job_.attempt};
  absl::Status status;
  for (int i = 0; i < kTries; ++i) {
    LATENT_ASSIGN_OR_RETURN(const GateFacts facts, Gather());
    const GateDecision decision = DecidePublish(facts);
    if (!decision.publish) {
      return parts_.jobs->Succeed(run, {0, decision.ToText(0), content_.evaluation.metrics});
    }
    status = PublishVersion(decision);
    const std::string reason = DetailsOf(status).reason;
    if (reason == "OUTCOME_UNKNOWN") {
      LATENT_ASSIGN_OR_RETURN(const JobRecord now, parts_.jobs->Get(job_.id));
      if (now.state == v1::JOB_STATE_SUCCEEDED) return absl::OkStatus();
    } else if (reason != "ALIAS_MOVED") {
      return status;
    }
  }
  return status;
}

absl::StatusOr<GateFacts> Publisher::Gather() {
  const auto snapshot = parts_.registry->Get();
  const auto found = snapshot->FindModel(job_.plan.model());
  if (!found.ok() && !absl::IsNotFound(found.status())) return found.status();
  const ModelInfo* model = found.ok() ? found->get() : nullptr;
  GateFacts facts;
  facts.publish = job_.plan.publish();
  if (facts.publish.aliases().empty()) facts.publish.add_aliases("production");
  facts.first_version = model == nullptr || model->versions.empty();
  const auto policy = EffectivePolicy(facts.publish, facts.first_version);
  if (policy == v1::PUBLISH_POLICY_NEVER) return facts;
  if (policy == v1::PUBLISH_POLICY_IF_BETTER) {
    if (!candidate_) candidate_ = Figure(*content_.model, content_.plan);
    if (candidate_->ok()) {
      facts.candidate = **candidate_;
    } else if (IsUndefined(candidate_->status())) {
      facts.candidate_missing = std::string(candidate_->status().message());
    } else {
      return candidate_->status();
    }
  }
  const bool compare = ComparesWithAlias(facts.publish, facts.first_version);
  for (const std::string& alias : facts.publish.aliases()) {
    LATENT_ASSIGN_OR_RETURN(GateAlias gathered, GatherAlias(model, alias, compare));
    facts.aliases.push_back(std::move(gathered));
  }
  return facts;
}

absl::StatusOr<GateAlias> Publisher::GatherAlias(const ModelInfo* model, const std::string& alias,
                                                 bool compare) {
  GateAlias gathered;
  gathered.alias = alias;
  if (model == nullptr) return gathered;
  const auto target = model->aliases.find(alias);
  if (target == model->aliases.end()) return gathered;
  gathered.current_version = target->second.version;
  const auto version = model->versions.find(gathered.current_version);
  if (version == model->versions.end() || !version->second->damage.empty()) {
    gathered.current_damaged = true;
    return gathered;
  }
  LATENT_RETURN_IF_ERROR(GatherCurrent(*version->second, compare, gathered));
  return gathered;
}

absl::Status Publisher::GatherCurrent(const VersionInfo& version, bool compare, GateAlias& alias) {
  const absl::Status intact = parts_.registry->VerifyVersion(version);
  if (absl::IsDataLoss(intact)) {
    alias.current_damaged = true;
    return absl::OkStatus();
  }
  LATENT_RETURN_IF_ERROR(intact);
  LATENT_ASSIGN_OR_RETURN(const VersionContent current, ReadVersion(version.dir));
  alias.schema_change = SchemaChange(current.plan, content_.plan);
  if (!compare) return absl::OkStatus();
  const auto scaling = [](const v1::TrainingPlan& plan) {
    return plan.architecture().scaling().kind_case();
  };
  if (!alias.schema_change.empty()) {
    alias.not_comparable = alias.schema_change;
  } else if (ComparesObjective(job_.plan.publish()) &&
             scaling(current.plan) != scaling(content_.plan)) {
    alias.not_comparable =
        "it scales rows differently, and the validation objective is in scaled units; name a "
        "metric in dataset units, or move the alias";
  } else {
    absl::StatusOr<GateFigure> figure = Figure(*current.model, current.plan);
    if (!figure.ok() && !IsUndefined(figure.status())) return figure.status();
    if (figure.ok()) {
      alias.current = *std::move(figure);
    } else {
      alias.not_comparable = std::string(figure.status().message());
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<GateFigure> Publisher::Figure(const Autoencoder& model,
                                             const v1::TrainingPlan& plan) {
  const v1::Part part = GatePart(data_);
  const std::string on = part == v1::PART_VALIDATION ? "VALIDATION" : "TRAIN";
  const v1::PublishSpec& publish = job_.plan.publish();
  const std::string& name = publish.metric();
  if (ComparesObjective(job_.plan.publish())) {
    const double value = parts_.objective(model, data_, part, job_.plan.training().seed());
    return GateFigure{absl::StrCat("the validation objective on ", on, " rows"), "nats/row", value,
                      false};
  }
  const PartAsTest data(data_, part);
  LATENT_ASSIGN_OR_RETURN(const Evaluation evaluation, parts_.evaluate(model, plan, data, stop_));
  LATENT_ASSIGN_OR_RETURN(const v1::Metric metric, FindMetric(evaluation.metrics, name));
  const bool higher_is_better =
      metric.has_higher_is_better() ? metric.higher_is_better() : publish.metric_higher_is_better();
  return GateFigure{absl::StrCat(name, " on ", on, " rows"), metric.unit(), metric.value(),
                    higher_is_better};
}

absl::Status Publisher::TryFiles(const std::string& directory) const {
  LATENT_ASSIGN_OR_RETURN(const VersionContent read, ReadVersion(directory));
  const RowsView train = RowsFor(content_.plan.architecture(), data_, v1::PART_TRAIN);
  std::vector<float> cells;
  const LabelledRows rows = train.Read(0, std::min(kTriedRows, train.rows), cells);
  const std::vector<float> expected = Answers(*content_.model, rows);
  const std::vector<float> found = Answers(*read.model, rows);
  for (const float value : expected) {
    if (std::isfinite(value)) continue;
    return MakeError(absl::StatusCode::kFailedPrecondition, "NOT_FINITE",
                     "the trained model answers rows with numbers that are not finite");
  }
  if (found == expected) return absl::OkStatus();
  return MakeError(absl::StatusCode::kDataLoss, "VERSION_DIFFERS",
                   "the model that was read back from its files answers rows otherwise than the "
                   "trained one");
}

absl::Status Publisher::PublishVersion(const GateDecision& decision) {
  PublishRequest request;
  request.model = job_.plan.model();
  request.files = VersionToFiles(content_);
  request.latent_space_id = content_.model->LatentSpaceId();
  request.lineage = {job_.id, job_.plan.data().content_hash(), job_.plan.training().seed(),
                     options_.code_revision};
  for (const AliasDecision& alias : decision.aliases) {
    if (alias.moves) request.aliases.push_back({alias.alias, alias.current_version});
  }
  request.verify = [&](const std::string& dir) { return TryFiles(dir); };
  request.in_commit = [&](Transaction& tx, std::uint64_t version) {
    return parts_.jobs->Succeed(tx, {job_.id, job_.attempt},
                                {version, decision.ToText(version), content_.evaluation.metrics});
  };
  return parts_.registry->Publish(request).status();
}

}  // namespace latent
