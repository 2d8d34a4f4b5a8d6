/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proxy_header.c - reading PROXY headers strictly, writing them whole or not at all.
 */
#include "net/proxy_header.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "core/fault.h"
#include "net/crc32c.h"

/* Version 1: a line of text. */
static const unsigned char v1_signature[] = {'P', 'R', 'O', 'X', 'Y', ' '};
#define V1_LINE_MAX 107 /* with CR and LF */

/* Version 2: this, then version and command, family and transport, and the length of the rest. */
static const unsigned char v2_signature[PROXY_SIGNATURE_MAX] = {13, 10,  13,  10,  0,   13,
                                                                10, 'Q', 'U', 'I', 'T', 10};
#define V2_FIXED_BYTES 16
#define V2_LOCAL 0x20
#define V2_PROXY 0x21
#define V2_UNSPEC 0x00
#define V2_TCP4 0x11
#define V2_TCP6 0x21
#define V2_TCP4_BYTES 12
#define V2_TCP6_BYTES 36

/* Types of TLVs. */
#define TLV_ALPN 0x01
#define TLV_AUTHORITY 0x02
#define TLV_CRC32C 0x03
#define TLV_UNIQUE_ID 0x05
#define TLV_SSL 0x20
#define TLV_SSL_VERSION 0x21
#define TLV_SSL_CN 0x22
#define TLV_SSL_CIPHER 0x23
#define TLV_HEAD_BYTES 3
#define AUTHORITY_MAX 255
#define UNIQUE_ID_MAX 128
#define CRC_BYTES 4

/* Of TLV_SSL: a byte of bits, four of the result of verification, then TLVs of its own. */
#define SSL_FIXED_BYTES 5
#define SSL_IS_TLS 1
#define SSL_CERT_HERE 2
#define SSL_CERT_IN_SESSION 4

/* Nothing of an invalid header is told. */
static enum proxy_verdict invalid(struct proxy_header *header, const char *fault)
{
    memset(header, 0, sizeof(*header));
    header->fault = fault;
    return PROXY_INVALID;
}

static enum proxy_verdict signature_of(const unsigned char *bytes, size_t size,
                                       const unsigned char *signature, size_t length)
{
    if (memcmp(bytes, signature, size < length ? size : length) != 0)
        return PROXY_ABSENT;
    return size < length ? PROXY_PARTIAL : PROXY_WHOLE;
}

static enum proxy_verdict v1_signature_of(const unsigned char *bytes, size_t size)
{
    return signature_of(bytes, size, v1_signature, sizeof(v1_signature));
}

static enum proxy_verdict v2_signature_of(const unsigned char *bytes, size_t size)
{
    return signature_of(bytes, size, v2_signature, sizeof(v2_signature));
}

enum proxy_verdict proxy_signature_read(const unsigned char *bytes, size_t size)
{
    enum proxy_verdict v1;

    if (size == 0)
        return PROXY_PARTIAL;
    v1 = v1_signature_of(bytes, size);
    return v1 != PROXY_ABSENT ? v1 : v2_signature_of(bytes, size);
}

/* Rules and limits look for a client's IPv4 address as such, in whichever form it is told. */
static void set_v6(struct addr *addr, const unsigned char *bytes)
{
    memcpy(&addr->v6, bytes, sizeof(addr->v6));
    addr->family = AF_INET6;
    if (IN6_IS_ADDR_V4MAPPED(&addr->v6)) {
        addr->family = AF_INET;
        memcpy(&addr->v4, bytes + 12, sizeof(addr->v4));
    }
}

/* ---- version 1 ---------------------------------------------------------------------------------
 */

/* The part of a line up to the next space, which is passed over; false when there is none left. */
static bool next_word(const char **at, const char *end, const char **word, size_t *length)
{
    const char *space;

    if (*at >= end)
        return false;
    space = memchr(*at, ' ', (size_t)(end - *at));
    *word = *at;
    *length = (size_t)((space == NULL ? end : space) - *at);
    /* A space at the end of the line is followed by a word that is empty. */
    *at = space == NULL ? end + 1 : space + 1;
    return true;
}

