/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dns_message.h - DNS messages for tests, right and wrong ones (RFC 1035, 4).
 */
#ifndef CULVERT_TEST_DISCOVERY_DNS_MESSAGE_H
#define CULVERT_TEST_DISCOVERY_DNS_MESSAGE_H

#include <arpa/inet.h>
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct message {
    unsigned char bytes[65535];
    size_t size;
};

enum { TYPE_A = 1, TYPE_CNAME = 5, TYPE_AAAA = 28, TYPE_SRV = 33 };
enum {
    RCODE_OK = 0,
    RCODE_FORMERR = 1,
    RCODE_SERVFAIL = 2,
    RCODE_NXDOMAIN = 3,
    RCODE_NOTIMP = 4,
    RCODE_REFUSED = 5,
};

/* Where the header counts the records of the answer section. */
#define ANCOUNT_AT 6

static inline void put_bytes(struct message *message, const void *bytes, size_t size)
{
    assert(message->size + size <= sizeof(message->bytes));
    memcpy(message->bytes + message->size, bytes, size);
    message->size += size;
}

static inline void put8(struct message *message, unsigned value)
{
    put_bytes(message, &(unsigned char){(unsigned char)value}, 1);
}

static inline void put16(struct message *message, unsigned value)
{
    put8(message, value >> 8);
    put8(message, value & 255);
}

static inline void put32(struct message *message, uint32_t value)
{
    put16(message, value >> 16);
    put16(message, value & 65535);
}

/* "a.test" in labels; "" is the root. */
static inline void put_name(struct message *message, const char *name)
{
    while (*name != '\0') {
        size_t label = strcspn(name, ".");

        put8(message, (unsigned)label);
        put_bytes(message, name, label);
        name += label + (name[label] == '.');
    }
    put8(message, 0);
}

static inline unsigned get16(const unsigned char *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

/* Header and question. */
static inline void begin_answer(struct message *message, unsigned id, unsigned rcode,
                                const char *question, unsigned type)
{
    message->size = 0;
    put16(message, id);
    put16(message, 0x8180 | rcode); /* an answer, recursion desired and available */
    put16(message, 1);
    put16(message, 0);
    put16(message, 0);
    put16(message, 0);
    put_name(message, question);
    put16(message, type);
    put16(message, 1);
}

static inline void begin_record(struct message *message, const char *owner, unsigned type,
                                uint32_t ttl, size_t size)
{
    unsigned count = get16(message->bytes + ANCOUNT_AT) + 1;

    message->bytes[ANCOUNT_AT] = (unsigned char)(count >> 8);
    message->bytes[ANCOUNT_AT + 1] = (unsigned char)count;
    put_name(message, owner);
    put16(message, type);
    put16(message, 1);
    put32(message, ttl);
    put16(message, (unsigned)size);
}

static inline size_t name_size(const char *name)
{
    return strlen(name) + (name[0] == '\0' ? 1 : 2);
}

static inline void put_srv(struct message *message, const char *owner, uint32_t ttl,
                           unsigned priority, unsigned weight, unsigned port, const char *target)
{
    begin_record(message, owner, TYPE_SRV, ttl, 6 + name_size(target));
    put16(message, priority);
    put16(message, weight);
    put16(message, port);
    put_name(message, target);
}

static inline void put_cname(struct message *message, const char *owner, uint32_t ttl,
                             const char *target)
{
    begin_record(message, owner, TYPE_CNAME, ttl, name_size(target));
    put_name(message, target);
}

static inline void put_a(struct message *message, const char *owner, uint32_t ttl, const char *addr)
{
    struct in_addr bytes;
    int result = inet_pton(AF_INET, addr, &bytes);

    assert(result == 1);
    begin_record(message, owner, TYPE_A, ttl, sizeof(bytes));
    put_bytes(message, &bytes, sizeof(bytes));
}

static inline void put_aaaa(struct message *message, const char *owner, uint32_t ttl,
                            const char *addr)
{
    struct in6_addr bytes;
    int result = inet_pton(AF_INET6, addr, &bytes);

    assert(result == 1);
    begin_record(message, owner, TYPE_AAAA, ttl, sizeof(bytes));
    put_bytes(message, &bytes, sizeof(bytes));
}

#endif
