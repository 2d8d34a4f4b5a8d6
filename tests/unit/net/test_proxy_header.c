/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_proxy_header.c - every kind of header whole, cut at each byte, with payload behind it; and
 * what is written, read again.
 *
 * Reading happens in memory of just the size that is told, so that AddressSanitizer sees a look
 * behind it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/crc32c.h"
#include "net/proxy_header.h"

#define V2 "\r\n\r\n\0\r\nQUIT\n"
#define TCP4_ADDRS "\xc0\x00\x02\x01\xcb\x00\x71\x05\xc3\x50\x01\xbb" /* 192.0.2.1:50000, .. */
#define TCP4_TEXT "192.0.2.1:50000 203.0.113.5:443"
#define TCP6_ADDRS                                                                                 \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2\xc3\x50\x01" \
    "\xbb"
#define TCP6_TEXT "[2001:db8::1]:50000 [2001:db8::2]:443"
#define MAPPED_ADDRS                                                                               \
    "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\1\0\0\0\0\0\0\0\0\0\0\xff\xff\xcb\0\x71\5\xc3\x50\x01"   \
    "\xbb"

struct vector {
    const char *bytes;
    size_t size;
    const char *addresses; /* of a valid header: "-" when it tells none, "local" of a LOCAL one */
    const char *fault;     /* of an invalid one */
};

#define BYTES(literal) .bytes = (literal), .size = sizeof(literal) - 1

