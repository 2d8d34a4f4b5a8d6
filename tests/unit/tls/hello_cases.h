/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hello_cases.h - first bytes of connections, right and wrong, and what they are worth: the cases
 * of the parser's tests, of the comparison with OpenSSL, and the seeds of the fuzz target.
 */
#ifndef CULVERT_TESTS_HELLO_CASES_H
#define CULVERT_TESTS_HELLO_CASES_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "tls/client_hello.h"

/* ---- bytes ------------------------------------------------------------------------------------
 */

struct bytes {
    unsigned char *data;
    size_t size;
    size_t capacity;
};

static inline void bytes_put(struct bytes *bytes, const void *data, size_t size)
{
    if (bytes->size + size > bytes->capacity) {
        bytes->capacity = 2 * (bytes->size + size);
        bytes->data = realloc(bytes->data, bytes->capacity);
        assert(bytes->data != NULL);
    }
    if (size > 0)
        memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
}

static inline void bytes_fill(struct bytes *bytes, unsigned char value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        bytes_put(bytes, &value, 1);
}

static inline void bytes_write(struct bytes *bytes, size_t at, unsigned width, size_t number)
{
    for (unsigned i = 0; i < width; i++)
        bytes->data[at + i] = (unsigned char)(number >> 8 * (width - 1 - i));
}

static inline void bytes_number(struct bytes *bytes, unsigned width, size_t number)
{
    bytes_fill(bytes, 0, width);
    bytes_write(bytes, bytes->size - width, width, number);
}

/* A vector of `width` length bytes begins: its place is what vector_close() wants. */
static inline size_t vector_open(struct bytes *bytes, unsigned width)
{
    bytes_number(bytes, width, 0);
    return bytes->size;
}

static inline void vector_close(struct bytes *bytes, size_t at, unsigned width)
{
    bytes_write(bytes, at - width, width, bytes->size - at);
}

static inline void bytes_release(struct bytes *bytes)
{
    free(bytes->data);
    *bytes = (struct bytes){.data = NULL};
}

/* ---- a ClientHello ----------------------------------------------------------------------------
 */

struct hello_draft {
    struct bytes message;
    size_t extensions; /* where the list begins */
};

static inline struct hello_draft draft_open(unsigned version)
{
    struct hello_draft draft = {.extensions = 0};
    struct bytes *message = &draft.message;

    bytes_number(message, 1, 1);
    bytes_number(message, 3, 0);
    bytes_number(message, 2, version);
    bytes_fill(message, 0x5a, 32);
    bytes_number(message, 1, 32);
    bytes_fill(message, 0xa5, 32);
    bytes_number(message, 2, 16);
    bytes_put(message, "\x13\x01\x13\x02\x13\x03\xc0\x2b\xc0\x2f\xc0\x14\x00\x2f\x00\xff", 16);
    bytes_put(message, "\x01\x00", 2);
    draft.extensions = vector_open(message, 2);
    return draft;
}

static inline void draft_extend(struct hello_draft *draft, unsigned type, const void *body,
                                size_t size)
{
    bytes_number(&draft->message, 2, type);
    bytes_number(&draft->message, 2, size);
    bytes_put(&draft->message, body, size);
}

/* What each modern client sends beside the name. */
static inline void draft_modern(struct hello_draft *draft)
{
    static const char key_share[] = "\x00\x24\x00\x1d\x00\x20"
                                    "0123456789abcdef0123456789abcdef";

    draft_extend(draft, 10, "\x00\x04\x00\x1d\x00\x17", 6);
    draft_extend(draft, 11, "\x01\x00", 2);
    draft_extend(draft, 13, "\x00\x08\x04\x03\x08\x04\x04\x01\x02\x01", 10);
    draft_extend(draft, 43, "\x04\x03\x04\x03\x03", 5);
    draft_extend(draft, 45, "\x01\x01", 2);
    draft_extend(draft, 51, key_share, sizeof(key_share) - 1);
}

static inline void draft_name_bytes(struct hello_draft *draft, const char *name, size_t size)
{
    struct bytes body = {.data = NULL};

    bytes_number(&body, 2, size + 3);
    bytes_number(&body, 1, 0);
    bytes_number(&body, 2, size);
    bytes_put(&body, name, size);
    draft_extend(draft, 0, body.data, body.size);
    bytes_release(&body);
}

