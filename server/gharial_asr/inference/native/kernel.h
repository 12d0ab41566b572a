// Constant int8 matrices times small batches of activations, and the gates of LSTM cells: docs/decisions/0010-int8-kernel.md.
//
// The same bits on every processor: integer sums are exact, no multiplication is fused with an addition unless fmaf says
// so (compile with -ffp-contract=off), and every formula is the same wherever a value lies in its array.

#ifndef GHARIAL_KERNEL_H
#define GHARIAL_KERNEL_H

#include <stdint.h>

#define INLINE inline __attribute__((always_inline))
#define EXPORT __attribute__((visibility("default")))
#define AVX2 __attribute__((target("avx2,fma")))

enum { PANEL = 16, GROUP = 4, BYTES = PANEL * GROUP, LEVELS = 63, ZERO = 64, POSITIVE_LEVELS = 127 };
// Forms of the kernel. Those after the first have AVX2 and FMA.
enum { PORTABLE, WITH_AVX2, WITH_VNNI, FORMS };

// A packed matrix: panels of 16 outputs, groups of 4 inputs. `panels` has 64 bytes for each group of a panel, 16 outputs
// x 4 inputs, in that panel's order of visits; what lies beyond the matrix is zero.
typedef struct {
    const int8_t *panels;      // (panels, groups, 16, 4)
    const uint16_t *order;     // (panels, groups): which group it is
    const int32_t *pairs;      // (panels): how many pairs of groups come first whose products fit 16 bits two at a time
    const int32_t *sums;       // (panels, 16): ZERO * the sum of an output's weights
    const float *scale, *bias; // (outputs)
    int64_t inputs, outputs;
} Matrix;

static inline int64_t groups_of(int64_t inputs) { return (inputs + GROUP - 1) / GROUP; }

// One part of a piece of work that `parts` threads share.
typedef void Part(const void *work, int64_t part, int64_t parts);

// Does all parts, on up to `parts` threads, this one among them.
void share(Part *part, const void *work, int64_t parts);

// Where part `part` of `parts` begins in `length`; part + 1 is where it ends.
static inline int64_t edge(int64_t length, int64_t part, int64_t parts) { return length * part / parts; }

// Threads worth waking for work of so many nanoseconds in `most` pieces.
static inline int64_t worth(int64_t threads, int64_t nanoseconds, int64_t most) {
    int64_t useful = 1 + nanoseconds / 20000;
    if (threads > useful) threads = useful;
    return threads < most ? threads : most;
}

#endif
