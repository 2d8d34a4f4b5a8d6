/* SPDX-License-Identifier: Apache-2.0 */
/*
 * addr.c - socket addresses: compact in memory, and to and from text.
 */
#include "net/addr.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static socklen_t unix_to_sockaddr(const struct addr *addr, struct sockaddr_storage *storage)
{
    struct sockaddr_un *un = (struct sockaddr_un *)storage;
    size_t length = addr->path == NULL ? 0 : strlen(addr->path);

    un->sun_family = AF_UNIX;
    if (length > ADDR_PATH_MAX)
        length = ADDR_PATH_MAX; /* the configuration refuses longer ones */
    /* An abstract name starts with a NUL and is as long as the length says (unix(7)). */
    if (addr->is_abstract) {
        memcpy(un->sun_path + 1, addr->path, length);
        return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length);
    }
    if (length > 0)
        memcpy(un->sun_path, addr->path, length);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
}

socklen_t addr_to_sockaddr(const struct addr *addr, struct sockaddr_storage *storage)
{
    memset(storage, 0, sizeof(*storage));
    if (addr->family == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)storage;

        in->sin_family = AF_INET;
        in->sin_port = htons(addr->port);
        in->sin_addr = addr->v4;
        return sizeof(*in);
    }
    if (addr->family == AF_INET6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)storage;

        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(addr->port);
        in6->sin6_addr = addr->v6;
        in6->sin6_scope_id = addr->scope;
        return sizeof(*in6);
    }
    if (addr->family == AF_UNIX)
        return unix_to_sockaddr(addr, storage);
    return 0;
}

void addr_from_sockaddr(struct addr *addr, const struct sockaddr *sockaddr, socklen_t length)
{
    memset(addr, 0, sizeof(*addr));
    if (length < (socklen_t)sizeof(sockaddr->sa_family))
        return;
    if (sockaddr->sa_family == AF_INET && length >= (socklen_t)sizeof(struct sockaddr_in)) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)sockaddr;

        addr->family = AF_INET;
        addr->port = ntohs(in->sin_port);
        addr->v4 = in->sin_addr;
    } else if (sockaddr->sa_family == AF_INET6 &&
               length >= (socklen_t)sizeof(struct sockaddr_in6)) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sockaddr;

        addr->port = ntohs(in6->sin6_port);
        if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
            addr->family = AF_INET;
            memcpy(&addr->v4, in6->sin6_addr.s6_addr + 12, sizeof(addr->v4));
        } else {
            addr->family = AF_INET6;
            addr->v6 = in6->sin6_addr;
            addr->scope = in6->sin6_scope_id;
        }
    } else if (sockaddr->sa_family == AF_UNIX) {
        addr->family = AF_UNIX;
    }
}

void addr_format(const struct addr *addr, struct text *text)
{
    char ip[INET6_ADDRSTRLEN];

    switch (addr->family) {
    case AF_INET:
        inet_ntop(AF_INET, &addr->v4, ip, sizeof(ip));
        text_append_format(text, "%s:%u", ip, addr->port);
        break;
    case AF_INET6:
        inet_ntop(AF_INET6, &addr->v6, ip, sizeof(ip));
        text_append_format(text, "[%s", ip);
        if (addr->scope != 0)
            text_append_format(text, "%%%u", addr->scope);
        text_append_format(text, "]:%u", addr->port);
        break;
    case AF_UNIX:
        text_append_format(text, "unix:%s%s", addr->is_abstract ? "@" : "",
                           addr->path == NULL ? "" : addr->path);
        break;
    default:
        text_append(text, "-");
        break;
    }
}