static bool read_ip(const char *word, size_t length, int family, struct addr *addr)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char bytes[sizeof(struct in6_addr)];

    if (length >= sizeof(text) || memchr(word, '\0', length) != NULL)
        return false;
    memcpy(text, word, length);
    text[length] = '\0';
    /* Four decimal numbers without leading zeros, or what RFC 4291 allows: inet_pton(3). */
    if (inet_pton(family, text, bytes) != 1)
        return false;
    if (family == AF_INET6) {
        set_v6(addr, bytes);
        return true;
    }
    addr->family = AF_INET;
    memcpy(&addr->v4, bytes, sizeof(addr->v4));
    return true;
}

static bool read_port(const char *word, size_t length, uint16_t *port)
{
    unsigned value = 0;

    if (length == 0 || length > 5 || (word[0] == '0' && length > 1))
        return false;
    for (size_t i = 0; i < length; i++) {
        if (word[i] < '0' || word[i] > '9')
            return false;
        value = value * 10 + (unsigned)(word[i] - '0');
    }
    *port = (uint16_t)value;
    return value <= UINT16_MAX;
}

/* What stands between "PROXY " and the end of the line. */
static enum proxy_verdict read_v1_words(const char *at, const char *end,
                                        struct proxy_header *header)
{
    struct addr *const addrs[] = {&header->source, &header->destination};
    const char *word;
    size_t length;
    int family;

    if (!next_word(&at, end, &word, &length))
        return invalid(header, "no family");
    if (length == 7 && memcmp(word, "UNKNOWN", length) == 0)
        return PROXY_WHOLE; /* whatever follows */
    if (length != 4 || memcmp(word, "TCP", 3) != 0 || (word[3] != '4' && word[3] != '6'))
        return invalid(header, "unknown family");
    family = word[3] == '4' ? AF_INET : AF_INET6;
    for (size_t i = 0; i < ARRAY_LENGTH(addrs); i++) {
        if (!next_word(&at, end, &word, &length) || !read_ip(word, length, family, addrs[i]))
            return invalid(header, "bad address");
    }
    for (size_t i = 0; i < ARRAY_LENGTH(addrs); i++) {
        if (!next_word(&at, end, &word, &length) || !read_port(word, length, &addrs[i]->port))
            return invalid(header, "bad port");
    }
    if (at <= end)
        return invalid(header, "more than six words");
    header->has_addresses = true;
    return PROXY_WHOLE;
}

static enum proxy_verdict read_v1(const unsigned char *bytes, size_t size,
                                  struct proxy_header *header)
{
    size_t most = size < V1_LINE_MAX || fault_is(FAULT_PROXY_LONG_LINE) ? size : V1_LINE_MAX;
    size_t end = sizeof(v1_signature);

    while (end < most && bytes[end] != '\r' && bytes[end] != '\n')
        end++;
    if (end < most && bytes[end] == '\n')
        return invalid(header, "the line ends without CR");
    if (end + 1 < most && bytes[end + 1] != '\n')
        return invalid(header, "CR without LF");
    if (end + 1 >= most)
        return most < V1_LINE_MAX ? PROXY_PARTIAL : invalid(header, "too long");
    header->length = end + 2;
    return read_v1_words((const char *)bytes + sizeof(v1_signature), (const char *)bytes + end,
                         header);
}

/* ---- version 2 ---------------------------------------------------------------------------------
 */

static size_t get_16(const unsigned char *bytes)
{
    return (size_t)bytes[0] << 8 | bytes[1];
}

