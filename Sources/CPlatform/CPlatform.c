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
__attribute__((target("sse4.2"))) static uint32_t crc_instruction(uint32_t crc, const uint8_t *p, size_t n) {
    uint64_t c = crc;
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