const char *addr_text(const struct addr *addr, char *buffer)
{
    struct text text = text_over(buffer, ADDR_TEXT_BYTES);

    addr_format(addr, &text);
    return buffer;
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
    if (a->family != b->family)
        return false;
    switch (a->family) {
    case AF_INET:
        return a->port == b->port && a->v4.s_addr == b->v4.s_addr;
    case AF_INET6:
        return a->port == b->port && a->scope == b->scope &&
               memcmp(&a->v6, &b->v6, sizeof(a->v6)) == 0;
    case AF_UNIX:
        if (a->path == NULL || b->path == NULL)
            return a->path == b->path;
        return a->is_abstract == b->is_abstract && strcmp(a->path, b->path) == 0;
    default:
        return true;
    }
}

/* The zone behind '%': an interface's name, or its number. 0 when it is neither. */
static uint32_t scope_parse(const char *string)
{
    unsigned index = if_nametoindex(string);
    char *end;

    if (index != 0)
        return index;
    if (string[0] < '1' || string[0] > '9')
        return 0;
    unsigned long number = strtoul(string, &end, 10);
    return *end == '\0' && number <= UINT32_MAX ? (uint32_t)number : 0;
}

bool addr_parse_ip(const char *string, size_t length, struct addr *addr)
{
    char ip[INET6_ADDRSTRLEN + IF_NAMESIZE + 1];
    struct in_addr v4;
    struct in6_addr v6;
    uint32_t scope = 0;

    if (length >= 2 && string[0] == '[' && string[length - 1] == ']') {
        string++;
        length -= 2;
        if (memchr(string, ':', length) == NULL)
            return false;
    }
    if (length >= sizeof(ip) || memchr(string, '\0', length) != NULL)
        return false;
    memcpy(ip, string, length);
    ip[length] = '\0';
    if (inet_pton(AF_INET, ip, &v4) == 1) {
        addr->family = AF_INET;
        addr->scope = 0;
        addr->v4 = v4;
        return true;
    }
    char *zone = strchr(ip, '%');
    if (zone != NULL) {
        *zone = '\0';
        scope = scope_parse(zone + 1);
        if (scope == 0)
            return false;
    }
    if (inet_pton(AF_INET6, ip, &v6) != 1)
        return false;
    addr->family = AF_INET6;
    addr->scope = scope;
    addr->v6 = v6;
    return true;
}

static bool has_host_bits(const unsigned char *bytes, unsigned size, unsigned bits)
{
    for (unsigned i = bits; i < size * 8; i++) {
        if (bytes[i / 8] & (0x80 >> (i % 8)))
            return true;
    }
    return false;
}

/* The number behind the slash; -1 when it is none. */
static int prefix_bits(const char *digits, size_t length, int most)
{
    int bits = 0;

    if (length == 0 || length > 3)
        return -1;
    for (size_t i = 0; i < length; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            return -1;
        bits = bits * 10 + (digits[i] - '0');
    }
    return bits <= most ? bits : -1;
}

bool prefix_parse(const char *string, size_t length, struct prefix *prefix, struct error *error)
{
    const char *slash = memchr(string, '/', length);
    size_t ip_length = slash == NULL ? length : (size_t)(slash - string);
    struct addr addr = {0};

    if (!addr_parse_ip(string, ip_length, &addr) || addr.scope != 0)
        return error_set(error, 0, "'%.*s' is not an IP address or prefix such as 10.0.0.0/8",
                         (int)length, string);
    int most = addr.family == AF_INET ? 32 : 128;
    int bits = most;
    if (slash != NULL)
        bits = prefix_bits(slash + 1, length - ip_length - 1, most);
    if (bits < 0)
        return error_set(error, 0, "'%.*s' needs a prefix length from 0 to %d behind the slash",
                         (int)length, string, most);
    memset(prefix, 0, sizeof(*prefix));
    prefix->family = addr.family;
    prefix->bits = (uint8_t)bits;
    if (addr.family == AF_INET)
        prefix->v4 = addr.v4;
    else
        prefix->v6 = addr.v6;
    if (has_host_bits((const unsigned char *)&prefix->v6, (unsigned)most / 8, (unsigned)bits))
        return error_set(error, 0, "'%.*s' has bits set behind its first %d", (int)length, string,
                         bits);
    return true;
}
