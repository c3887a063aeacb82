#include "core/store/registry_snapshot.h"

#include <charconv>

#include "absl/strings/str_cat.h"
#include "core/base/ids.h"
#include "core/base/status.h"

namespace latent {
namespace {

constexpr char kDefaultAlias[] = "production";
constexpr char kModelList[] = "models";

std::string VersionList(std::string_view model) {
  return absl::StrCat("versions/", absl::string_view(model.data(), model.size()));
}

absl::Status NotFound(std::string_view reason, const std::string& message) {
  return MakeError(absl::StatusCode::kNotFound, reason, message);
}

// "it has versions 3, 2, 1", the newest first.
std::string VersionsOf(const ModelInfo& model) {
  if (model.versions.empty()) return "it has no versions";
  std::vector<std::string> names;
  for (auto at = model.versions.rbegin(); at != model.versions.rend(); ++at) {
    names.push_back(absl::StrCat(at->first));
  }
  return absl::StrCat(names.size() == 1 ? "it has version " : "it has versions ", Listed(names));
}

std::string AliasNamesOf(const ModelInfo& model) {
  if (model.aliases.empty()) return "it has no aliases";
  std::vector<std::string> names;
  for (const auto& [name, alias] : model.aliases) {
    names.push_back(absl::StrCat(name, " (version ", alias.version, ")"));
  }
  return absl::StrCat(names.size() == 1 ? "it has alias " : "it has aliases ", Listed(names));
}

// What the selector means; 0 if the model has no versions at all.
absl::StatusOr<std::uint64_t> NumberOf(const ModelInfo& model, const VersionSelector& selector) {
  if (selector.version) {
    if (!selector.alias.empty()) return InvalidField("version", "expected a version or an alias");
    if (*selector.version > 0) return *selector.version;
    return InvalidField("version", "expected 1 or more, got 0");
  }
  const std::string& wanted = selector.alias.empty() ? kDefaultAlias : selector.alias;
  const auto alias = model.aliases.find(wanted);
  if (alias != model.aliases.end()) return alias->second.version;
  if (selector.alias.empty()) return model.newest();
  return NotFound("ALIAS_NOT_FOUND", absl::StrCat("model ", model.name, " has no alias ",
                                                  Quoted(wanted), "; ", AliasNamesOf(model)));
}

}  // namespace

std::vector<std::string> ModelInfo::AliasesOf(std::uint64_t version) const {
  std::vector<std::string> names;
  for (const auto& [alias, info] : aliases) {
    if (info.version == version) names.push_back(alias);
  }
  return names;
}

absl::StatusOr<std::shared_ptr<const VersionInfo>> ModelInfo::Resolve(
    const VersionSelector& selector) const {
  LATENT_ASSIGN_OR_RETURN(const std::uint64_t number, NumberOf(*this, selector));
  const auto found = versions.find(number);
  if (found == versions.end()) {
    return NotFound("VERSION_NOT_FOUND", absl::StrCat("model ", name, " has no version",
                                                      number == 0 ? "" : absl::StrCat(" ", number),
                                                      "; ", VersionsOf(*this)));
  }
  if (!found->second->damage.empty()) {
    return MakeError(absl::StatusCode::kDataLoss, "VERSION_DAMAGED",
                     absl::StrCat("version ", number, " of model ", name,
                                  " is damaged: ", found->second->damage, "; use another version"));
  }
  return found->second;
}

absl::StatusOr<std::shared_ptr<const ModelInfo>> RegistrySnapshot::FindModel(
    std::string_view name) const {
  const auto found = models.find(name);
  if (found != models.end()) return found->second;
  std::vector<std::string> names;
  for (const auto& [other, unused] : models) names.push_back(other);
  return NotFound("MODEL_NOT_FOUND",
                  absl::StrCat("there is no model ", Quoted(name), "; ",
                               names.empty() ? "nothing is published yet"
                                             : absl::StrCat("there is ", Listed(names))));
}

absl::StatusOr<std::shared_ptr<const VersionInfo>> RegistrySnapshot::Resolve(
    std::string_view model, const VersionSelector& selector) const {
  LATENT_ASSIGN_OR_RETURN(const auto info, FindModel(model));
  return info->Resolve(selector);
}

absl::StatusOr<RegistrySnapshot::ModelPage> RegistrySnapshot::ListModels(
    const PageRequest& page) const {
  LATENT_ASSIGN_OR_RETURN(const std::int64_t size, CheckedPageSize(page));
  LATENT_ASSIGN_OR_RETURN(const std::string after, ReadPageToken(kModelList, page.token));
  ModelPage result;
  for (auto at = models.upper_bound(after); at != models.end(); ++at) {
    if (static_cast<std::int64_t>(result.models.size()) == size) {
      result.next_page_token = TokenAfter(*result.models.back());
      break;
    }
    result.models.push_back(at->second);
  }
  return result;
}

absl::StatusOr<RegistrySnapshot::VersionPage> RegistrySnapshot::ListVersions(
    std::string_view model, const PageRequest& page) const {
  LATENT_ASSIGN_OR_RETURN(const auto info, FindModel(model));
  LATENT_ASSIGN_OR_RETURN(const std::int64_t size, CheckedPageSize(page));
  LATENT_ASSIGN_OR_RETURN(const std::string after,
                          ReadPageToken(VersionList(info->name), page.token));
  auto at = info->versions.rbegin();
  if (!after.empty()) {
    std::uint64_t last = 0;
    std::from_chars(after.data(), after.data() + after.size(), last);
    at = std::make_reverse_iterator(info->versions.lower_bound(last));
  }
  VersionPage result;
  for (; at != info->versions.rend(); ++at) {
    if (static_cast<std::int64_t>(result.versions.size()) == size) {
      result.next_page_token = TokenAfter(*result.versions.back());
      break;
    }
    result.versions.push_back(at->second);
  }
  return result;
}

std::string RegistrySnapshot::TokenAfter(const ModelInfo& model) {
  return MakePageToken(kModelList, model.name);
}

std::string RegistrySnapshot::TokenAfter(const VersionInfo& version) {
  return MakePageToken(VersionList(version.model), absl::StrCat(version.version));
}

}  // namespace latent
