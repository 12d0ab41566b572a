// y[b][n] = base + scale[n] * step[b] * sum over k of level[b][k] * weight[n][k], in every form.

#include "kernel.h"

#include <math.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

// Rows that a form takes at once; from how many on a panel is multiplied at least twice.
enum { FEW = 4, MANY = 8, TWO_FROM = 4 };

// The integer products, ZERO included, of up to so many rows with one panel; acc is (rows, PANEL), the rows of levels
// are `wide` bytes apart. ahead: half a panel that is needed soon, to fetch from memory meanwhile, or 0.
typedef void Tile(const Matrix *m, int64_t panel, const uint8_t *levels, int64_t wide, int64_t rows, const int8_t *ahead,
                  int32_t *acc);

static void tile_portable(const Matrix *m, int64_t panel, const uint8_t *levels, int64_t wide, int64_t rows,
                          const int8_t *ahead, int32_t *acc) {
    (void)ahead;
    int64_t groups = wide / GROUP;
    const int8_t *w = m->panels + panel * groups * BYTES;
    const uint16_t *order = m->order + panel * groups;
    memset(acc, 0, sizeof(int32_t) * rows * PANEL);
    for (int64_t g = 0; g < groups; g++, w += BYTES)
        for (int64_t r = 0; r < rows; r++) {
            const uint8_t *x = levels + r * wide + order[g] * GROUP;
            for (int n = 0; n < PANEL; n++)
                for (int k = 0; k < GROUP; k++) acc[r * PANEL + n] += (int32_t)x[k] * w[n * GROUP + k];
        }
}

typedef struct {
    const Matrix *m;
    const uint8_t *levels;
    const float *steps;
    int64_t rows;
    float *y;     // (rows, outputs)
    _Bool onto_y; // base is y itself instead of the bias
} Product;

static INLINE void panels(Tile *tile, int most, const Product *p, int64_t first, int64_t last) {
    const Matrix *m = p->m;
    int64_t wide = GROUP * groups_of(m->inputs), tiles = (p->rows + most - 1) / most;
    if (tiles == 1 && p->rows >= TWO_FROM) tiles = 2;
    int64_t bytes = wide * PANEL;
    int32_t acc[MANY * PANEL];
    for (int64_t panel = first; panel < last; panel++) {
        const int32_t *sums = m->sums + panel * PANEL;
        const float *scale = m->scale + panel * PANEL, *bias = m->bias + panel * PANEL;
        int64_t left = m->outputs - panel * PANEL, outputs = left < PANEL ? left : PANEL;
        for (int64_t t = 0; t < tiles; t++) {
            int64_t from = edge(p->rows, t, tiles), taken = edge(p->rows, t + 1, tiles) - from;
            // The next panel comes from memory while this one, by now in the cache, is multiplied with the first two tiles.
            const int8_t *ahead = m->panels + (panel + 1) * bytes + (t ? bytes / 2 : 0);
            if (panel + 1 == last || t > 1 || tiles == 1) ahead = 0;
            tile(m, panel, p->levels + from * wide, wide, taken, ahead, acc);
            for (int64_t i = 0; i < taken; i++) {
                float *out = p->y + (from + i) * m->outputs + panel * PANEL, signed_step = p->steps[from + i];
                float step = fabsf(signed_step);
                int32_t offset = signed_step < 0 ? 0 : -1; // all bits of what ZERO added, or none
                const float *base = p->onto_y ? out : bias;
                const int32_t *found = acc + i * PANEL;
                if (outputs == PANEL)
                    for (int n = 0; n < PANEL; n++) out[n] = fmaf((float)(found[n] - (sums[n] & offset)) * scale[n], step, base[n]);
                else
                    for (int n = 0; n < outputs; n++) out[n] = fmaf((float)(found[n] - (sums[n] & offset)) * scale[n], step, base[n]);
            }
        }
    }
}

static INLINE void part_of(Tile *tile, int most, const void *work, int64_t part, int64_t parts) {
    const Product *p = work;
    int64_t all = (p->m->outputs + PANEL - 1) / PANEL;
    panels(tile, most, p, edge(all, part, parts), edge(all, part + 1, parts));
}

static void product_portable(const void *work, int64_t part, int64_t parts) {
    part_of(tile_portable, FEW, work, part, parts);
}

#if defined(__x86_64__)
static inline int32_t four(const uint8_t *x) {
    int32_t value;
    memcpy(&value, x, 4);
    return value;
}