static inline void draft_name(struct hello_draft *draft, const char *name)
{
    draft_name_bytes(draft, name, strlen(name));
}

/* Lengths are set, and the message goes into records of `piece` bytes each (0: as large as may be).
 */
static inline void draft_close_into(struct hello_draft *draft, struct bytes *out, size_t piece)
{
    struct bytes *message = &draft->message;

    if (draft->extensions != 0)
        vector_close(message, draft->extensions, 2);
    vector_close(message, 4, 3);
    piece = piece == 0 ? 16384 : piece;
    for (size_t at = 0; at < message->size; at += piece) {
        size_t size = message->size - at < piece ? message->size - at : piece;

        bytes_number(out, 3, 0x160301);
        bytes_number(out, 2, size);
        bytes_put(out, message->data + at, size);
    }
    bytes_release(message);
}

static inline void draft_into(struct hello_draft draft, struct bytes *out)
{
    draft_close_into(&draft, out, 0);
}

/* ---- the cases --------------------------------------------------------------------------------
 */

/* A modern hello with one extension of the caller's. */
static inline void hello_with(struct bytes *out, unsigned type, const void *body, size_t size)
{
    struct hello_draft draft = draft_open(0x0303);

    draft_modern(&draft);
    draft_extend(&draft, type, body, size);
    draft_into(draft, out);
}

static inline void hello_named_bytes(struct bytes *out, const char *name, size_t size)
{
    struct hello_draft draft = draft_open(0x0303);

    draft_name_bytes(&draft, name, size);
    draft_modern(&draft);
    draft_into(draft, out);
}

static inline void hello_named(struct bytes *out, const char *name)
{
    hello_named_bytes(out, name, strlen(name));
}

static inline void hello_split(struct bytes *out, size_t piece)
{
    struct hello_draft draft = draft_open(0x0303);

    draft_name(&draft, "split.example.com");
    draft_modern(&draft);
    draft_extend(&draft, 16, "\x00\x0c\x02h2\x08http/1.1", 14);
    draft_close_into(&draft, out, piece);
}

static inline void make_tls10(struct bytes *out)
{
    struct hello_draft draft = draft_open(0x0301);

    draft_name(&draft, "old.example.com");
    draft_into(draft, out);
}

static inline void make_tls12(struct bytes *out)
{
    struct hello_draft draft = draft_open(0x0303);

    draft_name(&draft, "api.example.com");
    draft_extend(&draft, 10, "\x00\x04\x00\x1d\x00\x17", 6);
    draft_extend(&draft, 13, "\x00\x04\x04\x03\x04\x01", 6);
    draft_into(draft, out);
}

static inline void make_tls13(struct bytes *out)
{
    hello_named(out, "api.example.com");
}

static inline void make_no_extensions(struct bytes *out)
{
    struct hello_draft draft = draft_open(0x0301);

    draft.message.size -= 2;
    draft.extensions = 0;
    draft_into(draft, out);
}

static inline void make_zero_extensions(struct bytes *out)
{
    draft_into(draft_open(0x0303), out);
}

static inline void make_no_name(struct bytes *out)
{
    struct hello_draft draft = draft_open(0x0303);

    draft_modern(&draft);
    draft_into(draft, out);
}

static inline void make_empty_name(struct bytes *out)
{
    hello_named(out, "");
}

static inline void make_empty_name_list(struct bytes *out)
{
    hello_with(out, 0, "\0\0", 2);
}

static inline void make_empty_name_extension(struct bytes *out)
{
    hello_with(out, 0, "", 0);
}

static inline void make_name_255(struct bytes *out)
{
    char name[255];

    memset(name, 'n', sizeof(name));
    hello_named_bytes(out, name, sizeof(name));
}

static inline void make_name_256(struct bytes *out)
{
    char name[256];

    memset(name, 'n', sizeof(name));
    hello_named_bytes(out, name, sizeof(name));
}

static inline void make_name_65_claims_65535(struct bytes *out)
{
    struct bytes body = {.data = NULL};

    bytes_number(&body, 2, 68);
    bytes_number(&body, 1, 0);
    bytes_number(&body, 2, 0xffff);
    bytes_fill(&body, 'a', 65);
    hello_with(out, 0, body.data, body.size);
    bytes_release(&body);
}

