#include "core/model/corruption.h"

#include <cmath>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"

LATENT_NUMERICS_BEGIN
namespace {

// Masking, dropout and salt-and-pepper share their level's meaning.
double Fraction(const v1::Corruption& corruption) {
  if (corruption.has_masking()) return corruption.masking().fraction();
  if (corruption.has_dropout()) return corruption.dropout().fraction();
  return corruption.salt_and_pepper().fraction();
}

void AddGaussian(Real sigma, const RandomKey& key, std::span<Real> row, std::span<Real> noise) {
  FillNormal(key, noise);
  for (std::size_t c = 0; c < row.size(); ++c) row[c] += sigma * noise[c];
}

void Mask(double fraction, const RandomKey& key, std::span<Real> row, std::span<Real> noise) {
  FillUniform(key, noise);
  for (std::size_t c = 0; c < row.size(); ++c) {
    if (static_cast<double>(noise[c]) < fraction) row[c] = 0;
  }
}

void Drop(double fraction, const RandomKey& key, std::span<Real> row, std::span<Real> noise) {
  const auto kept = static_cast<Real>(1 / (1 - fraction));
  FillUniform(key, noise);
  for (std::size_t c = 0; c < row.size(); ++c) {
    row[c] = static_cast<double>(noise[c]) < fraction ? Real{0} : kept * row[c];
  }
}

void SaltAndPepper(double fraction, const CellExtremes& extremes, const RandomKey& key,
                   std::span<Real> row, std::span<Real> noise) {
  FillUniform(key, noise);
  for (std::size_t c = 0; c < row.size(); ++c) {
    const auto u = static_cast<double>(noise[c]);
    if (u < fraction) row[c] = u < fraction / 2 ? extremes.least[c] : extremes.greatest[c];
  }
}

}  // namespace

absl::Status CheckCorruption(const v1::Corruption& corruption) {
  switch (corruption.kind_case()) {
    case v1::Corruption::kNone:
      return absl::OkStatus();
    case v1::Corruption::kGaussian: {
      const double sigma = corruption.gaussian().sigma();
      if (std::isfinite(sigma) && sigma >= 0) return absl::OkStatus();
      return InvalidField("gaussian.sigma", absl::StrCat("expected a number >= 0, got ", sigma));
    }
    case v1::Corruption::kMasking:
    case v1::Corruption::kSaltAndPepper: {
      const double fraction = Fraction(corruption);
      if (fraction >= 0 && fraction <= 1) return absl::OkStatus();
      return InvalidField(
          corruption.has_masking() ? "masking.fraction" : "salt_and_pepper.fraction",
          absl::StrCat("expected a number in [0, 1], got ", fraction));
    }
    case v1::Corruption::kDropout: {
      const double fraction = corruption.dropout().fraction();
      if (fraction >= 0 && fraction < 1) return absl::OkStatus();
      return InvalidField("dropout.fraction",
                          absl::StrCat("expected 0 <= number < 1, got ", fraction));
    }
    case v1::Corruption::KIND_NOT_SET:
      break;
  }
  return InvalidField("kind",
                      "expected none, gaussian, masking, dropout or salt_and_pepper, got nothing");
}

CellExtremes::CellExtremes(const ColumnStatistics& statistics, const ColumnScaling& scaling)
    : least(statistics.min.begin(), statistics.min.end()),
      greatest(statistics.max.begin(), statistics.max.end()) {
  scaling.ApplyToTarget(least, least);
  scaling.ApplyToTarget(greatest, greatest);
}

bool ChangesRows(const v1::Corruption& corruption) {
  if (corruption.has_gaussian()) return corruption.gaussian().sigma() > 0;
  return Fraction(corruption) > 0;
}

void CorruptCells(const v1::Corruption& corruption, const RandomKey& key,
                  std::span<const std::uint32_t> columns, std::span<Real> cells) {
  if (!ChangesRows(corruption)) return;
  const double fraction = Fraction(corruption);
  const auto kept = static_cast<Real>(corruption.has_dropout() ? 1 / (1 - fraction) : 1);
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const auto uniform = static_cast<double>(UniformAt(key, columns[i]));
    cells[i] = uniform < fraction ? Real{0} : kept * cells[i];
  }
}

void CorruptRow(const v1::Corruption& corruption, const CellExtremes& extremes,
                const RandomKey& key, std::span<Real> row, std::span<Real> noise) {
  if (!ChangesRows(corruption)) return;
  if (corruption.has_gaussian()) {
    AddGaussian(static_cast<Real>(corruption.gaussian().sigma()), key, row, noise);
  } else if (corruption.has_masking()) {
    Mask(Fraction(corruption), key, row, noise);
  } else if (corruption.has_dropout()) {
    Drop(Fraction(corruption), key, row, noise);
  } else {
    SaltAndPepper(Fraction(corruption), extremes, key, row, noise);
  }
}

LATENT_NUMERICS_END