static const struct vector good[] = {
    {BYTES("PROXY TCP4 192.0.2.1 203.0.113.5 50000 443\r\n"), .addresses = TCP4_TEXT},
    {BYTES("PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n"),
     .addresses = "0.0.0.0:0 255.255.255.255:65535"},
    {BYTES("PROXY TCP6 2001:db8::1 2001:DB8::2 50000 443\r\n"), .addresses = TCP6_TEXT},
    {BYTES("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
           "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
     .addresses = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535 "
                  "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
    {BYTES("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:203.0.113.5 50000 443\r\n"), .addresses = TCP4_TEXT},
    {BYTES("PROXY UNKNOWN\r\n"), .addresses = "-"},
    {BYTES("PROXY UNKNOWN ffff::1 fe80:: 1 2\r\n"), .addresses = "-"},
    {BYTES("PROXY UNKNOWN 012345678901234567890123456789012345678901234567890123456789012345678901"
           "2345678901234567890\r\n"), /* 107 bytes */
     .addresses = "-"},
    {BYTES(V2 "\x21\x11\0\x0c" TCP4_ADDRS), .addresses = TCP4_TEXT},
    {BYTES(V2 "\x21\x21\0\x24" TCP6_ADDRS), .addresses = TCP6_TEXT},
    {BYTES(V2 "\x21\x21\0\x24" MAPPED_ADDRS), .addresses = TCP4_TEXT},
    {BYTES(V2 "\x20\0\0\0"), .addresses = "local"},
    {BYTES(V2 "\x20\x11\0\x0c" TCP4_ADDRS), .addresses = "local"},
    {BYTES(V2 "\x20\x31\0\x03"
              "abc"),
     .addresses = "local"},
    {BYTES(V2 "\x21\0\0\0"), .addresses = "-"},
    {BYTES(V2 "\x21\0\0\x28"
              "0123456789012345678901234567890123456789"),
     .addresses = "-"},
    {BYTES(V2 "\x21\x11\0\x16" TCP4_ADDRS "\4\0\0"
              "\xee\0\4"
              "any."),
     .addresses = TCP4_TEXT},
    {BYTES(V2 "\x21\x11\0\x18" TCP4_ADDRS "\2\0\x09"
              "a\0b\x1b\n<>\"\x80"),
     .addresses = TCP4_TEXT},
    {BYTES(V2 "\x21\x11\0\x17" TCP4_ADDRS "\x20\0\x08"
              "\1\0\0\0\0\x21\0\0"),
     .addresses = TCP4_TEXT},
};

static const struct vector bad[] = {
    {BYTES("GET / HTTP/1.1\r\n"), .fault = "no header"},
    {BYTES("proxy TCP4 192.0.2.1 203.0.113.5 50000 443\r\n"), .fault = "no header"},
    {BYTES("PROXY\tTCP4 192.0.2.1 203.0.113.5 50000 443\r\n"), .fault = "no header"},
    {BYTES("PROXY TCP4 192.0.2.1 203.0.113.5 50000 443\n"), .fault = "the line ends without CR"},
    {BYTES("PROXY TCP4 192.0.2.1 203.0.113.5 50000 443\rX"), .fault = "CR without LF"},
    {BYTES("PROXY \r\n"), .fault = "no family"},
    {BYTES("PROXY  TCP4 192.0.2.1 203.0.113.5 50000 443\r\n"), .fault = "unknown family"},
    {BYTES("PROXY UDP4 192.0.2.1 203.0.113.5 50000 443\r\n"), .fault = "unknown family"},
    {BYTES("PROXY tcp4 192.0.2.1 203.0.113.5 50000 443\r\n"), .fault = "unknown family"},
    {BYTES("PROXY UNKNOWNX\r\n"), .fault = "unknown family"},
    {BYTES("PROXY TCP4\r\n"), .fault = "bad address"},
    {BYTES("PROXY TCP4 192.0.2.1\r\n"), .fault = "bad address"},
    {BYTES("PROXY TCP4  192.0.2.1 203.0.113.5 50000 443\r\n"), .fault = "bad address"},
    {BYTES("PROXY TCP4 192.0.2.1\t203.0.113.5 50000 443\r\n"), .fault = "bad address"},
    {BYTES("PROXY TCP4 192.0.2.1\0 203.0.113.5 50000 443\r\n"), .fault = "bad address"},
    {BYTES("PROXY TCP4 192.0.2.1\x1b 203.0.113.5 50000 443\r\n"), .fault = "bad address"},
    {BYTES("PROXY TCP4 256.0.2.1 203.0.113.5 50000 443\r\n"), .fault = "bad address"},
    {BYTES("PROXY TCP4 192.2.1 203.0.113.5 50000 443\r\n"), .fault = "bad address"},
    {BYTES("PROXY TCP4 010.0.0.1 203.0.113.5 50000 443\r\n"), .fault = "bad address"},
    {BYTES("PROXY TCP4 host.example 203.0.113.5 50000 443\r\n"), .fault = "bad address"},
    {BYTES("PROXY TCP4 2001:db8::1 2001:db8::2 50000 443\r\n"), .fault = "bad address"},
    {BYTES("PROXY TCP6 192.0.2.1 203.0.113.5 50000 443\r\n"), .fault = "bad address"},
    {BYTES("PROXY TCP6 fe80::1%lo fe80::2 50000 443\r\n"), .fault = "bad address"},
    {BYTES("PROXY TCP6 [2001:db8::1] 2001:db8::2 50000 443\r\n"), .fault = "bad address"},
    {BYTES("PROXY TCP4 192.0.2.1 203.0.113.5\r\n"), .fault = "bad port"},
    {BYTES("PROXY TCP4 192.0.2.1 203.0.113.5 50000\r\n"), .fault = "bad port"},
    {BYTES("PROXY TCP4 192.0.2.1 203.0.113.5 50000 \r\n"), .fault = "bad port"},
    {BYTES("PROXY TCP4 192.0.2.1 203.0.113.5 65536 443\r\n"), .fault = "bad port"},
    {BYTES("PROXY TCP4 192.0.2.1 203.0.113.5 4294967297 443\r\n"), .fault = "bad port"},
    {BYTES("PROXY TCP4 192.0.2.1 203.0.113.5 -1 443\r\n"), .fault = "bad port"},
    {BYTES("PROXY TCP4 192.0.2.1 203.0.113.5 +11 443\r\n"), .fault = "bad port"},
    {BYTES("PROXY TCP4 192.0.2.1 203.0.113.5 0x10 443\r\n"), .fault = "bad port"},
    {BYTES("PROXY TCP4 192.0.2.1 203.0.113.5 01111 443\r\n"), .fault = "bad port"},
    {BYTES("PROXY TCP4 192.0.2.1 203.0.113.5 50000 443\0\r\n"), .fault = "bad port"},
    {BYTES("PROXY TCP4 192.0.2.1 203.0.113.5 50000 443 \r\n"), .fault = "more than six words"},
    {BYTES("PROXY TCP4 192.0.2.1 203.0.113.5 50000 443 1\r\n"), .fault = "more than six words"},
    {BYTES("PROXY UNKNOWN 012345678901234567890123456789012345678901234567890123456789012345678901"
           "23456789012345678901\r\n"), /* 108 bytes */
     .fault = "too long"},
    {BYTES("\r\n\r\n\0\r\nQUIX\n\x21\x11\0\x0c" TCP4_ADDRS), .fault = "no header"},
    {BYTES(V2 "\x11\x11\0\x0c" TCP4_ADDRS), .fault = "unknown version"},
    {BYTES(V2 "\x31\x11\0\x0c" TCP4_ADDRS), .fault = "unknown version"},
    {BYTES(V2 "\x22\x11\0\x0c" TCP4_ADDRS), .fault = "unknown command"},
    {BYTES(V2 "\x2f\x11\0\x0c" TCP4_ADDRS), .fault = "unknown command"},
    {BYTES(V2 "\x21\x12\0\x0c" TCP4_ADDRS), .fault = "unknown family"},
    {BYTES(V2 "\x21\x13\0\x0c" TCP4_ADDRS), .fault = "unknown family"},
    {BYTES(V2 "\x21\x41\0\x0c" TCP4_ADDRS), .fault = "unknown family"},
    {BYTES(V2 "\x21\x01\0\x0c" TCP4_ADDRS), .fault = "unknown family"},
    {BYTES(V2 "\x21\x10\0\x0c" TCP4_ADDRS), .fault = "unknown family"},
    {BYTES(V2 "\x21\x31\0\xd8"), .fault = "unknown family"},
    {BYTES(V2 "\x21\x31\0\x14"), .fault = "unknown family"},
    {BYTES(V2 "\x21\x11\0\0"), .fault = "no room for addresses"},
    {BYTES(V2 "\x21\x11\0\x0b" TCP4_ADDRS), .fault = "no room for addresses"},
    {BYTES(V2 "\x21\x21\0\x23" TCP6_ADDRS), .fault = "no room for addresses"},
    {BYTES(V2 "\x21\x11\xff\xff" TCP4_ADDRS), .fault = "too long"},
    {BYTES(V2 "\x20\0\x0f\xf1"), .fault = "too long"},
    {BYTES(V2 "\x21\x11\0\x10" TCP4_ADDRS "\4\0\2"
              "x"),
     .fault = "a TLV leaves the header"},
    {BYTES(V2 "\x21\x11\0\x0e" TCP4_ADDRS "\4\0"), .fault = "a TLV leaves the header"},
    {BYTES(V2 "\x21\x11\0\x0d" TCP4_ADDRS "\4"), .fault = "a TLV leaves the header"},
    {BYTES(V2 "\x21\x11\0\x0f" TCP4_ADDRS "\4\xff\xff"), .fault = "a TLV leaves the header"},
    {BYTES(V2 "\x21\x11\0\x10" TCP4_ADDRS "\x20\0\1"
              "x"),
     .fault = "malformed ssl TLV"},
    {BYTES(V2 "\x21\x11\0\x17" TCP4_ADDRS "\x20\0\x08"
              "\1\0\0\0\0\x21\0\1"),
     .fault = "malformed ssl TLV"},
    {BYTES(V2 "\x21\x11\0\x12" TCP4_ADDRS "\3\0\3"
              "abc"),
     .fault = "malformed checksum"},
    {BYTES(V2 "\x21\x11\0\x13" TCP4_ADDRS "\3\0\4"
              "\0\0\0\0"),
     .fault = "wrong checksum"},
    {BYTES(V2 "\x21\x11\0\x1a" TCP4_ADDRS "\3\0\4"
              "\0\0\0\0"
              "\3\0\4"
              "\0\0\0\0"),
     .fault = "two checksums"},
};

static enum proxy_verdict read_copy(const void *bytes, size_t size, struct proxy_header *header)
{
    unsigned char *copy = malloc(size == 0 ? 1 : size);
    enum proxy_verdict verdict;

    assert_non_null(copy);
    memcpy(copy, bytes, size);
    verdict = proxy_header_read(copy, size, header);
    free(copy);
    return verdict;
}

static void check_addresses(const struct proxy_header *header, const char *expected)
{
    char source[ADDR_TEXT_BYTES];
    char destination[ADDR_TEXT_BYTES];
    char both[2 * ADDR_TEXT_BYTES] = "-";

    if (header->is_local)
        strcpy(both, "local");
    if (header->has_addresses)
        snprintf(both, sizeof(both), "%s %s", addr_text(&header->source, source),
                 addr_text(&header->destination, destination));
    assert_string_equal(both, expected);
}

static void test_good_headers_cut_anywhere(void **state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(good); i++) {
        struct proxy_header header;

        for (size_t size = 0; size < good[i].size; size++)
            assert_int_equal(read_copy(good[i].bytes, size, &header), PROXY_PARTIAL);
        assert_int_equal(read_copy(good[i].bytes, good[i].size, &header), PROXY_WHOLE);
        assert_int_equal(header.length, good[i].size);
        check_addresses(&header, good[i].addresses);
    }
}

/* What follows a header is the client's, even if it is one more header or looks like a TLV. */
static void test_payload_behind_a_header_is_left_alone(void **state)
{
    static const char *const payloads[] = {"x", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n", "\3",
                                           "\x20\x7f\xff"};

    for (size_t i = 0; i < ARRAY_LENGTH(good); i++) {
        for (size_t k = 0; k < ARRAY_LENGTH(payloads); k++) {
            unsigned char glued[512];
            struct proxy_header header;

            memcpy(glued, good[i].bytes, good[i].size);
            strcpy((char *)glued + good[i].size, payloads[k]);
            assert_int_equal(read_copy(glued, good[i].size + strlen(payloads[k]), &header),
                             PROXY_WHOLE);
            assert_int_equal(header.length, good[i].size);
            check_addresses(&header, good[i].addresses);
        }
    }
}

/* A part of a bad header is either not known to be bad yet, or bad for the same reason. */
static void test_bad_headers_cut_anywhere(void **state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        struct proxy_header header;
        enum proxy_verdict whole = read_copy(bad[i].bytes, bad[i].size, &header);

        assert_int_equal(whole,
                         strcmp(bad[i].fault, "no header") == 0 ? PROXY_ABSENT : PROXY_INVALID);
        assert_string_equal(header.fault, bad[i].fault);
        assert_false(header.has_addresses);
        assert_int_equal(header.source.family, AF_UNSPEC);
        for (size_t size = 0; size < bad[i].size; size++) {
            enum proxy_verdict part = read_copy(bad[i].bytes, size, &header);

            if (part == PROXY_PARTIAL)
                continue;
            assert_int_equal(part, whole);
            assert_string_equal(header.fault, bad[i].fault);
        }
    }
}