// A panel is two registers of 8 outputs. Two products of bytes fit 16 bits, and four of those the packing found safe.
AVX2 static INLINE void avx2_rows(const Matrix *m, int64_t panel, const uint8_t *levels, int64_t wide, const int rows,
                                  const int8_t *ahead, int32_t *acc) {
    __m256i ones = _mm256_set1_epi16(1);
    int64_t groups = wide / GROUP, paired = 2 * (int64_t)m->pairs[panel], g = 0;
    const uint16_t *order = m->order + panel * groups;
    const __m256i *w = (const __m256i *)(m->panels + panel * groups * BYTES);
    __m256i low[FEW], high[FEW];
    for (int r = 0; r < rows; r++) low[r] = high[r] = _mm256_setzero_si256();
    for (; g < paired; g += 2, w += 4) {
        const uint8_t *x0 = levels + order[g] * GROUP, *x1 = levels + order[g + 1] * GROUP;
        __m256i w0 = w[0], w1 = w[1], w2 = w[2], w3 = w[3];
        if (ahead) _mm_prefetch((const char *)ahead + g * (BYTES / 2), _MM_HINT_T0);
        for (int r = 0; r < rows; r++) {
            __m256i a = _mm256_set1_epi32(four(x0 + r * wide)), b = _mm256_set1_epi32(four(x1 + r * wide));
            __m256i l = _mm256_add_epi16(_mm256_maddubs_epi16(a, w0), _mm256_maddubs_epi16(b, w2));
            __m256i h = _mm256_add_epi16(_mm256_maddubs_epi16(a, w1), _mm256_maddubs_epi16(b, w3));
            low[r] = _mm256_add_epi32(low[r], _mm256_madd_epi16(l, ones));
            high[r] = _mm256_add_epi32(high[r], _mm256_madd_epi16(h, ones));
        }
    }
    for (; g < groups; g++, w += 2) {
        const uint8_t *x = levels + order[g] * GROUP;
        __m256i w0 = w[0], w1 = w[1];
        for (int r = 0; r < rows; r++) {
            __m256i a = _mm256_set1_epi32(four(x + r * wide));
            low[r] = _mm256_add_epi32(low[r], _mm256_madd_epi16(_mm256_maddubs_epi16(a, w0), ones));
            high[r] = _mm256_add_epi32(high[r], _mm256_madd_epi16(_mm256_maddubs_epi16(a, w1), ones));
        }
    }
    for (int r = 0; r < rows; r++) {
        _mm256_storeu_si256((__m256i *)(acc + r * PANEL), low[r]);
        _mm256_storeu_si256((__m256i *)(acc + r * PANEL + 8), high[r]);
    }
}

#define ROWS(function, rows)                                            \
    case rows:                                                           \
        if (ahead) function(m, panel, levels, wide, rows, ahead, acc);   \
        else function(m, panel, levels, wide, rows, 0, acc);             \
        break
AVX2 static void tile_avx2(const Matrix *m, int64_t panel, const uint8_t *levels, int64_t wide, int64_t rows,
                           const int8_t *ahead, int32_t *acc) {
    switch (rows) {
        ROWS(avx2_rows, 1);
        ROWS(avx2_rows, 2);
        ROWS(avx2_rows, 3);
        ROWS(avx2_rows, 4);
    }
}

AVX2 static void product_avx2(const void *work, int64_t part, int64_t parts) {
    part_of(tile_avx2, FEW, work, part, parts);
}

#define VNNI __attribute__((target("avx512f,avx512vnni")))

// A group of a panel is one register, and one instruction adds its four products to 32 bits.
VNNI static INLINE void vnni_rows(const Matrix *m, int64_t panel, const uint8_t *levels, int64_t wide, const int rows,
                                  const int8_t *ahead, int32_t *acc) {
    int64_t groups = wide / GROUP;
    const uint16_t *order = m->order + panel * groups;
    const __m512i *w = (const __m512i *)(m->panels + panel * groups * BYTES);
    __m512i sums[MANY];
    for (int r = 0; r < rows; r++) sums[r] = _mm512_setzero_si512();
    for (int64_t g = 0; g < groups; g++) {
        const uint8_t *x = levels + order[g] * GROUP;
        if (ahead) _mm_prefetch((const char *)ahead + g * (BYTES / 2), _MM_HINT_T0);
        for (int r = 0; r < rows; r++)
            sums[r] = _mm512_dpbusd_epi32(sums[r], _mm512_set1_epi32(four(x + r * wide)), w[g]);
    }
    for (int r = 0; r < rows; r++) _mm512_storeu_si512(acc + r * PANEL, sums[r]);
}

VNNI static void tile_vnni(const Matrix *m, int64_t panel, const uint8_t *levels, int64_t wide, int64_t rows,
                           const int8_t *ahead, int32_t *acc) {
    switch (rows) {
        ROWS(vnni_rows, 1);
        ROWS(vnni_rows, 2);
        ROWS(vnni_rows, 3);
        ROWS(vnni_rows, 4);
        ROWS(vnni_rows, 5);
        ROWS(vnni_rows, 6);
        ROWS(vnni_rows, 7);
        ROWS(vnni_rows, 8);
    }
}

AVX2 static void product_vnni(const void *work, int64_t part, int64_t parts) {
    part_of(tile_vnni, MANY, work, part, parts);
}

static Part *const products[FORMS] = {product_portable, product_avx2, product_vnni};
#else
static Part *const products[FORMS] = {product_portable};
#endif

// How many forms this processor runs, and its system saves their registers.
EXPORT int32_t gharial_forms(void) {
#if defined(__x86_64__)
    uint32_t a, b, c, d, low, high;
    if (!__get_cpuid_count(1, 0, &a, &b, &c, &d) || !(c & bit_OSXSAVE) || !(c & bit_FMA)) return WITH_AVX2;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    if ((low & 0x6) != 0x6 || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & bit_AVX2)) return WITH_AVX2;
    return (low & 0xe6) == 0xe6 && (b & bit_AVX512F) && (c & bit_AVX512VNNI) ? FORMS : WITH_VNNI;
#else
    return WITH_AVX2;
#endif
}

// levels (rows, 4 * groups) and steps (rows) as gharial_quantise gives them; base: the bias, or y as it is.
EXPORT void gharial_product(int32_t form, int64_t threads, const Matrix *m, const uint8_t *levels, const float *steps,
                            int64_t rows, _Bool onto_y, float *y) {
    Product p = {m, levels, steps, rows, y, onto_y};
    int64_t nanoseconds = m->inputs * m->outputs * (10 + rows) / 100;
    share(products[form], &p, worth(threads, nanoseconds, (m->outputs + PANEL - 1) / PANEL));
}
