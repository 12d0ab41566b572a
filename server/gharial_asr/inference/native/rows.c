// What is done to rows of activations: ranges and levels before a product, gates and cells after it.

#include "kernel.h"

#include <math.h>
#include <string.h>

// Added to a number of less than 2^22 and taken away again, it leaves the nearest whole number, even ones at a half.
#define ROUNDER 12582912.0f
// A row of zeros is divided by this instead of by zero.
#define SMALLEST_RANGE 1e-12f

static INLINE uint32_t bits(float x) {
    uint32_t found;
    memcpy(&found, &x, 4);
    return found;
}

static INLINE float of_bits(uint32_t x) {
    float found;
    memcpy(&found, &x, 4);
    return found;
}

// The largest magnitude; magnitudes have the order of their bits, and NaN is above all.
static INLINE float largest(const float *x, int64_t length, float most) {
    uint32_t found = bits(most);
    for (int64_t k = 0; k < length; k++) {
        uint32_t magnitude = bits(x[k]) & 0x7fffffffu;
        found = magnitude > found ? magnitude : found;
    }
    return of_bits(found);
}

// Whether any number is below zero. Most rows say so at once, so it looks piece by piece.
static INLINE _Bool any_below_zero(const float *x, int64_t length) {
    enum { PIECE = 64 };
    for (int64_t from = 0; from < length; from += PIECE) {
        int64_t to = from + PIECE < length ? from + PIECE : length;
        float least = 0.0f;
        for (int64_t k = from; k < to; k++) least = x[k] < least ? x[k] : least;
        if (least < 0.0f) return 1;
    }
    return 0;
}

static INLINE void to_levels(const float *x, int64_t length, float step, int32_t zero, uint8_t *levels) {
    for (int64_t k = 0; k < length; k++) levels[k] = (uint8_t)(zero + (int32_t)(x[k] / step + ROUNDER - ROUNDER));
}

typedef struct {
    const float *first, *second; // rows of first_inputs and of second_inputs, which may be 0
    int64_t first_stride, first_inputs, second_inputs, rows;
    uint8_t *levels; // (rows, 4 * groups)
    float *steps;    // (rows)
} Quantise;

static INLINE void quantise_rows(const Quantise *q, int64_t from, int64_t to) {
    int64_t inputs = q->first_inputs + q->second_inputs, wide = GROUP * groups_of(inputs);
    for (int64_t r = from; r < to; r++) {
        const float *a = q->first + r * q->first_stride, *b = q->second + r * q->second_inputs;
        uint8_t *levels = q->levels + r * wide;
        float most = largest(b, q->second_inputs, largest(a, q->first_inputs, SMALLEST_RANGE));
        _Bool positive = !any_below_zero(a, q->first_inputs) && !any_below_zero(b, q->second_inputs);
        int32_t zero = positive ? 0 : ZERO;
        float step = most / (positive ? POSITIVE_LEVELS : LEVELS);
        q->steps[r] = positive ? -step : step;
        to_levels(a, q->first_inputs, step, zero, levels);
        to_levels(b, q->second_inputs, step, zero, levels + q->first_inputs);
        memset(levels + inputs, zero, wide - inputs);
    }
}

static void quantise_portable(const void *work, int64_t part, int64_t parts) {
    const Quantise *q = work;
    quantise_rows(q, edge(q->rows, part, parts), edge(q->rows, part + 1, parts));
}

#if defined(__x86_64__)
AVX2 static void quantise_avx2(const void *work, int64_t part, int64_t parts) {
    const Quantise *q = work;
    quantise_rows(q, edge(q->rows, part, parts), edge(q->rows, part + 1, parts));
}
#else
#define quantise_avx2 quantise_portable
#endif

// Rows [first, second], each divided by its own step, its largest magnitude / 63, and rounded: -63..63, ZERO added. Rows
// without a number below zero, as a rectifier gives, have twice the levels: their step is the largest / 127, they become
// 0..127 and nothing is added. The sign of the step tells: it is negative for those.
EXPORT void gharial_quantise(int32_t form, int64_t threads, const float *first, int64_t first_stride, int64_t first_inputs,
                             const float *second, int64_t second_inputs, int64_t rows, uint8_t *levels, float *steps) {
    Quantise q = {first, second, first_stride, first_inputs, second_inputs, rows, levels, steps};
    int64_t nanoseconds = rows * (first_inputs + second_inputs) / 2;
    share(form == PORTABLE ? quantise_portable : quantise_avx2, &q, worth(threads, nanoseconds, rows));
}

// 1 / (1 + exp(-x)), within 2^-22 of it. exp: Cody and Waite's reduction to |r| <= log(2) / 2, then 1 + r + r^2 p(r) with
// a polynomial fitted to a relative error of 3e-9.
static INLINE float sigmoid(float x) {
    x = x < -87.0f ? -87.0f : x;
    x = x > 87.0f ? 87.0f : x;
    float shifted = fmaf(x, -1.44269504f, ROUNDER), twos = shifted - ROUNDER;
    float r = fmaf(twos, 1.42860677e-6f, fmaf(twos, -0.693148613f, -x));
    float p = fmaf(fmaf(fmaf(fmaf(0.00138146f, r, 0.008368717f), r, 0.04166839f), r, 0.16666521f), r, 0.49999994f);
    float power = of_bits((bits(shifted) - bits(ROUNDER) + 127u) << 23);
    return 1.0f / fmaf(fmaf(r * r, p, r), power, 1.0f + power);
}

typedef struct {
    const float *gates; // (rows, 4 * units): input, forget, candidate (doubled), output
    float *hidden, *cell; // (rows, units)
    int64_t rows, units;
} Cells;

static INLINE void cells_rows(const Cells *c, int64_t from, int64_t to) {
    int64_t units = c->units;
    for (int64_t r = from; r < to; r++) {
        const float *gates = c->gates + 4 * r * units;
        float *restrict hidden = c->hidden + r * units, *restrict cell = c->cell + r * units;
        for (int64_t u = 0; u < units; u++) {
            float candidate = fmaf(2.0f, sigmoid(gates[2 * units + u]), -1.0f);
            float next = fmaf(cell[u], sigmoid(gates[units + u]), sigmoid(gates[u]) * candidate);
            cell[u] = next;
            hidden[u] = fmaf(2.0f, sigmoid(2.0f * next), -1.0f) * sigmoid(gates[3 * units + u]);
        }
    }
}

static void cells_portable(const void *work, int64_t part, int64_t parts) {
    const Cells *c = work;
    cells_rows(c, edge(c->rows, part, parts), edge(c->rows, part + 1, parts));
}

#if defined(__x86_64__)
AVX2 static void cells_avx2(const void *work, int64_t part, int64_t parts) {
    const Cells *c = work;
    cells_rows(c, edge(c->rows, part, parts), edge(c->rows, part + 1, parts));
}
#else
#define cells_avx2 cells_portable
#endif

// One step of LSTM cells, states in place. tanh(x) is 2 sigmoid(2 x) - 1; candidate gates come doubled for it.
EXPORT void gharial_cells(int32_t form, int64_t threads, const float *gates, float *hidden, float *cell, int64_t rows,
                          int64_t units) {
    Cells c = {gates, hidden, cell, rows, units};
    share(form == PORTABLE ? cells_portable : cells_avx2, &c, worth(threads, rows * units * 6, rows));
}
