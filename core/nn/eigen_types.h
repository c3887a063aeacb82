// What the sources of core/nn that use Eigen share; no header outside them includes this.
#ifndef LATENT_CORE_NN_EIGEN_TYPES_H_
#define LATENT_CORE_NN_EIGEN_TYPES_H_

#include <Eigen/Dense>
#include <cstddef>

#include "core/nn/matrix.h"

LATENT_NUMERICS_BEGIN

using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

inline Eigen::Index Index(std::size_t value) { return static_cast<Eigen::Index>(value); }

LATENT_NUMERICS_END

#endif  // LATENT_CORE_NN_EIGEN_TYPES_H_