static inline void make_name_list_longer(struct bytes *out)
{
    hello_with(out, 0,
               "\0\x09\0\0\x05"
               "a.com",
               10);
}

static inline void make_name_list_shorter(struct bytes *out)
{
    hello_with(out, 0,
               "\0\x07\0\0\x05"
               "a.com",
               10);
}

static inline void make_name_shorter_than_list(struct bytes *out)
{
    hello_with(out, 0,
               "\0\x08\0\0\x04"
               "a.com",
               10);
}

static inline void make_two_names_in_list(struct bytes *out)
{
    hello_with(out, 0,
               "\0\x10\0\0\x05"
               "a.com\0\0\x05"
               "b.com",
               18);
}

static inline void make_two_name_extensions(struct bytes *out)
{
    struct hello_draft draft = draft_open(0x0303);

    draft_name(&draft, "a.example.com");
    draft_modern(&draft);
    draft_name(&draft, "b.example.com");
    draft_into(draft, out);
}

static inline void make_name_type_1(struct bytes *out)
{
    hello_with(out, 0,
               "\0\x08\x01\0\x05"
               "a.com",
               10);
}

static inline void make_name_nul(struct bytes *out)
{
    hello_named_bytes(out, "good.example.com\0.evil.example.com", 34);
}

static inline void make_name_control(struct bytes *out)
{
    hello_named(out, "a\n.example.com");
}

static inline void make_name_space(struct bytes *out)
{
    hello_named(out, "a b.example.com");
}

static inline void make_name_not_ascii(struct bytes *out)
{
    hello_named(out, "b\xc3\xbc"
                     "cher.example");
}

static inline void make_name_upper_case(struct bytes *out)
{
    hello_named(out, "API.Example.COM");
}

static inline void make_name_dot(struct bytes *out)
{
    hello_named(out, "api.example.com.");
}

static inline void make_name_only_dot(struct bytes *out)
{
    hello_named(out, ".");
}

static inline void make_name_two_dots(struct bytes *out)
{
    hello_named(out, "api.example.com..");
}

static inline void make_name_ipv4(struct bytes *out)
{
    hello_named(out, "192.0.2.1");
}

static inline void make_name_ipv6(struct bytes *out)
{
    hello_named(out, "2001:DB8::1");
}

static inline void make_name_asterisk(struct bytes *out)
{
    hello_named(out, "*.example.com");
}

static inline void make_extensions_total(struct bytes *out, int more)
{
    struct hello_draft draft = draft_open(0x0303);
    size_t at = draft.extensions;

    draft_name(&draft, "a.example.com");
    draft_modern(&draft);
    draft.extensions = 0;
    bytes_write(&draft.message, at - 2, 2, (size_t)((int)(draft.message.size - at) + more));
    draft_into(draft, out);
}

static inline void make_extensions_one_more(struct bytes *out)
{
    make_extensions_total(out, 1);
}

static inline void make_extensions_one_less(struct bytes *out)
{
    make_extensions_total(out, -1);
}

static inline void make_extension_longer_than_list(struct bytes *out)
{
    struct hello_draft draft = draft_open(0x0303);

    draft_name(&draft, "a.example.com");
    bytes_put(&draft.message, "\x00\x17\x00\x01", 4);
    draft_into(draft, out);
}

static inline void make_half_an_extension_header(struct bytes *out)
{
    struct hello_draft draft = draft_open(0x0303);

    draft_name(&draft, "a.example.com");
    bytes_put(&draft.message, "\x00\x17\x00", 3);
    draft_into(draft, out);
}

static inline void make_1000_extensions(struct bytes *out)
{
    struct hello_draft draft = draft_open(0x0303);

    for (unsigned i = 0; i < 16; i++)
        draft_extend(&draft, 0x0a0a + 0x1010 * i, "", i % 2);
    for (unsigned i = 0; i < 984; i++)
        draft_extend(&draft, 0x8000 + 2 * i, "0123456", i % 8);
    draft_name(&draft, "grease.example.com");
    draft_modern(&draft);
    draft_into(draft, out);
}

static inline void make_unknown_extension_twice(struct bytes *out)
{
    struct hello_draft draft = draft_open(0x0303);

    draft_name(&draft, "a.example.com");
    draft_extend(&draft, 0x8000, "", 0);
    draft_extend(&draft, 0x8000, "", 0);
    draft_into(draft, out);
}