static void test_bad_headers_with_payload(void **state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        unsigned char glued[512];
        struct proxy_header header;

        memcpy(glued, bad[i].bytes, bad[i].size);
        memcpy(glued + bad[i].size, "\r\npayload", 9);
        assert_int_not_equal(read_copy(glued, bad[i].size + 9, &header), PROXY_WHOLE);
        assert_string_equal(header.fault, bad[i].fault);
    }
}

/* A v2 header of this length in all, of TLVs of no meaning; freed by the caller. */
static unsigned char *long_header(size_t length)
{
    unsigned char *bytes = calloc(1, length);
    size_t value = length - 16 - 12 - 3;

    assert_non_null(bytes);
    memcpy(bytes, V2 "\x21\x11", 14);
    bytes[14] = (unsigned char)((length - 16) >> 8);
    bytes[15] = (unsigned char)(length - 16);
    bytes[28] = 0xee;
    bytes[29] = (unsigned char)(value >> 8);
    bytes[30] = (unsigned char)value;
    return bytes;
}

static void test_the_longest_header(void **state)
{
    unsigned char *bytes = long_header(PROXY_HEADER_MAX);
    struct proxy_header header;

    assert_int_equal(read_copy(bytes, PROXY_HEADER_MAX - 1, &header), PROXY_PARTIAL);
    assert_int_equal(read_copy(bytes, PROXY_HEADER_MAX, &header), PROXY_WHOLE);
    assert_int_equal(header.length, PROXY_HEADER_MAX);
    free(bytes);
    bytes = long_header(PROXY_HEADER_MAX + 1);
    assert_int_equal(read_copy(bytes, 16, &header), PROXY_INVALID);
    assert_string_equal(header.fault, "too long");
    free(bytes);
}

