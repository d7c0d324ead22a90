#define _GNU_SOURCE
#include "CPlatform.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

// The table form of CRC32C, for processors without the instruction and for tails.
static uint32_t table[256];

__attribute__((constructor)) static void make_table(void) {
    for (uint32_t n = 0; n < 256; n++) {
        uint32_t c = n;
        for (int k = 0; k < 8; k++) c = (c & 1) ? (c >> 1) ^ 0x82f63b78u : c >> 1;
        table[n] = c;
    }
}

static uint32_t crc_portable(uint32_t crc, const uint8_t *p, size_t n) {
    while (n--) crc = table[(crc ^ *p++) & 0xff] ^ (crc >> 8);
    return crc;
}

#if defined(__x86_64__)
// The instruction answers after three cycles but can start every cycle, so long input is cut into three
// lanes that run side by side. Joining them means moving a CRC over `lane` zero bytes: a linear map, kept
// as four tables of 256 words a lane length.
enum { LONG_LANE = 8192, SHORT_LANE = 256 };
static uint32_t long_shift[4][256], short_shift[4][256];

static uint32_t times(const uint32_t *matrix, uint32_t vector) {
    uint32_t sum = 0;
    for (; vector; vector >>= 1, matrix++)
        if (vector & 1) sum ^= *matrix;
    return sum;
}

// Fills `out` with the map that `length` zero bytes (a power of two) are.
static void make_shift(uint32_t out[4][256], size_t length) {
    uint32_t a[32], b[32];
    a[0] = 0x82f63b78u;  // one zero bit
    for (int n = 1; n < 32; n++) a[n] = 1u << (n - 1);
    for (size_t bits = 1; bits < length * 8; bits *= 2) {  // squaring doubles the number of zero bits
        for (int n = 0; n < 32; n++) b[n] = times(a, a[n]);
        memcpy(a, b, sizeof a);
    }
    for (uint32_t n = 0; n < 256; n++)
        for (int k = 0; k < 4; k++) out[k][n] = times(a, n << (8 * k));
}

__attribute__((constructor)) static void make_shifts(void) {
    make_shift(long_shift, LONG_LANE);
    make_shift(short_shift, SHORT_LANE);
}

static inline uint32_t shifted(uint32_t t[4][256], uint32_t crc) {
    return t[0][crc & 0xff] ^ t[1][(crc >> 8) & 0xff] ^ t[2][(crc >> 16) & 0xff] ^ t[3][crc >> 24];
}

__attribute__((target("sse4.2"))) static inline const uint8_t *three_lanes(
    uint64_t *crc, const uint8_t *p, size_t lane, uint32_t t[4][256]) {
    uint64_t a = *crc, b = 0, c = 0;
    for (const uint8_t *end = p + lane; p < end; p += 8) {
        uint64_t x, y, z;
        memcpy(&x, p, 8);
        memcpy(&y, p + lane, 8);
        memcpy(&z, p + 2 * lane, 8);
        a = __builtin_ia32_crc32di(a, x);
        b = __builtin_ia32_crc32di(b, y);
        c = __builtin_ia32_crc32di(c, z);
    }
    a = shifted(t, (uint32_t)a) ^ b;
    *crc = shifted(t, (uint32_t)a) ^ c;
    return p + 2 * lane;
}

__attribute__((target("sse4.2"))) static uint32_t crc_instruction(uint32_t crc, const uint8_t *p, size_t n) {
    uint64_t c = crc;
    for (; n >= 3 * LONG_LANE; n -= 3 * LONG_LANE) p = three_lanes(&c, p, LONG_LANE, long_shift);
    for (; n >= 3 * SHORT_LANE; n -= 3 * SHORT_LANE) p = three_lanes(&c, p, SHORT_LANE, short_shift);
    while (n >= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        c = __builtin_ia32_crc32di(c, word);
        p += 8;
        n -= 8;
    }
    uint32_t tail = (uint32_t)c;
    while (n--) tail = __builtin_ia32_crc32qi(tail, *p++);
    return tail;
}
#endif

uint32_t cplatform_crc32c(uint32_t seed, const void *bytes, size_t length) {
    uint32_t crc = ~seed;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2")) return ~crc_instruction(crc, bytes, length);
#endif
    return ~crc_portable(crc, bytes, length);
}

int cplatform_punch_hole(int fd, int64_t offset, int64_t length) {
#if defined(__linux__)
    int result = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
    return result == 0 ? 0 : errno;
#else
    (void)fd; (void)offset; (void)length;
    return ENOTSUP;
#endif
}

int cplatform_datasync(int fd) {
#if defined(__linux__)
    return fdatasync(fd) == 0 ? 0 : errno;
#else
    return fsync(fd) == 0 ? 0 : errno;
#endif
}