static inline void make_psk_not_last(struct bytes *out)
{
    struct hello_draft draft = draft_open(0x0303);

    draft_modern(&draft);
    draft_extend(&draft, 41,
                 "\0\x08\0\x02id\0\0\0\0\0\x21\x20"
                 "0123456789abcdef0123456789abcdef",
                 45);
    draft_name(&draft, "a.example.com");
    draft_into(draft, out);
}

static inline void make_alpn(struct bytes *out)
{
    hello_split(out, 0);
}

static inline void make_two_alpn(struct bytes *out)
{
    struct hello_draft draft = draft_open(0x0303);

    draft_extend(&draft, 16, "\x00\x03\x02h2", 5);
    draft_modern(&draft);
    draft_extend(&draft, 16, "\x00\x03\x02h2", 5);
    draft_into(draft, out);
}

static inline void make_alpn_empty_protocol(struct bytes *out)
{
    hello_with(out, 16, "\x00\x04\x02h2\x00", 6);
}

static inline void make_alpn_empty_list(struct bytes *out)
{
    hello_with(out, 16, "\x00\x00", 2);
}

static inline void make_alpn_protocol_too_long(struct bytes *out)
{
    hello_with(out, 16, "\x00\x03\x03h2", 5);
}

static inline void make_alpn_255(struct bytes *out)
{
    struct bytes body = {.data = NULL};

    bytes_number(&body, 2, 256);
    bytes_number(&body, 1, 255);
    bytes_fill(&body, 'p', 255);
    hello_with(out, 16, body.data, body.size);
    bytes_release(&body);
}

/* More than is kept: of one of 1 + 1 bytes and 100 of 1 + 2 only 84 of the latter fit; the last of
   1 + 1 would. */
static inline void make_alpn_many(struct bytes *out)
{
    struct bytes body = {.data = NULL};

    bytes_number(&body, 2, 100 * 3 + 4);
    bytes_put(&body, "\x01y", 2);
    for (unsigned i = 0; i < 100; i++) {
        bytes_number(&body, 1, 2);
        bytes_number(&body, 2, 0x3030 + i);
    }
    bytes_put(&body, "\x01z", 2);
    hello_with(out, 16, body.data, body.size);
    bytes_release(&body);
}

static inline void make_2_records(struct bytes *out)
{
    hello_split(out, 150);
}

static inline void make_10_records(struct bytes *out)
{
    hello_split(out, 28);
}

static inline void make_50_records(struct bytes *out)
{
    hello_split(out, 5);
}

static inline void make_3_byte_records(struct bytes *out)
{
    hello_split(out, 3);
}

static inline void make_1_byte_records(struct bytes *out)
{
    hello_split(out, 1);
}

static inline void make_zero_length_record(struct bytes *out)
{
    bytes_put(out, "\x16\x03\x01\x00\x00", 5);
    make_tls13(out);
}

static inline void make_record_16385(struct bytes *out)
{
    bytes_put(out, "\x16\x03\x01\x40\x01\x01\x00\x30\x00\x03\x03", 11);
    bytes_fill(out, 0, 16385 - 6);
}

static inline void make_record_65535(struct bytes *out)
{
    bytes_put(out, "\x16\x03\x01\xff\xff\x01\x00\x30\x00\x03\x03", 11);
    bytes_fill(out, 0, 1000);
}

static inline void make_padded(struct bytes *out, size_t size, size_t piece)
{
    struct hello_draft draft = draft_open(0x0303);
    struct bytes padding = {.data = NULL};

    draft_name(&draft, "large.example.com");
    draft_modern(&draft);
    bytes_fill(&padding, 0, size - draft.message.size - 4);
    draft_extend(&draft, 21, padding.data, padding.size);
    bytes_release(&padding);
    draft_close_into(&draft, out, piece);
}

static inline void make_hello_16384(struct bytes *out)
{
    make_padded(out, 16384, 0);
}

static inline void make_hello_16384_in_pieces(struct bytes *out)
{
    make_padded(out, 16384, 1000);
}

static inline void make_hello_16385(struct bytes *out)
{
    make_padded(out, 16385, 0);
}

static inline void make_hello_claims_64k(struct bytes *out)
{
    bytes_put(out, "\x16\x03\x01\x40\x00\x01\x01\x00\x00\x03\x03", 11);
    bytes_fill(out, 0, 16384 - 6);
}

