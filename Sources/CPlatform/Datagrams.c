#define _GNU_SOURCE
#define __APPLE_USE_RFC_3542
#include "CPlatform.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

// Datagrams handed over at a time.
enum { BATCH = 32 };

union address {
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

union control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

static void put_words(uint8_t *out, uint64_t high, uint64_t low) {
    for (int n = 0; n < 8; n++) {
        out[n] = (uint8_t)(high >> (56 - 8 * n));
        out[8 + n] = (uint8_t)(low >> (56 - 8 * n));
    }
}

static void prepare(struct msghdr *message, struct iovec *piece, union address *to, union control *control,
                    const void *bytes, const struct cplatform_datagram *datagram) {
    memset(message, 0, sizeof *message);
    memset(to, 0, sizeof *to);
    piece->iov_base = (void *)((const char *)bytes + datagram->offset);
    piece->iov_len = datagram->length;
    message->msg_iov = piece;
    message->msg_iovlen = 1;
    message->msg_name = to;
    if (datagram->is_ipv6) {
        to->v6.sin6_family = AF_INET6;
        to->v6.sin6_port = htons(datagram->port);
        to->v6.sin6_scope_id = datagram->scope;
        put_words(to->v6.sin6_addr.s6_addr, datagram->high, datagram->low);
        message->msg_namelen = sizeof to->v6;
    } else {
        to->v4.sin_family = AF_INET;
        to->v4.sin_port = htons(datagram->port);
        to->v4.sin_addr.s_addr = htonl((uint32_t)datagram->low);
        message->msg_namelen = sizeof to->v4;
    }
    if (!datagram->has_from) return;
    memset(control, 0, sizeof *control);
    message->msg_control = control;
    struct cmsghdr *header;
    if (datagram->is_ipv6) {
        message->msg_controllen = CMSG_SPACE(sizeof(struct in6_pktinfo));
        header = CMSG_FIRSTHDR(message);
        header->cmsg_level = IPPROTO_IPV6;
        header->cmsg_type = IPV6_PKTINFO;
        header->cmsg_len = CMSG_LEN(sizeof(struct in6_pktinfo));
        struct in6_pktinfo info;
        memset(&info, 0, sizeof info);
        put_words(info.ipi6_addr.s6_addr, datagram->from_high, datagram->from_low);
        info.ipi6_ifindex = datagram->scope;
        memcpy(CMSG_DATA(header), &info, sizeof info);
    } else {
        message->msg_controllen = CMSG_SPACE(sizeof(struct in_pktinfo));
        header = CMSG_FIRSTHDR(message);
        header->cmsg_level = IPPROTO_IP;
        header->cmsg_type = IP_PKTINFO;
        header->cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo));
        struct in_pktinfo info;
        memset(&info, 0, sizeof info);
        info.ipi_spec_dst.s_addr = htonl((uint32_t)datagram->from_low);
        memcpy(CMSG_DATA(header), &info, sizeof info);
    }
}

size_t cplatform_send_datagrams(int fd, const void *bytes, const struct cplatform_datagram *datagrams, size_t count) {
    size_t done = 0, taken = 0;
    while (done < count) {
        size_t batch = count - done < BATCH ? count - done : BATCH;
        struct iovec pieces[BATCH];
        union address to[BATCH];
        union control controls[BATCH];
#if defined(__linux__)
        struct mmsghdr messages[BATCH];
        for (size_t n = 0; n < batch; n++) {
            prepare(&messages[n].msg_hdr, &pieces[n], &to[n], &controls[n], bytes, &datagrams[done + n]);
            messages[n].msg_len = 0;
        }
        int sent = sendmmsg(fd, messages, (unsigned)batch, MSG_DONTWAIT | MSG_NOSIGNAL);
#else
        struct msghdr message;
        prepare(&message, &pieces[0], &to[0], &controls[0], bytes, &datagrams[done]);
        int sent = sendmsg(fd, &message, MSG_DONTWAIT) >= 0 ? 1 : -1;
#endif
        if (sent > 0) {
            done += (size_t)sent;
            taken += (size_t)sent;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) {
            break;
        } else if (errno != EINTR) {
            done++;  // This one cannot be sent (no route, say); the others may be.
        }
    }
    return taken;
}
