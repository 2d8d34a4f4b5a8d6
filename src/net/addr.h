/* SPDX-License-Identifier: Apache-2.0 */
/*
 * addr.h - socket addresses: compact in memory, and to and from text.
 */
#ifndef CULVERT_NET_ADDR_H
#define CULVERT_NET_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "core/base.h"
#include "core/error.h"
#include "core/text.h"

/* What stands on one end of a socket. 24 bytes; owns nothing. */
struct addr {
    uint8_t family;   /* AF_UNSPEC (unset), AF_INET, AF_INET6 or AF_UNIX */
    bool is_abstract; /* AF_UNIX: `path` is a name in the abstract namespace, without its NUL */
    uint16_t port;    /* host byte order; 0 for AF_UNIX */
    uint32_t scope;   /* AF_INET6: sin6_scope_id */
    union {
        struct in_addr v4;
        struct in6_addr v6;
        const char *path; /* borrowed (from the snapshot); NULL for an unnamed unix client */
    };
};

/* Longest output of addr_format(): "unix:" and a path, or "[v6%scope]:port", with the NUL. */
#define ADDR_TEXT_BYTES 128

/* Longest path of a unix socket, without the NUL (sun_path, unix(7)). */
#define ADDR_PATH_MAX 107

/* Fills `storage` for bind(2) or connect(2) and returns its length, 0 for an unset address. */
socklen_t addr_to_sockaddr(const struct addr *addr, struct sockaddr_storage *storage);

/*
 * From what the kernel gave. A v4-mapped IPv6 address becomes the IPv4 one. A unix address keeps
 * no path (accepted unix clients are unnamed as a rule).
 */
void addr_from_sockaddr(struct addr *addr, const struct sockaddr *sockaddr, socklen_t length);

/* "127.0.0.1:80", "[::1]:80", "unix:/path", "unix:@name", "unix:" (unnamed), "-" (unset). */
void addr_format(const struct addr *addr, struct text *text);

/* The same into `buffer` of at least ADDR_TEXT_BYTES; returns `buffer`. */
const char *addr_text(const struct addr *addr, char *buffer);

/* Same family, address, port and scope (or the same path). */
bool addr_equal(const struct addr *a, const struct addr *b);

/*
 * Parses a numeric address: "1.2.3.4", "::1", "[::1]" or "v6%scope", in `length` bytes; no host
 * names, no octal or short IPv4 forms (inet_pton(3)). Leaves `port` alone.
 */
bool addr_parse_ip(const char *string, size_t length, struct addr *addr) CULVERT_MUST_CHECK;

/* An IP prefix such as 10.0.0.0/8. */
struct prefix {
    uint8_t family; /* AF_INET or AF_INET6 */
    uint8_t bits;
    union {
        struct in_addr v4;
        struct in6_addr v6;
    };
};

/* Parses "10.0.0.0/8", "::1", "fd00::/8". Host bits set beyond the prefix are an error. */
bool prefix_parse(const char *string, size_t length, struct prefix *prefix,
                  struct error *error) CULVERT_MUST_CHECK;

#endif
