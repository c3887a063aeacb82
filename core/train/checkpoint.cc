#include "core/train/checkpoint.h"

#include <bit>
#include <cstring>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "core/base/sha256.h"
#include "core/base/status.h"
#include "core/train/plan_json.h"

namespace latent {
namespace {

static_assert(std::endian::native == std::endian::little, "checkpoints are written as they lie");

constexpr std::string_view kMagic = "LATENTCK";
// Version 2 added the plateau's state, further sums, and counters.
constexpr std::uint32_t kFormatVersion = 2;
constexpr std::size_t kHexDigest = 64;

class Writer {
 public:
  template <typename T>
  void Put(const T& value) {
    static_assert(std::is_arithmetic_v<T> || std::is_enum_v<T>);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  void Put(const std::optional<double>& value) {
    Put<std::uint8_t>(value ? 1 : 0);
    Put(value.value_or(0));
  }
  void Put(const EpochSums& sums) {
    Put(sums.rows);
    for (const double sum : {sums.total, sums.reconstruction, sums.kl, sums.l1, sums.l2}) Put(sum);
  }
  void PutText(std::string_view text) { bytes_.append(text); }
  void PutNumbers(const std::vector<float>& numbers) {
    Put<std::uint64_t>(numbers.size());
    bytes_.append(reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(float));
  }
  void Reserve(std::size_t bytes) { bytes_.reserve(bytes); }
  std::string& bytes() { return bytes_; }

 private:
  std::string bytes_;
};

// Reads in the writer's order; after a read beyond the end everything is zero and ok() is false.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  template <typename T>
  void Get(T& value) {
    static_assert(std::is_arithmetic_v<T> || std::is_enum_v<T>);
    const std::string_view raw = GetText(sizeof(value));
    if (ok_) std::memcpy(&value, raw.data(), sizeof(value));
  }
  void Get(std::optional<double>& value) {
    std::uint8_t has = 0;
    double number = 0;
    Get(has);
    Get(number);
    if (has != 0) value = number;
  }
  void Get(EpochSums& sums) {
    Get(sums.rows);
    for (double* sum : {&sums.total, &sums.reconstruction, &sums.kl, &sums.l1, &sums.l2}) Get(*sum);
  }
  std::string_view GetText(std::size_t size) {
    ok_ = ok_ && bytes_.size() >= size;
    if (!ok_) return {};
    const std::string_view text = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return text;
  }
  // Only a count of `expected`, or 0 where `may_be_empty`, is taken.
  void GetNumbers(std::size_t expected, bool may_be_empty, std::vector<float>& numbers) {
    std::uint64_t count = 0;
    Get(count);
    ok_ = ok_ && (count == expected || (may_be_empty && count == 0));
    if (!ok_) return;
    const std::string_view raw = GetText(count * sizeof(float));
    if (!ok_) return;
    numbers.resize(count);
    if (count > 0) std::memcpy(numbers.data(), raw.data(), raw.size());
  }
  bool ok() const { return ok_; }
  bool at_end() const { return bytes_.empty(); }

 private:
  std::string_view bytes_;
  bool ok_ = true;
};

absl::Status Corrupt(std::string_view what) {
  return MakeError(absl::StatusCode::kDataLoss, "CHECKPOINT_CORRUPT",
                   std::string("expected a whole checkpoint, got ").append(what));
}

absl::Status CheckOrigin(Reader& reader, const v1::TrainingPlan& plan, std::uint32_t& version) {
  reader.Get(version);
  if (version > kFormatVersion) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "CHECKPOINT_FORMAT",
                     absl::StrCat("the checkpoint has format version ", version,
                                  ", this build reads up to ", kFormatVersion));
  }
  if (reader.GetText(kHexDigest) != PlanFingerprint(plan)) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "CHECKPOINT_FOREIGN",
                     "the checkpoint belongs to another plan; start the job without it");
  }
  if (reader.GetText(kHexDigest) != Sha256Hex(plan.data().content_hash())) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "CHECKPOINT_FOREIGN",
                     "the checkpoint belongs to another dataset; start the job without it");
  }
  return absl::OkStatus();
}

}  // namespace

