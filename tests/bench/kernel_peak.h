// The most multiply-adds that this core does just now: what kernel_bench divides by. Free
// functions, any thread; the calling thread is kept busy for about a millisecond.
#ifndef LATENT_TESTS_BENCH_KERNEL_PEAK_H_
#define LATENT_TESTS_BENCH_KERNEL_PEAK_H_

namespace latent::bench {

// Operations a second of chains of multiply-adds that never leave the registers, a multiply-add
// counted as two, as the best of several short runs.
double GenericPeak();  // sixteen bytes wide, as the compiler makes them
double Avx2Peak();     // 32 bytes wide; 0 where the CPU has none
double Avx512Peak();   // 64 bytes wide; likewise

// The largest of them.
double Peak();

}  // namespace latent::bench

#endif  // LATENT_TESTS_BENCH_KERNEL_PEAK_H_
