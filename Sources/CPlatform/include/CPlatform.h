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

/// One datagram to send: where its bytes lie in a common buffer, where it goes,
/// and from which local address. Addresses are two words, the first byte highest;
/// IPv4 addresses are the low half of the second.
struct cplatform_datagram {
    uint32_t offset, length;
    uint64_t high, low;
    uint64_t from_high, from_low;
    uint32_t scope;
    uint16_t port;
    uint8_t is_ipv6;
    /// 0: the system chooses the local address.
    uint8_t has_from;
};

/// Sends datagrams on a socket, several with one system call where the system can.
/// Never waits: what finds no room is lost, as datagrams may be. Returns how many
/// the system took.
size_t cplatform_send_datagrams(int fd, const void *bytes, const struct cplatform_datagram *datagrams, size_t count);

/// Asks the system's resolver for the TXT records of a DNS name and waits for the
/// answer, which is left as it came (RFC 1035). Returns its length, 0 on errors.
size_t cplatform_text_records(const char *name, uint8_t *answer, size_t capacity);

#endif