/* TLVs have lengths of their own, which the specification limits. */
static void test_long_names(void **state)
{
    static const struct {
        unsigned char type;
        size_t most;
        const char *fault;
    } names[] = {{2, 255, "authority too long"}, {5, 128, "unique_id too long"}};

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        for (size_t more = 0; more <= 1; more++) {
            size_t length = 16 + 12 + 3 + names[i].most + more;
            unsigned char *bytes = long_header(length);
            struct proxy_header header;

            bytes[28] = names[i].type;
            assert_int_equal(read_copy(bytes, length, &header),
                             more == 0 ? PROXY_WHOLE : PROXY_INVALID);
            if (more > 0)
                assert_string_equal(header.fault, names[i].fault);
            free(bytes);
        }
    }
}

static void test_signatures(void **state)
{
    const unsigned char *v1 = (const unsigned char *)"PROXY ";
    const unsigned char *v2 = (const unsigned char *)V2;

    assert_int_equal(proxy_signature_read(v1, 0), PROXY_PARTIAL);
    for (size_t size = 1; size <= 6; size++)
        assert_int_equal(proxy_signature_read(v1, size), size < 6 ? PROXY_PARTIAL : PROXY_WHOLE);
    for (size_t size = 1; size <= 12; size++)
        assert_int_equal(proxy_signature_read(v2, size), size < 12 ? PROXY_PARTIAL : PROXY_WHOLE);
    assert_int_equal(proxy_signature_read((const unsigned char *)"POST ", 5), PROXY_ABSENT);
    assert_int_equal(proxy_signature_read((const unsigned char *)"PROXYX", 6), PROXY_ABSENT);
    assert_int_equal(proxy_signature_read((const unsigned char *)"\r\n\r\n\r", 5), PROXY_ABSENT);
}

