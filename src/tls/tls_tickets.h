/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_tickets.h - the keys that session tickets are sealed with (RFC 5077, 4; RFC 8446, 4.6.1).
 *
 * Keys come from files that replicas share, or are made at random and change by the clock. Either
 * way each worker has a copy of its own and no two workers ever talk about keys: random ones are
 * the links of a hash chain, so that whoever starts from the same link knows the next one, and
 * nobody who finds a link can find those before it (tickets of yesterday stay sealed).
 */
#ifndef CULVERT_TLS_TLS_TICKETS_H
#define CULVERT_TLS_TLS_TICKETS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "core/error.h"

#define TLS_TICKET_NAME_BYTES 16

/* Most keys that decrypt. */
#define TLS_TICKET_KEYS_MAX 16

/* A key lives at most this long before the next one takes over. */
#define TLS_TICKET_ROTATION_MAX_MS ((int64_t)12 * 60 * 60 * 1000)

struct tls_ticket_key {
    unsigned char name[TLS_TICKET_NAME_BYTES];
    unsigned char mac_key[32];
    unsigned char cipher_key[32];
    size_t key_size; /* 16: AES-128 and 16 bytes of HMAC key; 32: AES-256 and 32 bytes */
};

/* A plain value: copying it gives another worker the same keys. Wiped by tls_tickets_wipe(). */
struct tls_tickets {
    struct tls_ticket_key keys[TLS_TICKET_KEYS_MAX]; /* the first encrypts, all decrypt */
    size_t count;
    unsigned char link[32]; /* of the chain: the next random key comes from it */
    int64_t rotation_ms;    /* 0: the keys are of files and do not change by themselves */
    int64_t next_rotation_ms;
    size_t keys_kept; /* how many of the chain still decrypt */
};

/* Random keys; a new one every `lifetime_ms` of a ticket, at the latest after 12 hours. Old keys
   decrypt as long as their tickets may live. False without entropy. */
bool tls_tickets_init_random(struct tls_tickets *tickets, int64_t lifetime_ms,
                             int64_t now_ms) CULVERT_MUST_CHECK;

/*
 * Reads key files, as nginx and HAProxy use them: 48 or 80 bytes for one key, or lines of base64
 * with as many each (HAProxy). The first key of all encrypts. The list ends with NULL.
 */
bool tls_tickets_read(struct tls_tickets *tickets, const char *const *paths,
                      struct error *error) CULVERT_MUST_CHECK;

/* Makes the keys that are due. No-op for keys of files. */
void tls_tickets_turn(struct tls_tickets *tickets, int64_t now_ms);

/* When the next key is due, or INT64_MAX. */
int64_t tls_tickets_due_ms(const struct tls_tickets *tickets);

/* The key of this name, or NULL. */
const struct tls_ticket_key *tls_tickets_find(const struct tls_tickets *tickets,
                                              const unsigned char name[TLS_TICKET_NAME_BYTES]);

void tls_tickets_wipe(struct tls_tickets *tickets);

/* What one worker seals and opens tickets with: its copy of the keys, and OpenSSL's algorithms
   looked up once. */
struct tls_ticket_box {
    struct tls_tickets tickets;
    EVP_CIPHER *aes_128;
    EVP_CIPHER *aes_256;
};
bool tls_ticket_box_init(struct tls_ticket_box *box,
                         const struct tls_tickets *tickets) CULVERT_MUST_CHECK;
void tls_ticket_box_release(struct tls_ticket_box *box);

/* The body of the callback of SSL_CTX_set_tlsext_ticket_key_evp_cb(3). */
int tls_ticket_box_use(struct tls_ticket_box *box, unsigned char *name, unsigned char *iv,
                       EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, bool is_sealing, int64_t now_ms);

#endif
