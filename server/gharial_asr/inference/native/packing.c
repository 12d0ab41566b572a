// A plain int8 matrix becomes a packed one: once, when a model is compiled.

#include "kernel.h"

#include <stdlib.h>
#include <string.h>

// The largest sum of magnitudes of weights behind a 16-bit sum of products: 127 * 258 < 32768.
enum { SAFE = 258, LANES = 2 * PANEL };

typedef struct {
    int32_t most; // the largest sum of two magnitudes behind one 16-bit sum of this group
    int32_t group;
} Ranked;

static int by_size(const void *a, const void *b) {
    const Ranked *x = a, *y = b;
    return x->most != y->most ? (x->most < y->most ? -1 : 1) : x->group - y->group;
}

static int32_t magnitude(int8_t weight) { return weight < 0 ? -weight : weight; }

// Sums of two magnitudes behind each of the 32 16-bit sums of a group; the largest.
static int32_t behind(const int8_t *group, int16_t *lanes) {
    int32_t most = 0;
    for (int i = 0; i < LANES; i++) {
        lanes[i] = (int16_t)(magnitude(group[2 * i]) + magnitude(group[2 * i + 1]));
        if (lanes[i] > most) most = lanes[i];
    }
    return most;
}

static int fits(const int16_t *a, const int16_t *b) {
    int16_t most = 0;
    for (int i = 0; i < LANES; i++) most = a[i] + b[i] > most ? (int16_t)(a[i] + b[i]) : most;
    return most <= SAFE;
}

// Small groups are paired with large ones, so that most pairs fit; those that do come first.
static int32_t arrange(Ranked *ranked, const int16_t *lanes, int64_t groups, uint16_t *order) {
    int64_t at = 0, end = groups, half = groups / 2;
    qsort(ranked, groups, sizeof(Ranked), by_size);
    if (groups % 2) order[--end] = (uint16_t)ranked[half].group;
    for (int64_t i = 0; i < half; i++) {
        int32_t small = ranked[i].group, large = ranked[groups - 1 - i].group;
        int safe = fits(lanes + small * LANES, lanes + large * LANES);
        int64_t to = safe ? at : end - 2;
        order[to] = (uint16_t)small;
        order[to + 1] = (uint16_t)large;
        if (safe) at += 2;
        else end -= 2;
    }
    return (int32_t)(at / 2);
}

typedef struct {
    const int8_t *rows; // (outputs, inputs), -127..127
    int64_t outputs, inputs;
    int8_t *panels;
    uint16_t *order;
    int32_t *pairs, *sums;
    _Bool *failed; // (panels): no memory
} Pack;

static void pack_panel(const Pack *p, int64_t panel, int8_t *plain, int16_t *lanes, Ranked *ranked) {
    int64_t groups = groups_of(p->inputs), rows = p->outputs - panel * PANEL;
    uint16_t *order = p->order + panel * groups;
    int32_t *sums = p->sums + panel * PANEL;
    memset(plain, 0, groups * BYTES);
    memset(sums, 0, PANEL * sizeof(int32_t));
    for (int64_t n = 0; n < (rows < PANEL ? rows : PANEL); n++) {
        const int8_t *row = p->rows + (panel * PANEL + n) * p->inputs;
        for (int64_t k = 0; k < p->inputs; k++) {
            plain[(k / GROUP * PANEL + n) * GROUP + k % GROUP] = row[k];
            sums[n] += ZERO * row[k];
        }
    }
    for (int64_t g = 0; g < groups; g++) ranked[g] = (Ranked){behind(plain + g * BYTES, lanes + g * LANES), (int32_t)g};
    p->pairs[panel] = arrange(ranked, lanes, groups, order);
    for (int64_t g = 0; g < groups; g++)
        memcpy(p->panels + (panel * groups + g) * BYTES, plain + order[g] * BYTES, BYTES);
}

static void pack_part(const void *work, int64_t part, int64_t parts) {
    const Pack *p = work;
    int64_t groups = groups_of(p->inputs), panels = (p->outputs + PANEL - 1) / PANEL;
    int8_t *plain = malloc(groups * BYTES);
    int16_t *lanes = malloc(groups * LANES * sizeof(int16_t));
    Ranked *ranked = malloc(groups * sizeof(Ranked));
    for (int64_t panel = edge(panels, part, parts); panel < edge(panels, part + 1, parts); panel++) {
        if (plain && lanes && ranked) pack_panel(p, panel, plain, lanes, ranked);
        else p->failed[panel] = 1;
    }
    free(plain);
    free(lanes);
    free(ranked);
}

// -> panels, order, pairs, sums as in Matrix. failed (panels), zeros before: whether there was no memory for one.
EXPORT void gharial_pack(int64_t threads, const int8_t *rows, int64_t outputs, int64_t inputs, int8_t *panels,
                         uint16_t *order, int32_t *pairs, int32_t *sums, _Bool *failed) {
    Pack p = {rows, outputs, inputs, panels, order, pairs, sums, failed};
    share(pack_part, &p, worth(threads, outputs * inputs, (outputs + PANEL - 1) / PANEL));
}

// The plain rows of a packed matrix. `order` must name groups that are there.
EXPORT void gharial_unpack(const Matrix *m, int8_t *rows) {
    int64_t groups = groups_of(m->inputs);
    for (int64_t n = 0; n < m->outputs; n++) {
        int64_t panel = n / PANEL;
        for (int64_t g = 0; g < groups; g++) {
            int64_t first = GROUP * m->order[panel * groups + g], left = m->inputs - first;
            memcpy(rows + n * m->inputs + first, m->panels + (panel * groups + g) * BYTES + n % PANEL * GROUP,
                   left < GROUP ? left : GROUP);
        }
    }
}