static uint32_t get_32(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* The checksum is of the header with zeros in its own place. */
static bool is_checksum_right(const unsigned char *bytes, size_t length, size_t at)
{
    static const unsigned char zeros[CRC_BYTES];
    uint32_t crc = crc32c(0, bytes, at);

    crc = crc32c(crc, zeros, sizeof(zeros));
    crc = crc32c(crc, bytes + at + CRC_BYTES, length - at - CRC_BYTES);
    return crc == get_32(bytes + at);
}

/* Whether TLVs fill the bytes from `at` to `end` exactly. */
static bool are_tlvs_whole(const unsigned char *bytes, size_t at, size_t end)
{
    while (at < end) {
        if (end - at < TLV_HEAD_BYTES)
            return false;
        size_t length = get_16(bytes + at + 1);
        at += TLV_HEAD_BYTES;
        if (length > end - at)
            return false;
        at += length;
    }
    return true;
}

/* What is wrong with a TLV whose `length` bytes of value are at `at`; NULL: nothing. */
static const char *fault_of_tlv(const unsigned char *bytes, unsigned type, size_t at, size_t length)
{
    switch (type) {
    case TLV_AUTHORITY:
        return length > AUTHORITY_MAX ? "authority too long" : NULL;
    case TLV_UNIQUE_ID:
        return length > UNIQUE_ID_MAX ? "unique_id too long" : NULL;
    case TLV_SSL:
        if (length < SSL_FIXED_BYTES || !are_tlvs_whole(bytes, at + SSL_FIXED_BYTES, at + length))
            return "malformed ssl TLV";
        return NULL;
    case TLV_CRC32C:
        return length != CRC_BYTES ? "malformed checksum" : NULL;
    default:
        return NULL;
    }
}

static enum proxy_verdict read_tlvs(const unsigned char *bytes, size_t at,
                                    struct proxy_header *header)
{
    size_t end = header->length;
    size_t crc_at = 0;

    if (!are_tlvs_whole(bytes, at, end))
        return invalid(header, "a TLV leaves the header");
    while (at < end) {
        unsigned type = bytes[at];
        size_t length = get_16(bytes + at + 1);
        const char *fault;

        at += TLV_HEAD_BYTES;
        fault = fault_of_tlv(bytes, type, at, length);
        if (fault != NULL)
            return invalid(header, fault);
        if (type == TLV_CRC32C && crc_at != 0)
            return invalid(header, "two checksums");
        if (type == TLV_CRC32C)
            crc_at = at;
        at += length;
    }
    if (crc_at != 0 && !is_checksum_right(bytes, end, crc_at) &&
        !fault_is(FAULT_PROXY_ANY_CHECKSUM))
        return invalid(header, "wrong checksum");
    return PROXY_WHOLE;
}

/* The fixed part is there; a header that goes wrong in it is not waited for. */
static enum proxy_verdict check_v2_fixed(const unsigned char *bytes, struct proxy_header *header)
{
    size_t rest = get_16(bytes + 14);

    if (bytes[12] >> 4 != 2)
        return invalid(header, "unknown version");
    if (bytes[12] != V2_LOCAL && bytes[12] != V2_PROXY)
        return invalid(header, "unknown command");
    if (header->length > PROXY_HEADER_MAX && !fault_is(FAULT_PROXY_LONG_HEADER))
        return invalid(header, "too long");
    if (bytes[12] == V2_LOCAL || bytes[13] == V2_UNSPEC)
        return PROXY_WHOLE;
    if (bytes[13] != V2_TCP4 && bytes[13] != V2_TCP6)
        return invalid(header, "unknown family");
    if (rest < (bytes[13] == V2_TCP4 ? V2_TCP4_BYTES : V2_TCP6_BYTES))
        return invalid(header, "no room for addresses");
    return PROXY_WHOLE;
}

static enum proxy_verdict read_v2(const unsigned char *bytes, size_t size,
                                  struct proxy_header *header)
{
    const unsigned char *addrs = bytes + V2_FIXED_BYTES;
    enum proxy_verdict verdict;

    if (size < V2_FIXED_BYTES)
        return PROXY_PARTIAL;
    header->length = V2_FIXED_BYTES + get_16(bytes + 14);
    verdict = check_v2_fixed(bytes, header);
    if (verdict != PROXY_WHOLE)
        return verdict;
    if (size < header->length)
        return PROXY_PARTIAL;
    header->is_local = bytes[12] == V2_LOCAL;
    /* Of those two the whole rest is to be ignored: even where it ends is the sender's own. */
    if ((header->is_local && !fault_is(FAULT_PROXY_LOCAL_ADDRESS)) || bytes[13] == V2_UNSPEC)
        return PROXY_WHOLE;
    header->has_addresses = true;
    if (bytes[13] == V2_TCP4) {
        header->source.family = header->destination.family = AF_INET;
        memcpy(&header->source.v4, addrs, 4);
        memcpy(&header->destination.v4, addrs + 4, 4);
        header->source.port = (uint16_t)get_16(addrs + 8);
        header->destination.port = (uint16_t)get_16(addrs + 10);
        return read_tlvs(bytes, V2_FIXED_BYTES + V2_TCP4_BYTES, header);
    }
    set_v6(&header->source, addrs);
    set_v6(&header->destination, addrs + 16);
    header->source.port = (uint16_t)get_16(addrs + 32);
    header->destination.port = (uint16_t)get_16(addrs + 34);
    return read_tlvs(bytes, V2_FIXED_BYTES + V2_TCP6_BYTES, header);
}

enum proxy_verdict proxy_header_read(const unsigned char *bytes, size_t size,
                                     struct proxy_header *header)
{
    enum proxy_verdict verdict;

    memset(header, 0, sizeof(*header));
    if (size == 0)
        return PROXY_PARTIAL;
    verdict = v1_signature_of(bytes, size);
    if (verdict == PROXY_WHOLE)
        return read_v1(bytes, size, header);
    if (verdict == PROXY_ABSENT) {
        verdict = v2_signature_of(bytes, size);
        if (verdict == PROXY_WHOLE)
            return read_v2(bytes, size, header);
    }
    if (verdict == PROXY_ABSENT)
        header->fault = "no header";
    return verdict;
}

/* ---- writing -----------------------------------------------------------------------------------
 */

/* Bytes that are being written; once something did not fit nothing more is. */
struct draft {
    unsigned char *bytes;
    size_t size;
    size_t length;
    bool is_full;
};

static void put(struct draft *draft, const void *bytes, size_t length)
{
    if (draft->is_full || length > draft->size - draft->length) {
        draft->is_full = true;
        return;
    }
    if (length > 0)
        memcpy(draft->bytes + draft->length, bytes, length);
    draft->length += length;
}

static void put_byte(struct draft *draft, unsigned byte)
{
    const unsigned char bytes[] = {(unsigned char)byte};

    put(draft, bytes, sizeof(bytes));
}

static void put_16(struct draft *draft, size_t value)
{
    put_byte(draft, value >> 8 & 0xff);
    put_byte(draft, value & 0xff);
}

static void put_text(struct draft *draft, const char *text)
{
    put(draft, text, strlen(text));
}

static void put_tlv(struct draft *draft, unsigned type, const void *value, size_t length)
{
    if (length > UINT16_MAX)
        draft->is_full = true;
    put_byte(draft, type);
    put_16(draft, length);
    put(draft, value, length);
}

/* The length of a TLV, or of the header, once what it counts is written behind it. */
static void fix_length(struct draft *draft, size_t at)
{
    size_t length = draft->length - at - 2;

    if (draft->is_full || length > UINT16_MAX) {
        draft->is_full = true;
        return;
    }
    draft->bytes[at] = (unsigned char)(length >> 8);
    draft->bytes[at + 1] = (unsigned char)(length & 0xff);
}

/* The family of both addresses; of an IPv4 and an IPv6 one, IPv6. AF_UNSPEC: there is no client, or
   no address of it. */
static int family_of(const struct proxy_facts *facts)
{
    int source = facts->source.family;
    int destination = facts->destination.family;

    if (facts->is_local || (source != AF_INET && source != AF_INET6) ||
        (destination != AF_INET && destination != AF_INET6))
        return AF_UNSPEC;
    return source == AF_INET && destination == AF_INET ? AF_INET : AF_INET6;
}

/* The bytes of an address in the family's form; returns how many. */
static size_t ip_bytes(const struct addr *addr, int family, unsigned char *bytes)
{
    if (family == AF_INET) {
        memcpy(bytes, &addr->v4, 4);
        return 4;
    }
    if (addr->family == AF_INET6) {
        memcpy(bytes, &addr->v6, 16);
        return 16;
    }
    memset(bytes, 0, 10);
    memset(bytes + 10, 0xff, 2);
    memcpy(bytes + 12, &addr->v4, 4);
    return 16;
}

static void put_ip(struct draft *draft, const struct addr *addr, int family)
{
    unsigned char bytes[16];

    put(draft, bytes, ip_bytes(addr, family, bytes));
}

static void put_ip_text(struct draft *draft, const struct addr *addr, int family)
{
    unsigned char bytes[16];
    char text[INET6_ADDRSTRLEN];

    (void)ip_bytes(addr, family, bytes);
    put_text(draft, " ");
    put_text(draft, inet_ntop(family, bytes, text, sizeof(text)));
}

static void write_v1(struct draft *draft, const struct proxy_facts *facts)
{
    int family = family_of(facts);
    char ports[sizeof(" 65535 65535\r\n")];

    if (family == AF_UNSPEC) {
        put_text(draft, "PROXY UNKNOWN\r\n");
        return;
    }
    put_text(draft, family == AF_INET ? "PROXY TCP4" : "PROXY TCP6");
    put_ip_text(draft, &facts->source, family);
    put_ip_text(draft, &facts->destination, family);
    snprintf(ports, sizeof(ports), " %u %u\r\n", facts->source.port, facts->destination.port);
    put_text(draft, ports);
}

static void put_ssl(struct draft *draft, const struct proxy_ssl *ssl)
{
    unsigned char fixed[SSL_FIXED_BYTES] = {SSL_IS_TLS, 0, 0, 0, !ssl->is_verified};
    size_t length_at;

    if (ssl->has_certificate)
        fixed[0] |= ssl->is_resumed ? SSL_CERT_IN_SESSION : SSL_CERT_HERE | SSL_CERT_IN_SESSION;
    put_byte(draft, TLV_SSL);
    length_at = draft->length;
    put_16(draft, 0);
    put(draft, fixed, sizeof(fixed));
    put_tlv(draft, TLV_SSL_VERSION, ssl->version, strlen(ssl->version));
    if (ssl->common_name != NULL)
        put_tlv(draft, TLV_SSL_CN, ssl->common_name, ssl->common_name_size);
    if (ssl->cipher != NULL)
        put_tlv(draft, TLV_SSL_CIPHER, ssl->cipher, strlen(ssl->cipher));
    fix_length(draft, length_at);
}

static void put_tlvs(struct draft *draft, const struct proxy_facts *facts)
{
    if (facts->alpn != NULL)
        put_tlv(draft, TLV_ALPN, facts->alpn, facts->alpn_size);
    if (facts->authority != NULL)
        put_tlv(draft, TLV_AUTHORITY, facts->authority, strlen(facts->authority));
    if (facts->unique_id != NULL)
        put_tlv(draft, TLV_UNIQUE_ID, facts->unique_id, strlen(facts->unique_id));
    if (facts->ssl != NULL)
        put_ssl(draft, facts->ssl);
}

static void write_v2(struct draft *draft, const struct proxy_facts *facts)
{
    static const unsigned char zeros[CRC_BYTES];
    int family = family_of(facts);
    size_t length_at;

    put(draft, v2_signature, sizeof(v2_signature));
    put_byte(draft, facts->is_local ? V2_LOCAL : V2_PROXY);
    put_byte(draft, family == AF_UNSPEC ? V2_UNSPEC : family == AF_INET ? V2_TCP4 : V2_TCP6);
    length_at = draft->length;
    put_16(draft, 0);
    if (family != AF_UNSPEC) {
        put_ip(draft, &facts->source, family);
        put_ip(draft, &facts->destination, family);
        put_16(draft, facts->source.port);
        put_16(draft, facts->destination.port);
    }
    put_tlvs(draft, facts);
    if (facts->has_crc32c)
        put_tlv(draft, TLV_CRC32C, zeros, sizeof(zeros));
    fix_length(draft, length_at);
    if (facts->has_crc32c && !draft->is_full) {
        uint32_t crc = crc32c(0, draft->bytes, draft->length);
        unsigned char *end = draft->bytes + draft->length;

        for (int i = 1; i <= CRC_BYTES; i++, crc >>= 8)
            end[-i] = (unsigned char)(crc & 0xff);
    }
}

size_t proxy_header_write(enum send_proxy version, const struct proxy_facts *facts,
                          unsigned char *bytes, size_t size)
{
    struct draft draft = {.bytes = bytes, .size = size};

    switch (version) {
    case SEND_PROXY_OFF:
        break;
    case SEND_PROXY_V1:
        write_v1(&draft, facts);
        break;
    case SEND_PROXY_V2:
        write_v2(&draft, facts);
        break;
    }
    return draft.is_full ? 0 : draft.length;
}
