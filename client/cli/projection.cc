#include "client/cli/projection.h"

#include <cmath>

#include "absl/strings/str_format.h"

namespace latent::cli {
namespace {

using Vector = std::vector<double>;
constexpr int kIterations = 200;

double Dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// Makes `v` a unit vector at right angles to `other`; zero where nothing is left.
void Orthonormalise(const Vector* other, Vector* v) {
  if (other != nullptr) {
    const double along = Dot(*other, *v);
    for (std::size_t i = 0; i < v->size(); ++i) (*v)[i] -= along * (*other)[i];
  }
  const double length = std::sqrt(Dot(*v, *v));
  for (double& entry : *v) entry = length > 1e-300 ? entry / length : 0;
}

struct Moments {
  Vector mean;
  Vector covariance;  // row-major, square
};

Moments MomentsOf(const Matrix& codes) {
  const std::size_t n = codes.rows(), d = codes.columns;
  Moments moments{Vector(d), Vector(d * d)};
  for (std::size_t r = 0; r < n; ++r) {
    for (std::size_t c = 0; c < d; ++c) moments.mean[c] += codes.row(r)[c] / static_cast<double>(n);
  }
  Vector centred(d);
  for (std::size_t r = 0; r < n; ++r) {
    const auto row = codes.row(r);
    for (std::size_t c = 0; c < d; ++c) centred[c] = row[c] - moments.mean[c];
    for (std::size_t i = 0; i < d; ++i) {
      for (std::size_t j = 0; j < d; ++j) {
        moments.covariance[i * d + j] += centred[i] * centred[j] / static_cast<double>(n);
      }
    }
  }
  return moments;
}

Vector Times(const Vector& matrix, const Vector& v) {
  const std::size_t d = v.size();
  Vector result(d);
  for (std::size_t i = 0; i < d; ++i) {
    for (std::size_t j = 0; j < d; ++j) result[i] += matrix[i * d + j] * v[j];
  }
  return result;
}

// The sign of an axis is arbitrary; its largest entry is made positive.
void FixSign(Vector* axis) {
  double largest = 0;
  for (const double entry : *axis) largest = std::abs(entry) > std::abs(largest) ? entry : largest;
  if (largest < 0) {
    for (double& entry : *axis) entry = -entry;
  }
}

std::string ShareLabel(int number, const Vector& covariance, const Vector& axis) {
  const std::size_t d = axis.size();
  double total = 0;
  for (std::size_t i = 0; i < d; ++i) total += covariance[i * d + i];
  const double share = total > 0 ? Dot(axis, Times(covariance, axis)) / total : 0;
  return absl::StrFormat("principal component %d of the codes (%.0f %% of their variance)", number,
                         100 * share);
}

Plane ProjectOnComponents(const Matrix& codes) {
  const Moments moments = MomentsOf(codes);
  const std::size_t d = codes.columns;
  Vector first(d), second(d);
  for (std::size_t i = 0; i < d; ++i) {  // any start that is not at right angles will do
    first[i] = 1 + 0.1 * static_cast<double>(i % 7);
    second[i] = i % 2 == 0 ? 1 : -1;
  }
  for (int i = 0; i < kIterations; ++i) {
    first = Times(moments.covariance, first);
    Orthonormalise(nullptr, &first);
    second = Times(moments.covariance, second);
    Orthonormalise(&first, &second);
  }
  FixSign(&first);
  FixSign(&second);
  Plane plane;
  for (std::size_t r = 0; r < codes.rows(); ++r) {
    Vector centred(codes.row(r).begin(), codes.row(r).end());
    for (std::size_t c = 0; c < d; ++c) centred[c] -= moments.mean[c];
    plane.x.push_back(Dot(centred, first));
    plane.y.push_back(Dot(centred, second));
  }
  plane.x_label = ShareLabel(1, moments.covariance, first);
  plane.y_label = ShareLabel(2, moments.covariance, second);
  plane.origin = moments.mean;
  plane.x_axis = first;
  plane.y_axis = second;
  return plane;
}

}  // namespace

Plane ProjectToPlane(const Matrix& codes) {
  if (codes.columns > 2) return ProjectOnComponents(codes);
  Plane plane;
  plane.x_label = codes.columns == 2 ? "code 0" : "row";
  plane.y_label = codes.columns == 2 ? "code 1" : "code 0";
  if (codes.columns == 2) {
    plane.origin = {0, 0};
    plane.x_axis = {1, 0};
    plane.y_axis = {0, 1};
  }
  for (std::size_t r = 0; r < codes.rows(); ++r) {
    const auto row = codes.row(r);
    plane.x.push_back(codes.columns == 2 ? row[0] : static_cast<double>(r));
    plane.y.push_back(codes.columns == 2 ? row[1] : row[0]);
  }
  return plane;
}

}  // namespace latent::cli