/* ---- writing */

static struct proxy_facts facts_of(const char *source, const char *destination)
{
    struct proxy_facts facts = {.source = {.port = 50000}, .destination = {.port = 443}};

    if (source != NULL)
        assert_true(addr_parse_ip(source, strlen(source), &facts.source));
    if (destination != NULL)
        assert_true(addr_parse_ip(destination, strlen(destination), &facts.destination));
    return facts;
}

static void check_written(enum send_proxy version, const struct proxy_facts *facts,
                          const void *expected, size_t expected_size)
{
    unsigned char bytes[PROXY_SENT_MAX];
    size_t size = proxy_header_write(version, facts, bytes, sizeof(bytes));

    assert_int_equal(size, expected_size);
    assert_memory_equal(bytes, expected, size);
}

static void test_version_1_is_written(void **state)
{
    static const struct {
        const char *source;
        const char *destination;
        const char *line;
    } rows[] = {
        {"192.0.2.1", "203.0.113.5", "PROXY TCP4 192.0.2.1 203.0.113.5 50000 443\r\n"},
        {"2001:db8::1", "2001:db8::2", "PROXY TCP6 2001:db8::1 2001:db8::2 50000 443\r\n"},
        {"192.0.2.1", "2001:db8::2", "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 50000 443\r\n"},
        {"2001:db8::1", "203.0.113.5", "PROXY TCP6 2001:db8::1 ::ffff:203.0.113.5 50000 443\r\n"},
        {NULL, "203.0.113.5", "PROXY UNKNOWN\r\n"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct proxy_facts facts = facts_of(rows[i].source, rows[i].destination);

        facts.unique_id = "not for version 1";
        check_written(SEND_PROXY_V1, &facts, rows[i].line, strlen(rows[i].line));
    }
}

static void test_version_2_is_written(void **state)
{
    struct proxy_facts facts = facts_of("192.0.2.1", "203.0.113.5");

    check_written(SEND_PROXY_V2, &facts, V2 "\x21\x11\0\x0c" TCP4_ADDRS, 28);
    facts = facts_of("2001:db8::1", "2001:db8::2");
    check_written(SEND_PROXY_V2, &facts, V2 "\x21\x21\0\x24" TCP6_ADDRS, 52);
    facts.source.family = AF_UNIX;
    check_written(SEND_PROXY_V2, &facts, V2 "\x21\0\0\0", 16);
}

static void test_local_tells_no_addresses(void **state)
{
    struct proxy_facts facts = facts_of("192.0.2.1", "203.0.113.5");

    facts.is_local = true;
    check_written(SEND_PROXY_V2, &facts, V2 "\x20\0\0\0", 16);
    check_written(SEND_PROXY_V1, &facts, "PROXY UNKNOWN\r\n", 15);
}

static void test_tlvs_are_written(void **state)
{
    static const struct proxy_ssl ssl = {
        .version = "TLSv1.3",
        .cipher = "TLS_AES_128_GCM_SHA256",
        .common_name = "al",
        .common_name_size = 2,
        .has_certificate = true,
        .is_verified = true,
    };
    struct proxy_facts facts = facts_of("192.0.2.1", "203.0.113.5");

    facts.authority = "db.example";
    facts.alpn = "h2";
    facts.alpn_size = 2;
    facts.unique_id = "0t8k3v-2f";
    facts.ssl = &ssl;
    check_written(SEND_PROXY_V2, &facts,
                  V2 "\x21\x11\0\x5a" TCP4_ADDRS "\1\0\2"
                     "h2"
                     "\2\0\x0a"
                     "db.example"
                     "\5\0\x09"
                     "0t8k3v-2f"
                     "\x20\0\x2d"
                     "\7\0\0\0\0"
                     "\x21\0\7"
                     "TLSv1.3"
                     "\x22\0\2"
                     "al"
                     "\x23\0\x16"
                     "TLS_AES_128_GCM_SHA256",
                  106);
}

static void test_a_certificate_of_an_earlier_connection(void **state)
{
    struct proxy_ssl ssl = {.version = "TLSv1.2", .has_certificate = true, .is_resumed = true};
    struct proxy_facts facts = facts_of("192.0.2.1", "203.0.113.5");

    facts.ssl = &ssl;
    check_written(SEND_PROXY_V2, &facts,
                  V2 "\x21\x11\0\x1e" TCP4_ADDRS "\x20\0\x0f"
                     "\5\0\0\0\1"
                     "\x21\0\7"
                     "TLSv1.2",
                  46);
}

/* Whatever is written is a good header, with the checksum that a receiver computes. */
static void test_what_is_written_is_read(void **state)
{
    struct proxy_facts facts = facts_of("192.0.2.1", "203.0.113.5");
    unsigned char bytes[PROXY_SENT_MAX];
    struct proxy_header header;
    size_t size;

    facts.has_crc32c = true;
    facts.unique_id = "0t8k3v-2f";
    size = proxy_header_write(SEND_PROXY_V2, &facts, bytes, sizeof(bytes));
    assert_int_equal(read_copy(bytes, size, &header), PROXY_WHOLE);
    assert_int_equal(header.length, size);
    check_addresses(&header, TCP4_TEXT);
    for (size_t bit = 0; bit < size * 8; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        /* Of LOCAL the rest is not looked at; and another type is not that of a checksum. */
        if (read_copy(bytes, size, &header) == PROXY_WHOLE)
            assert_true((bit / 8 == 12 && header.is_local) || bit / 8 == size - 7);
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
}

static void test_what_does_not_fit_is_not_written(void **state)
{
    char name[70000];
    struct proxy_ssl ssl = {.version = "TLSv1.3",
                            .common_name = name,
                            .common_name_size = sizeof(name),
                            .has_certificate = true};
    struct proxy_facts facts = facts_of("192.0.2.1", "203.0.113.5");
    unsigned char bytes[PROXY_SENT_MAX];
    static unsigned char large[2 * 70000];
    size_t whole;

    facts.has_crc32c = true;
    facts.unique_id = "0t8k3v-2f";
    whole = proxy_header_write(SEND_PROXY_V2, &facts, bytes, sizeof(bytes));
    for (size_t size = 0; size < whole; size++)
        assert_int_equal(proxy_header_write(SEND_PROXY_V2, &facts, bytes, size), 0);
    assert_int_equal(proxy_header_write(SEND_PROXY_V2, &facts, bytes, whole), whole);
    for (size_t size = 0; size < 44; size++)
        assert_int_equal(proxy_header_write(SEND_PROXY_V1, &facts, bytes, size), 0);
    memset(name, 'n', sizeof(name));
    facts.ssl = &ssl;
    assert_int_equal(proxy_header_write(SEND_PROXY_V2, &facts, bytes, sizeof(bytes)), 0);
    /* More than a length can tell, however much room there is. */
    assert_int_equal(proxy_header_write(SEND_PROXY_V2, &facts, large, sizeof(large)), 0);
    assert_int_equal(proxy_header_write(SEND_PROXY_OFF, &facts, bytes, sizeof(bytes)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_headers_cut_anywhere),
        cmocka_unit_test(test_payload_behind_a_header_is_left_alone),
        cmocka_unit_test(test_bad_headers_cut_anywhere),
        cmocka_unit_test(test_bad_headers_with_payload),
        cmocka_unit_test(test_the_longest_header),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_signatures),
        cmocka_unit_test(test_version_1_is_written),
        cmocka_unit_test(test_version_2_is_written),
        cmocka_unit_test(test_local_tells_no_addresses),
        cmocka_unit_test(test_tlvs_are_written),
        cmocka_unit_test(test_a_certificate_of_an_earlier_connection),
        cmocka_unit_test(test_what_is_written_is_read),
        cmocka_unit_test(test_what_does_not_fit_is_not_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
