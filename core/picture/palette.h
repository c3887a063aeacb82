// The colours of pictures, chosen to stay apart for colour-blind readers. Values; any thread.
#ifndef LATENT_CORE_PICTURE_PALETTE_H_
#define LATENT_CORE_PICTURE_PALETTE_H_

#include <cstddef>

#include "core/picture/canvas.h"

namespace latent {

inline constexpr Color kPaper{252, 252, 250};
inline constexpr Color kInk{34, 34, 40};
inline constexpr Color kFaintInk{110, 110, 120};
inline constexpr Color kGridLine{228, 228, 226};
inline constexpr Color kFrame{190, 190, 188};

// Colour of class or curve `index`; ten of them (Tableau 10), then they repeat.
Color CategoryColor(std::size_t index);

// From dark (0) over purple and orange to pale yellow (1), of steadily rising lightness, for
// magnitudes; values outside are clipped, NaN is 0.
Color HeatColor(double value);

}  // namespace latent

#endif  // LATENT_CORE_PICTURE_PALETTE_H_