static inline void make_hello_claims_16m(struct bytes *out)
{
    bytes_put(out, "\x16\x03\x01\x00\x10\x01\xff\xff\xff\x03\x03", 11);
    bytes_fill(out, 0, 10);
}

/* Within the message's limit, beyond that of raw bytes. */
static inline void make_hello_in_too_many_records(struct bytes *out)
{
    make_padded(out, 12000, 1);
}

static inline void make_post_quantum(struct bytes *out)
{
    struct hello_draft draft = draft_open(0x0303);
    struct bytes share = {.data = NULL};

    bytes_number(&share, 2, 1216 + 4);
    bytes_number(&share, 2, 0x11ec);
    bytes_number(&share, 2, 1216);
    bytes_fill(&share, 0x77, 1216);
    draft_extend(&draft, 51, share.data, share.size);
    bytes_release(&share);
    draft_extend(&draft, 10, "\x00\x06\x11\xec\x00\x1d\x00\x17", 8);
    draft_extend(&draft, 13, "\x00\x08\x04\x03\x08\x04\x04\x01\x02\x01", 10);
    draft_extend(&draft, 43, "\x04\x03\x04\x03\x03", 5);
    draft_name(&draft, "pq.example.com");
    draft_into(draft, out);
}

static inline void make_ech(struct bytes *out)
{
    struct hello_draft draft = draft_open(0x0303);

    draft_name(&draft, "outer.example.com");
    draft_modern(&draft);
    draft_extend(&draft, 0xfe0d, "\x00\x00\x01\x00\x01\x2a\x00\x04keys\x00\x07payload", 21);
    draft_into(draft, out);
}

static inline void make_sslv2(struct bytes *out)
{
    bytes_put(out, "\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10\x00\x00\x2f", 14);
    bytes_fill(out, 0x33, 34);
}

static inline void make_server_hello(struct bytes *out)
{
    make_tls13(out);
    out->data[5] = 2;
}

static inline void make_alert(struct bytes *out)
{
    bytes_put(out, "\x15\x03\x01\x00\x02\x01\x5a", 7);
    make_tls13(out);
}

static inline void make_ccs(struct bytes *out)
{
    bytes_put(out, "\x14\x03\x03\x00\x01\x01", 6);
    make_tls13(out);
}

static inline void make_application_data(struct bytes *out)
{
    bytes_put(out, "\x17\x03\x03\x00\x04GET ", 9);
}

static inline void make_alert_amid(struct bytes *out)
{
    struct bytes hello = {.data = NULL};

    hello_split(&hello, 100);
    bytes_put(out, hello.data, 105);
    bytes_put(out, "\x15\x03\x01\x00\x02\x01\x5a", 7);
    bytes_put(out, hello.data + 105, hello.size - 105);
    bytes_release(&hello);
}

static inline void make_version_amid(struct bytes *out)
{
    hello_split(out, 100);
    out->data[106] = 2;
}

static inline void make_minor_versions(struct bytes *out)
{
    hello_split(out, 100);
    out->data[2] = 0;
    out->data[107] = 0xff;
}

/* What follows a HelloRetryRequest: the first hello decides. */
static inline void make_second_hello(struct bytes *out)
{
    hello_named(out, "first.example.com");
    bytes_put(out, "\x14\x03\x03\x00\x01\x01", 6);
    hello_named(out, "second.example.com");
}

static inline void make_glued_in_record(struct bytes *out)
{
    hello_named(out, "api.example.com");
    bytes_put(out, "glued", 5);
    bytes_write(out, 3, 2, out->size - 5);
}

static inline void make_glued_early_data(struct bytes *out)
{
    hello_named(out, "api.example.com");
    bytes_put(out, "\x17\x03\x03\x40\xff early data", 16);
}

static inline void make_session_id_33(struct bytes *out)
{
    bytes_put(out, "\x16\x03\x01\x00\x4e\x01\x00\x00\x4a\x03\x03", 11);
    bytes_fill(out, 0, 32);
    bytes_fill(out, 33, 1 + 33);
    bytes_put(out, "\x00\x02\x13\x01\x01\x00", 6);
}

static inline void make_no_ciphers(struct bytes *out)
{
    bytes_put(out, "\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x03", 11);
    bytes_fill(out, 0, 32 + 1 + 2);
    bytes_put(out, "\x01\x00\x00\x00", 4);
}

