/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proxy_header.h - the PROXY protocol, versions 1 and 2: who the client of a proxied connection is
 * (proxy-protocol.txt of the HAProxy project, 2020/03/05).
 *
 * Pure functions over bytes. Reading is strict: a header that is not what the specification says is
 * invalid, never guessed at, so that no two programs understand different addresses. What TLVs say
 * is not used; that they are well formed is checked.
 */
#ifndef CULVERT_NET_PROXY_HEADER_H
#define CULVERT_NET_PROXY_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "net/addr.h"

/* The longest header that is read. The specification asks for 216 bytes of addresses and leaves the
   rest to the receiver. */
#define PROXY_HEADER_MAX 4096

/* What the first bytes of a connection are. */
enum proxy_verdict {
    PROXY_PARTIAL, /* a header so far, which goes on */
    PROXY_WHOLE,   /* a header, and perhaps more behind it */
    PROXY_ABSENT,  /* no header: neither version's signature */
    PROXY_INVALID, /* a signature, and no valid header behind it */
};

struct proxy_header {
    size_t length;           /* WHOLE: bytes of the header; what follows is the client's */
    const char *fault;       /* ABSENT, INVALID: what is wrong, in a few words; static */
    bool is_local;           /* the proxy speaks for itself (command LOCAL) */
    bool has_addresses;      /* `source` and `destination` are known */
    struct addr source;      /* the client; a v4-mapped IPv6 address is the IPv4 one */
    struct addr destination; /* what the client connected to */
};

/* Reads a header at the beginning of `size` bytes. More bytes never change a verdict but PARTIAL.
 */
enum proxy_verdict proxy_header_read(const unsigned char *bytes, size_t size,
                                     struct proxy_header *header);

/* The longer one of both versions' signatures. */
#define PROXY_SIGNATURE_MAX 12

/*
 * Whether `size` bytes begin with a version's signature, valid header or not: PROXY_WHOLE;
 * PROXY_PARTIAL: they may, with more bytes; PROXY_ABSENT.
 */
enum proxy_verdict proxy_signature_read(const unsigned char *bytes, size_t size);

enum send_proxy { SEND_PROXY_OFF, SEND_PROXY_V1, SEND_PROXY_V2 };

/* What a version 2 header may tell beside addresses; bits of a mask. */
enum proxy_tlv {
    PROXY_TLV_AUTHORITY = 1,
    PROXY_TLV_ALPN = 2,
    PROXY_TLV_SSL = 4,
    PROXY_TLV_UNIQUE_ID = 8,
    PROXY_TLV_CRC32C = 16,
};

/* TLS with the client, for PROXY_TLV_SSL. */
struct proxy_ssl {
    const char *version;     /* "TLSv1.3" */
    const char *cipher;      /* OpenSSL's name */
    const char *common_name; /* of the client's certificate; NULL: none */
    size_t common_name_size;
    bool has_certificate; /* the client has shown one */
    bool is_resumed;      /* which it did in an earlier connection of this TLS session */
    bool is_verified;
};

/* What is to be told. What is NULL is not. */
struct proxy_facts {
    bool is_local; /* no client: a check of culvert's own, or a proxy's */
    struct addr source;
    struct addr destination;
    const char *authority; /* the name that the client asked for */
    const char *alpn;      /* the protocol agreed on with the client, and its length */
    size_t alpn_size;
    const struct proxy_ssl *ssl;
    const char *unique_id;
    bool has_crc32c;
};

/* Enough for the longest names that TLS knows: of a host, a protocol, a person, a cipher. */
#define PROXY_SENT_MAX 1024

/*
 * Writes a header into `size` bytes and returns its length; 0 when it does not fit, and then none
 * may be sent. Addresses other than of IPv4 or IPv6 are told as unknown.
 */
size_t proxy_header_write(enum send_proxy version, const struct proxy_facts *facts,
                          unsigned char *bytes, size_t size) CULVERT_MUST_CHECK;

#endif
