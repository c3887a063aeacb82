#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/model/latent_part.h"
#include "core/train/fits.h"
#include "core/train/plan_parts.h"
#include "core/train/spec_merge.h"
#include "google/protobuf/text_format.h"

namespace latent::internal {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::OneofDescriptor;

constexpr char kWarmStart[] = "spec.training.warm_start";

// The parts that weights are made for.
void CopyLasting(const v1::ModelSpec& from, v1::ModelSpec& to) {
  *to.mutable_scaling() = from.scaling();
  *to.mutable_encoder() = from.encoder();
  *to.mutable_decoder() = from.decoder();
  to.set_tied_weights(from.tied_weights());
  *to.mutable_latent() = from.latent();
  *to.mutable_likelihood() = from.likelihood();
  *to.mutable_condition() = from.condition();
}

// What of them may change all the same: what training alone reads, and the noise that a fixed
// variance stands for.
v1::ModelSpec LastingParts(const v1::ModelSpec& model) {
  v1::ModelSpec parts;
  CopyLasting(model, parts);
  if (parts.latent().has_top_k()) {
    v1::TopKLatent& top_k = *parts.mutable_latent()->mutable_top_k();
    top_k.clear_dead_after_rows();
    top_k.clear_dead_weight();
    top_k.clear_dead_k();
  }
  if (parts.likelihood().has_multinomial()) {
    parts.mutable_likelihood()->mutable_multinomial()->clear_sampled_columns();
  }
  if (parts.likelihood().has_gaussian()) {
    parts.mutable_likelihood()->mutable_gaussian()->clear_variance();
  }
  if (parts.condition().has_label()) {
    v1::LabelCondition& label = *parts.mutable_condition()->mutable_label();
    for (v1::LabelClass& one : *label.mutable_classes()) one.clear_name();
  }
  return parts;
}

std::string ValueText(const Message& message, const FieldDescriptor& field) {
  if (!field.is_repeated() && !message.GetReflection()->HasField(message, &field)) return "none";
  std::string text;
  google::protobuf::TextFormat::PrintFieldValueToString(message, &field, -1, &text);
  return text;
}

std::string KindText(const Message& message, const OneofDescriptor& kind) {
  const FieldDescriptor* chosen = message.GetReflection()->GetOneofFieldDescriptor(message, &kind);
  return chosen == nullptr ? "none" : chosen->name();
}

// Adds an error for every field in which two messages of one type differ.
void AddDifferences(const std::string& path, const Message& expected, const Message& got,
                    const std::string& version, FieldErrors& errors) {
  const auto refuse = [&](const std::string& at, const std::string& want, const std::string& have) {
    errors.Add(at, absl::StrCat("expected ", want, ", as ", version,
                                " has, whose weights training begins with, got ", have,
                                "; leave it out, or leave out training.warm_start"));
  };
  const auto& descriptor = *expected.GetDescriptor();
  const auto& reflection = *expected.GetReflection();
  for (int i = 0; i < descriptor.real_oneof_decl_count(); ++i) {
    const OneofDescriptor& kind = *descriptor.oneof_decl(i);
    if (KindText(expected, kind) != KindText(got, kind)) {
      return refuse(path, KindText(expected, kind), KindText(got, kind));
    }
  }
  for (int i = 0; i < descriptor.field_count(); ++i) {
    const FieldDescriptor& field = *descriptor.field(i);
    const std::string at = absl::StrCat(path, ".", field.name());
    if (field.is_repeated()) {
      const int want = reflection.FieldSize(expected, &field);
      const int have = reflection.FieldSize(got, &field);
      if (want != have) {
        refuse(at, absl::StrCat(want, " entries"), absl::StrCat(have));
        continue;
      }
      if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        for (int k = 0; k < want; ++k) {
          AddDifferences(absl::StrCat(at, "[", k, "]"),
                         reflection.GetRepeatedMessage(expected, &field, k),
                         reflection.GetRepeatedMessage(got, &field, k), version, errors);
        }
        continue;
      }
      for (int k = 0; k < want; ++k) {
        std::string a, b;
        google::protobuf::TextFormat::PrintFieldValueToString(expected, &field, k, &a);
        google::protobuf::TextFormat::PrintFieldValueToString(got, &field, k, &b);
        if (a != b) refuse(absl::StrCat(at, "[", k, "]"), a, b);
      }
    } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      if (!reflection.HasField(expected, &field) && !reflection.HasField(got, &field)) continue;
      AddDifferences(at, reflection.GetMessage(expected, &field),
                     reflection.GetMessage(got, &field), version, errors);
    } else if (ValueText(expected, field) != ValueText(got, field)) {
      refuse(at, ValueText(expected, field), ValueText(got, field));
    }
  }
}

