// Views of row-major matrices, and the number type of the numerical rooms. Views own nothing and
// live no longer than what they look at; copies are cheap.
#ifndef LATENT_CORE_NN_MATRIX_H_
#define LATENT_CORE_NN_MATRIX_H_

#include <cassert>
#include <cstddef>
#include <span>
#include <type_traits>

// core/nn and core/model are compiled twice: with float for use, with double for gradient checks.
// The inline namespace keeps the two apart in one program.
#ifdef LATENT_REAL_DOUBLE
#define LATENT_NUMERICS_BEGIN \
  namespace latent {          \
  inline namespace f64 {
#else
#define LATENT_NUMERICS_BEGIN \
  namespace latent {          \
  inline namespace f32 {
#endif
#define LATENT_NUMERICS_END \
  }                         \
  }

LATENT_NUMERICS_BEGIN

#ifdef LATENT_REAL_DOUBLE
using Real = double;
#else
using Real = float;
#endif

// rows x columns cells; row r starts at data + r * stride.
template <typename T>
struct MatrixView {
  T* data = nullptr;
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::size_t stride = 0;  // cells from one row's start to the next's, >= columns

  MatrixView() = default;
  MatrixView(T* cells, std::size_t row_count, std::size_t column_count)
      : data(cells), rows(row_count), columns(column_count), stride(column_count) {}
  MatrixView(T* cells, std::size_t row_count, std::size_t column_count, std::size_t row_stride)
      : data(cells), rows(row_count), columns(column_count), stride(row_stride) {}
  // A view that may write is a view that may read.
  operator MatrixView<const T>() const  // NOLINT(google-explicit-constructor)
      requires(!std::is_const_v<T>) {
    return {data, rows, columns, stride};
  }

  std::span<T> row(std::size_t r) const {
    assert(r < rows);
    return {data + r * stride, columns};
  }
  T& operator()(std::size_t r, std::size_t c) const { return data[r * stride + c]; }
  // Rows first, first + 1, ..., first + count - 1.
  MatrixView slice_rows(std::size_t first, std::size_t count) const {
    assert(first + count <= rows);
    return {data + first * stride, count, columns, stride};
  }
};

using Matrix = MatrixView<Real>;
using ConstMatrix = MatrixView<const Real>;

LATENT_NUMERICS_END

#endif  // LATENT_CORE_NN_MATRIX_H_