static inline void make_odd_ciphers(struct bytes *out)
{
    bytes_put(out, "\x16\x03\x01\x00\x30\x01\x00\x00\x2c\x03\x03", 11);
    bytes_fill(out, 0, 32 + 1);
    bytes_put(out, "\x00\x03\x13\x01\x13\x01\x00\x00\x00", 9);
}

static inline void make_no_compression(struct bytes *out)
{
    bytes_put(out, "\x16\x03\x01\x00\x2e\x01\x00\x00\x2a\x03\x03", 11);
    bytes_fill(out, 0, 32 + 1);
    bytes_put(out, "\x00\x02\x13\x01\x00\x00\x00", 7);
}

static inline void make_empty_message(struct bytes *out)
{
    bytes_put(out, "\x16\x03\x01\x00\x04\x01\x00\x00\x00", 9);
}

static inline void make_http(struct bytes *out)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n";

    bytes_put(out, request, sizeof(request) - 1);
}

static inline void make_http2(struct bytes *out)
{
    bytes_put(out, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
}

static inline void make_ssh(struct bytes *out)
{
    bytes_put(out, "SSH-2.0-OpenSSH_9.2p1\r\n", 23);
}

static inline void make_rdp(struct bytes *out)
{
    bytes_put(out, "\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00",
              19);
}

static inline void make_postgres(struct bytes *out)
{
    bytes_put(out, "\x00\x00\x00\x08\x04\xd2\x16\x2f", 8);
}

static inline void make_proxy(struct bytes *out)
{
    bytes_put(out, "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", 36);
}

static inline void make_proxy_v2(struct bytes *out)
{
    bytes_put(out, "\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c", 16);
}

static inline void make_zeros(struct bytes *out)
{
    bytes_fill(out, 0, 65536);
}

static inline void make_ones(struct bytes *out)
{
    bytes_fill(out, 0xff, 65536);
}

static inline void make_text(struct bytes *out)
{
    bytes_put(out, "hello\n", 6);
}

static inline void make_handshake_of_version_2(struct bytes *out)
{
    make_tls13(out);
    out->data[1] = 2;
}

static const struct hello_case {
    const char *label;
    void (*make)(struct bytes *out);
    enum client_hello_verdict verdict;
    const char *name;   /* of a whole one */
    const char *detail; /* part of it, of any other */
} hello_cases[] = {
#define NAME_25 "nnnnnnnnnnnnnnnnnnnnnnnnn"
#define NAME_255                                                                                   \
    NAME_25 NAME_25 NAME_25 NAME_25 NAME_25 NAME_25 NAME_25 NAME_25 NAME_25 NAME_25 "nnnnn"
    {"TLS 1.0", make_tls10, CLIENT_HELLO_WHOLE, "old.example.com", NULL},
    {"TLS 1.2", make_tls12, CLIENT_HELLO_WHOLE, "api.example.com", NULL},
    {"TLS 1.3", make_tls13, CLIENT_HELLO_WHOLE, "api.example.com", NULL},
    {"extensions left out", make_no_extensions, CLIENT_HELLO_WHOLE, "", NULL},
    {"zero extensions", make_zero_extensions, CLIENT_HELLO_WHOLE, "", NULL},
    {"no name", make_no_name, CLIENT_HELLO_WHOLE, "", NULL},
    {"empty name", make_empty_name, CLIENT_HELLO_WHOLE, "", NULL},
    {"empty name list", make_empty_name_list, CLIENT_HELLO_BROKEN, NULL, "server_name"},
    {"empty name extension", make_empty_name_extension, CLIENT_HELLO_BROKEN, NULL, "server_name"},
    {"name of 255", make_name_255, CLIENT_HELLO_WHOLE, NAME_255, NULL},
    {"name of 256", make_name_256, CLIENT_HELLO_BROKEN, NULL, "255 bytes"},
    {"name claims 65535", make_name_65_claims_65535, CLIENT_HELLO_BROKEN, NULL, "server_name"},
    {"name list longer", make_name_list_longer, CLIENT_HELLO_BROKEN, NULL, "server_name"},
    {"name list shorter", make_name_list_shorter, CLIENT_HELLO_BROKEN, NULL, "server_name"},
    {"name shorter than list", make_name_shorter_than_list, CLIENT_HELLO_BROKEN, NULL, "one name"},
    {"two names in one list", make_two_names_in_list, CLIENT_HELLO_BROKEN, NULL, "one name"},
    {"two name extensions", make_two_name_extensions, CLIENT_HELLO_BROKEN, NULL, "twice"},
    {"name of type 1", make_name_type_1, CLIENT_HELLO_BROKEN, NULL, "no host name"},
    {"NUL in name", make_name_nul, CLIENT_HELLO_BROKEN, NULL, "no name has"},
    {"control byte in name", make_name_control, CLIENT_HELLO_BROKEN, NULL, "no name has"},
    {"space in name", make_name_space, CLIENT_HELLO_BROKEN, NULL, "no name has"},
    {"UTF-8 in name", make_name_not_ascii, CLIENT_HELLO_BROKEN, NULL, "no name has"},
    {"upper case", make_name_upper_case, CLIENT_HELLO_WHOLE, "api.example.com", NULL},
    {"trailing dot", make_name_dot, CLIENT_HELLO_WHOLE, "api.example.com", NULL},
    {"only a dot", make_name_only_dot, CLIENT_HELLO_WHOLE, "", NULL},
    {"two trailing dots", make_name_two_dots, CLIENT_HELLO_WHOLE, "api.example.com.", NULL},
    {"IPv4 address", make_name_ipv4, CLIENT_HELLO_WHOLE, "192.0.2.1", NULL},
    {"IPv6 address", make_name_ipv6, CLIENT_HELLO_WHOLE, "2001:db8::1", NULL},
    {"asterisk", make_name_asterisk, CLIENT_HELLO_WHOLE, "*.example.com", NULL},
    {"extensions claim 1 more", make_extensions_one_more, CLIENT_HELLO_BROKEN, NULL, "not fit"},
    {"extensions claim 1 less", make_extensions_one_less, CLIENT_HELLO_BROKEN, NULL, "not fit"},
    {"extension leaves list", make_extension_longer_than_list, CLIENT_HELLO_BROKEN, NULL,
     "s extensions"},
    {"half a header", make_half_an_extension_header, CLIENT_HELLO_BROKEN, NULL, "s extensions"},
    {"1000 extensions", make_1000_extensions, CLIENT_HELLO_WHOLE, "grease.example.com", NULL},
    {"unknown twice", make_unknown_extension_twice, CLIENT_HELLO_BROKEN, NULL, "twice"},
    {"pre_shared_key not last", make_psk_not_last, CLIENT_HELLO_BROKEN, NULL, "not the last"},
    {"protocols", make_alpn, CLIENT_HELLO_WHOLE, "split.example.com", NULL},
    {"protocols twice", make_two_alpn, CLIENT_HELLO_BROKEN, NULL, "twice"},
    {"empty protocol", make_alpn_empty_protocol, CLIENT_HELLO_BROKEN, NULL, "ALPN"},
    {"empty protocol list", make_alpn_empty_list, CLIENT_HELLO_BROKEN, NULL, "ALPN"},
    {"protocol leaves list", make_alpn_protocol_too_long, CLIENT_HELLO_BROKEN, NULL, "ALPN"},
    {"protocol of 255", make_alpn_255, CLIENT_HELLO_WHOLE, "", NULL},
    {"102 protocols", make_alpn_many, CLIENT_HELLO_WHOLE, "", NULL},
    {"2 records", make_2_records, CLIENT_HELLO_WHOLE, "split.example.com", NULL},
    {"10 records", make_10_records, CLIENT_HELLO_WHOLE, "split.example.com", NULL},
    {"50 records", make_50_records, CLIENT_HELLO_WHOLE, "split.example.com", NULL},
    {"records of 3 bytes", make_3_byte_records, CLIENT_HELLO_WHOLE, "split.example.com", NULL},
    {"records of 1 byte", make_1_byte_records, CLIENT_HELLO_WHOLE, "split.example.com", NULL},
    {"empty record", make_zero_length_record, CLIENT_HELLO_BROKEN, NULL, "is empty"},
    {"record of 16385", make_record_16385, CLIENT_HELLO_TOO_LARGE, NULL, "record is longer"},
    {"record of 65535", make_record_65535, CLIENT_HELLO_TOO_LARGE, NULL, "record is longer"},
    {"hello of 16384", make_hello_16384, CLIENT_HELLO_WHOLE, "large.example.com", NULL},
    {"hello of 16384 in 17 records", make_hello_16384_in_pieces, CLIENT_HELLO_WHOLE,
     "large.example.com", NULL},
    {"hello of 16385", make_hello_16385, CLIENT_HELLO_TOO_LARGE, NULL, "ClientHello is longer"},
    {"hello claims 64 KiB", make_hello_claims_64k, CLIENT_HELLO_TOO_LARGE, NULL, "is longer"},
    {"hello claims 16 MiB", make_hello_claims_16m, CLIENT_HELLO_TOO_LARGE, NULL, "is longer"},
    {"too many records", make_hello_in_too_many_records, CLIENT_HELLO_TOO_LARGE, NULL,
     "65536 bytes of records"},
    {"post-quantum key share", make_post_quantum, CLIENT_HELLO_WHOLE, "pq.example.com", NULL},
    {"encrypted hello", make_ech, CLIENT_HELLO_WHOLE, "outer.example.com", NULL},
    {"SSLv2 hello", make_sslv2, CLIENT_HELLO_NOT_TLS, NULL, "SSLv2"},
    {"ServerHello", make_server_hello, CLIENT_HELLO_BROKEN, NULL, "another handshake message"},
    {"alert first", make_alert, CLIENT_HELLO_NOT_TLS, NULL, "alert"},
    {"change_cipher_spec first", make_ccs, CLIENT_HELLO_NOT_TLS, NULL, "change_cipher_spec"},
    {"application data first", make_application_data, CLIENT_HELLO_NOT_TLS, NULL, "application"},
    {"alert amid", make_alert_amid, CLIENT_HELLO_BROKEN, NULL, "another kind of record"},
    {"version 2 amid", make_version_amid, CLIENT_HELLO_BROKEN, NULL, "no TLS version"},
    {"minor versions differ", make_minor_versions, CLIENT_HELLO_WHOLE, "split.example.com", NULL},
    {"second hello", make_second_hello, CLIENT_HELLO_WHOLE, "first.example.com", NULL},
    {"bytes behind, in the record", make_glued_in_record, CLIENT_HELLO_WHOLE, "api.example.com",
     NULL},
    {"bytes behind", make_glued_early_data, CLIENT_HELLO_WHOLE, "api.example.com", NULL},
    {"session id of 33", make_session_id_33, CLIENT_HELLO_BROKEN, NULL, "not fit"},
    {"no ciphers", make_no_ciphers, CLIENT_HELLO_BROKEN, NULL, "no ciphers"},
    {"odd ciphers", make_odd_ciphers, CLIENT_HELLO_BROKEN, NULL, "no ciphers"},
    {"no compression method", make_no_compression, CLIENT_HELLO_BROKEN, NULL, "no compression"},
    {"empty message", make_empty_message, CLIENT_HELLO_BROKEN, NULL, "not fit"},
    {"HTTP", make_http, CLIENT_HELLO_NOT_TLS, NULL, "plain HTTP"},
    {"HTTP/2", make_http2, CLIENT_HELLO_NOT_TLS, NULL, "plain HTTP"},
    {"SSH", make_ssh, CLIENT_HELLO_NOT_TLS, NULL, "SSH"},
    {"RDP", make_rdp, CLIENT_HELLO_NOT_TLS, NULL, "RDP"},
    {"PostgreSQL", make_postgres, CLIENT_HELLO_NOT_TLS, NULL, "PostgreSQL"},
    {"PROXY v1", make_proxy, CLIENT_HELLO_NOT_TLS, NULL, "PROXY"},
    {"PROXY v2", make_proxy_v2, CLIENT_HELLO_NOT_TLS, NULL, "PROXY"},
    {"all zero", make_zeros, CLIENT_HELLO_NOT_TLS, NULL, "no TLS record"},
    {"all ones", make_ones, CLIENT_HELLO_NOT_TLS, NULL, "no TLS record"},
    {"text", make_text, CLIENT_HELLO_NOT_TLS, NULL, "no TLS record"},
    {"handshake of version 2", make_handshake_of_version_2, CLIENT_HELLO_NOT_TLS, NULL,
     "no TLS record"},
#undef NAME_255
#undef NAME_25
};

#endif