void CheckOptimizerState(const v1::TrainingPlan& plan, const WarmSource& source,
                         const std::string& version, FieldErrors& errors) {
  const std::string path = absl::StrCat(kWarmStart, ".optimizer_state");
  if (!source.plan.publish().keep_optimizer_state()) {
    errors.Add(path,
               absl::StrCat("expected a version that keeps its optimiser's state, which ", version,
                            " does not (it was trained without publish.keep_optimizer_state); "
                            "use false"));
    return;
  }
  if (source.plan.training().warm_start().keep_latent_space() &&
      !plan.training().warm_start().keep_latent_space()) {
    errors.Add(path, absl::StrCat("the state of ", version,
                                  " has no moments of the layers that make "
                                  "codes, which its training kept as they were; use false"));
    return;
  }
  const v1::Optimizer& had = source.plan.training().solver().gradient().optimizer();
  const v1::Optimizer& has = plan.training().solver().gradient().optimizer();
  if (had.kind_case() != has.kind_case()) {
    errors.Add(path, absl::StrCat("expected the optimiser whose state ", version, " keeps, ",
                                  had.has_sgd() ? "sgd" : "adam", ", got ",
                                  has.has_sgd() ? "sgd" : "adam", "; use false"));
  }
}

}  // namespace

void BeginWithSource(const WarmSource& source, const Preset& preset, const v1::ModelSpec& request,
                     v1::ModelSpec& model) {
  const v1::ModelSpec& from = source.plan.architecture();
  if (source.plan.preset() == preset.name) {
    model = from;
  } else {
    // What the preset itself asks for goes over it, so that a difference is found.
    const v1::ModelSpec asked = model;
    CopyLasting(from, model);
    MergeSpec(asked, model);
  }
  // One without layers is one, too.
  if (request.has_encoder()) model.clear_encoder();
  if (request.has_decoder()) model.clear_decoder();
  // Weights that know the prior need no second approach to it.
  if (model.objective().has_elbo()) {
    model.mutable_objective()->mutable_elbo()->clear_warm_up_fraction();
  }
}

void FillWarmStart(const WarmSource& source, v1::ModelSpec& model, v1::WarmStart& start) {
  v1::Objective& objective = *model.mutable_objective();
  const bool unset = objective.kind_case() == v1::Objective::KIND_NOT_SET;
  if (objective.has_elbo() || (unset && IsVariational(model.latent()))) {
    v1::ElboObjective& elbo = *objective.mutable_elbo();
    if (!elbo.has_warm_up_fraction()) elbo.set_warm_up_fraction(0);
  }
  start.set_model(source.model);
  start.set_version(source.version);
  if (!start.has_keep_latent_space()) start.set_keep_latent_space(false);
  if (!start.has_optimizer_state()) start.set_optimizer_state(false);
}

void CheckWarmStart(const v1::TrainingPlan& plan, const WarmSource& source, const DatasetInfo& data,
                    FieldErrors& errors) {
  const std::string version = absl::StrCat("version ", source.version, " of model ", source.model);
  const std::string fault = FindColumnFault(source.plan.data(), data, version);
  if (!fault.empty()) errors.Add("spec.dataset", fault);
  AddDifferences("spec.architecture", LastingParts(source.plan.architecture()),
                 LastingParts(plan.architecture()), version, errors);
  if (!plan.training().solver().has_gradient()) {
    errors.Add(
        kWarmStart,
        "a closed form begins with nothing; choose training.solver.gradient, or leave it out");
  }
  if (plan.training().warm_start().optimizer_state()) {
    CheckOptimizerState(plan, source, version, errors);
  }
  if (plan.training().warm_start().keep_latent_space() && plan.architecture().tied_weights()) {
    errors.Add(absl::StrCat(kWarmStart, ".keep_latent_space"),
               "cannot hold with tied_weights, where the decoder's weights are the encoder's; use "
               "false");
  }
}

}  // namespace latent::internal