std::string PlanFingerprint(const v1::TrainingPlan& plan) {
  v1::TrainingPlan relevant;
  relevant.set_format_version(plan.format_version());
  *relevant.mutable_architecture() = plan.architecture();
  *relevant.mutable_training() = plan.training();
  relevant.mutable_training()->clear_threads();
  relevant.mutable_training()->clear_max_duration_seconds();
  relevant.mutable_training()->clear_checkpoint_interval_seconds();
  relevant.mutable_training()->clear_anomaly_quantile();
  relevant.mutable_training()->clear_sampler();
  return Sha256Hex(PlanToJson(relevant));
}

std::string SerializeCheckpoint(const Checkpoint& state, const v1::TrainingPlan& plan) {
  Writer out;
  out.Reserve(1024 + 4 * state.weights.size() * sizeof(float));
  out.PutText(kMagic);
  out.Put(kFormatVersion);
  out.PutText(PlanFingerprint(plan));
  out.PutText(Sha256Hex(plan.data().content_hash()));
  out.Put(state.step);
  out.Put(state.epoch);
  out.Put(state.cursor);
  out.Put(state.end);
  out.Put(state.elapsed_seconds);
  out.Put(state.sums);
  out.Put(state.last_sums);
  out.Put(state.validation);
  out.Put(state.stopping.best);
  out.Put(state.stopping.epochs_since_best);
  out.Put(state.plateau.share);
  out.Put(state.plateau.epochs_since_change);
  for (const EpochSums* sums : {&state.sums, &state.last_sums}) {
    for (const double sum : {sums->kl_sparsity, sums->contractive, sums->dead}) out.Put(sum);
  }
  out.Put<std::uint64_t>(state.counters.size());
  for (const std::uint64_t counter : state.counters) out.Put(counter);
  for (const auto* numbers :
       {&state.weights, &state.first_moment, &state.second_moment, &state.best_weights}) {
    out.PutNumbers(*numbers);
  }
  out.PutText(Sha256Hex(out.bytes()));
  return std::move(out.bytes());
}

absl::StatusOr<Checkpoint> ParseCheckpoint(std::string_view bytes, const v1::TrainingPlan& plan,
                                           std::size_t parameters) {
  if (bytes.size() < kMagic.size() + kHexDigest || bytes.substr(0, kMagic.size()) != kMagic) {
    return Corrupt("bytes that do not begin like one");
  }
  const std::string_view body = bytes.substr(0, bytes.size() - kHexDigest);
  if (Sha256Hex(body) != bytes.substr(body.size())) return Corrupt("bytes with another SHA-256");
  Reader in(body.substr(kMagic.size()));
  std::uint32_t version = 0;
  LATENT_RETURN_IF_ERROR(CheckOrigin(in, plan, version));
  Checkpoint state;
  in.Get(state.step);
  in.Get(state.epoch);
  in.Get(state.cursor);
  in.Get(state.end);
  in.Get(state.elapsed_seconds);
  in.Get(state.sums);
  in.Get(state.last_sums);
  in.Get(state.validation);
  in.Get(state.stopping.best);
  in.Get(state.stopping.epochs_since_best);
  if (version >= 2) {
    in.Get(state.plateau.share);
    in.Get(state.plateau.epochs_since_change);
    for (EpochSums* sums : {&state.sums, &state.last_sums}) {
      for (double* sum : {&sums->kl_sparsity, &sums->contractive, &sums->dead}) in.Get(*sum);
    }
    std::uint64_t counters = 0;
    in.Get(counters);
    for (; in.ok() && counters > 0; --counters) in.Get(state.counters.emplace_back());
  }
  const bool adam = !plan.training().solver().gradient().optimizer().has_sgd();
  in.GetNumbers(parameters, false, state.weights);
  in.GetNumbers(parameters, false, state.first_moment);
  in.GetNumbers(adam ? parameters : 0, false, state.second_moment);
  in.GetNumbers(parameters, true, state.best_weights);
  if (!in.ok() || !in.at_end()) return Corrupt("one of another model");
  return state;
}

}  // namespace latent
