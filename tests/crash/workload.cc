#include "tests/crash/workload.h"

#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/crc32c.h"
#include "core/base/durable_file.h"
#include "core/base/sha256.h"
#include "core/base/status.h"

namespace latent {
namespace {

constexpr char kRows[] = "1,2\n3,4\n5,6\n7,8\n9,10\n11,12\n";
constexpr char kWeights[] = "model.safetensors";
constexpr char kMoreWeights[] = "sampler.safetensors";

// A request id that is the step's own, however often it is repeated.
std::string RequestId(const std::string& step) {
  std::string id = Sha256Hex(step).substr(0, 36);
  for (const std::size_t at : {8, 13, 18, 23}) id[at] = '-';
  return id;
}

Step Mutation(const std::string& name, std::function<absl::Status(Store&, Transaction&)> effect) {
  return {name, [name, effect](Store& store) -> absl::StatusOr<std::string> {
            const std::string id = RequestId(name), hash = PayloadHash(name);
            return Mutate(store.db(), store.clock(), {"Step", id, hash},
                          [&](Transaction& tx) -> absl::StatusOr<std::string> {
                            LATENT_RETURN_IF_ERROR(effect(store, tx));
                            return "-";
                          });
          }};
}

ParseRequest Declaration(const std::string& name) {
  ParseRequest request;
  request.name = name;
  request.files = {{.name = "rows.csv", .path = ""}};
  return request;
}

Step Create(const std::string& name) {
  return Mutation("create " + name, [name](Store& store, Transaction& tx) {
    return store.datasets().Create(tx, "declaration", Declaration(name)).status();
  });
}

Step Upload(const std::string& name, std::size_t offset, std::size_t size) {
  return {absl::StrCat("upload ", name, " ", offset),
          [=](Store& store) -> absl::StatusOr<std::string> {
            const std::string bytes = std::string(kRows).substr(offset, size);
            LATENT_RETURN_IF_ERROR(
                store.datasets().Append(name, "rows.csv", offset, bytes, Crc32c(bytes)));
            LATENT_RETURN_IF_ERROR(store.datasets().Flush(name).status());
            return "-";
          }};
}

Step Finish(const std::string& name) {
  return {"finish " + name, [=](Store& store) -> absl::StatusOr<std::string> {
            LATENT_ASSIGN_OR_RETURN(const auto record,
                                    store.datasets().Finish(name, Declaration(name), {}));
            if (record.state != DatasetState::kReady) return absl::InternalError(record.error);
            return "-";
          }};
}

// Publishes as a job does: what tells that the job is done stands in the same commit.
Step Publish(const std::string& model, const std::string& tag) {
  const std::string name = "publish " + model + " " + tag;
  return {name, [=](Store& store) -> absl::StatusOr<std::string> {
            const std::string id = RequestId(name), hash = PayloadHash(name);
            const IdempotentCall call{"Publish", id, hash};
            std::optional<std::string> answer;
            LATENT_RETURN_IF_ERROR(store.db().Read([&](Transaction& tx) -> absl::Status {
              LATENT_ASSIGN_OR_RETURN(answer, FindAnswer(tx, call));
              return absl::OkStatus();
            }));
            if (answer) return *answer;
            PublishRequest request;
            request.model = model;
            request.files = {{kWeights, tag}, {kMoreWeights, std::string(3000, 's')}};
            request.aliases = {{"production", std::nullopt}};
            request.in_commit = [&](Transaction& tx, std::uint64_t version) {
              return RecordAnswer(tx, store.clock(), call, absl::StrCat(version));
            };
            LATENT_ASSIGN_OR_RETURN(const std::uint64_t version, store.registry().Publish(request));
            return absl::StrCat(version);
          }};
}

absl::StatusOr<std::uint64_t> Oldest(Store& store, Transaction& tx, const std::string& model) {
  LATENT_ASSIGN_OR_RETURN(const ModelInfo info, store.registry().ReadModel(tx, model));
  return info.versions.begin()->first;
}

Step AliasOldest(const std::string& alias) {
  return Mutation("alias " + alias, [=](Store& store, Transaction& tx) -> absl::Status {
    LATENT_ASSIGN_OR_RETURN(const std::uint64_t version, Oldest(store, tx, "m"));
    return store.registry().SetAlias(tx, "m", alias, version, 0);
  });
}

Step Checkpoint(const std::string& content) {
  return {
      "checkpoint " + content, [=](Store& store) -> absl::StatusOr<std::string> {
        LATENT_RETURN_IF_ERROR(MakeDirectories(store.dir().job_dir("job-1")));
        LATENT_RETURN_IF_ERROR(ReplaceFile(store.dir().job_dir("job-1") + "/checkpoint", content));
        return "-";
      }};
}

absl::StatusOr<std::string> DescribeDataset(Store& store, const DatasetRecord& record) {
  if (record.state != DatasetState::kReady) {
    const std::uint64_t committed = record.files[0].committed_bytes;
    std::string bytes;
    if (committed > 0) {
      LATENT_ASSIGN_OR_RETURN(
          bytes, ReadFileRange(store.dir().dataset_dir(kDefaultTenant, record.name) + "/raw/0", 0,
                               committed));
    }
    return absl::StrCat("dataset ", record.name, " UPLOADING ", committed, " ", Sha256Hex(bytes));
  }
  LATENT_ASSIGN_OR_RETURN(const auto rows, store.datasets().OpenRows(record.name));
  double sum = 0;
  for (const v1::Part part : {v1::PART_TRAIN, v1::PART_VALIDATION, v1::PART_TEST}) {
    const auto view = rows->rows(part);
    for (std::size_t row = 0; row < view.rows; ++row) {
      for (std::size_t column = 0; column < view.columns; ++column) sum += view(row, column);
    }
  }
  return absl::StrCat("dataset ", record.name, " READY ", sum, " ", record.info.content_hash);
}

absl::StatusOr<std::string> DescribeModel(Store& store, const ModelInfo& model) {
  std::map<std::uint64_t, std::string> tags;
  for (const auto& [number, version] : model.versions) {
    LATENT_RETURN_IF_ERROR(store.registry().VerifyVersion(*version));
    LATENT_ASSIGN_OR_RETURN(tags[number], store.registry().ReadArtifact(*version, kWeights));
  }
  std::string line = absl::StrCat("model ", model.name, " keeps ", model.keep_last, ":");
  for (const auto& [number, tag] : tags) absl::StrAppend(&line, " ", tag);
  for (const auto& [alias, info] : model.aliases) {
    absl::StrAppend(&line, " ", alias, "=", tags.at(info.version));
  }
  LATENT_ASSIGN_OR_RETURN(const auto dirs,
                          ListDirectory(store.dir().model_dir(kDefaultTenant, model.name)));
  if (dirs.size() != tags.size()) return absl::DataLossError("files without a version");
  return line;
}

}  // namespace

std::vector<Step> CrashSteps() {
  return {
      Create("d1"),
      Upload("d1", 0, 100),
      Finish("d1"),
      Publish("m", "w1"),
      Publish("m", "w2"),
      AliasOldest("canary"),
      Checkpoint("first"),
      Publish("m", "w3"),
      Mutation("keep 1",
               [](Store& store, Transaction& tx) {
                 return store.registry().UpdateModel(tx, "m", {"text", std::nullopt, 1});
               }),
      Mutation("unalias",
               [](Store& store, Transaction& tx) {
                 return store.registry().DeleteAlias(tx, "m", "canary");
               }),
      Mutation("delete oldest",
               [](Store& store, Transaction& tx) -> absl::Status {
                 LATENT_ASSIGN_OR_RETURN(const std::uint64_t version, Oldest(store, tx, "m"));
                 return store.registry().DeleteVersion(tx, "m", version);
               }),
      Create("d2"),
      Upload("d2", 0, 8),
      Upload("d2", 8, 8),
      Mutation("delete d1",
               [](Store& store, Transaction& tx) { return store.datasets().Delete(tx, "d1"); }),
      Checkpoint("second"),
      Publish("n", "w4"),
      Mutation("delete n",
               [](Store& store, Transaction& tx) { return store.registry().DeleteModel(tx, "n"); }),
      Publish("n", "w5"),
      Create("d3"),
      Upload("d3", 0, 100),
      Finish("d3"),
  };
}

absl::StatusOr<std::string> Describe(Store& store) {
  std::vector<std::string> lines;
  LATENT_ASSIGN_OR_RETURN(const auto listing, store.datasets().List({}));
  for (const auto& record : listing.datasets) {
    LATENT_ASSIGN_OR_RETURN(lines.emplace_back(), DescribeDataset(store, record));
  }
  const auto snapshot = store.registry().Get();
  for (const auto& [name, model] : snapshot->models) {
    LATENT_ASSIGN_OR_RETURN(lines.emplace_back(), DescribeModel(store, *model));
  }
  const std::string checkpoint = store.dir().job_dir("job-1") + "/checkpoint";
  if (PathExists(checkpoint)) {
    LATENT_ASSIGN_OR_RETURN(lines.emplace_back(), ReadWholeFile(checkpoint, 100));
  }
  for (const char* folder : {"/staging", "/quarantine"}) {
    LATENT_ASSIGN_OR_RETURN(const auto names, ListDirectory(store.dir().root() + folder));
    if (!names.empty()) return absl::DataLossError(absl::StrCat(folder, " is not empty"));
  }
  return absl::StrJoin(lines, "\n");
}

}  // namespace latent
