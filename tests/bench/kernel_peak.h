// The most multiply-adds that this core does just now: what kernel_bench divides by. Free
// functions, any thread; the calling thread is kept busy for about a millisecond.
#ifndef LATENT_TESTS_BENCH_KERNEL_PEAK_H_
#define LATENT_TESTS_BENCH_KERNEL_PEAK_H_

#include "core/base/isa.h"

namespace latent::bench {

// Operations a second of chains of multiply-adds that never leave the registers, a multiply-add
// counted as two, as the best of several short runs.
double GenericPeak();  // sixteen bytes wide, as the compiler makes them
double Avx2Peak();     // 32 bytes wide; 0 where the CPU has none
double Avx512Peak();   // 64 bytes wide; likewise

// That of the level in use.
double ActivePeak();

// That of one level, which the CPU must have, as the better of two short runs: what the core does
// this moment, in some 30 microseconds.
double PeakNow(Isa level);

// Processor time of the calling thread: a moment given to another one does not count.
double ThreadSeconds();

}  // namespace latent::bench

#endif  // LATENT_TESTS_BENCH_KERNEL_PEAK_H_
