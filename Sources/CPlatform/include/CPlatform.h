#ifndef CPLATFORM_H
#define CPLATFORM_H

#include <stddef.h>
#include <stdint.h>

/// CRC32C (Castagnoli) of `length` bytes, continuing from `seed` (0 to start).
/// Uses the processor's instruction where there is one.
uint32_t cplatform_crc32c(uint32_t seed, const void *bytes, size_t length);

/// Gives the blocks of a byte range of an open file back to the file system; the
/// file keeps its size and reads zeros there. Returns 0 or an errno value;
/// ENOTSUP where the platform cannot.
int cplatform_punch_hole(int fd, int64_t offset, int64_t length);

/// fdatasync where it exists, fsync elsewhere. Returns 0 or an errno value.
int cplatform_datasync(int fd);

#endif
