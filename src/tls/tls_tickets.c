/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_tickets.c - the chain of random keys, the formats of key files, sealing and opening.
 */
#include "tls/tls_tickets.h"

#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <string.h>

#include "tls/tls_file.h"

/* The sizes of a key as files hold it: a name, then two keys of 16 or of 32 bytes. */
#define SMALL_KEY_BYTES 48
#define LARGE_KEY_BYTES 80

/* A worker that nobody shook hands with for months has that many links to make at once. */
#define ROTATION_MIN_MS (10 * 60 * 1000)

/* ---- the chain --------------------------------------------------------------------------------
 */

/* SHA-256 of a label and the link: independent secrets from one, none of which leads back. */
static bool derive(const unsigned char link[32], char label, unsigned char out[32])
{
    unsigned char input[33];
    bool is_derived;

    memcpy(input, link, 32);
    input[32] = (unsigned char)label;
    is_derived = EVP_Digest(input, sizeof(input), out, NULL, EVP_sha256(), NULL) == 1;
    OPENSSL_cleanse(input, sizeof(input));
    return is_derived;
}

static bool key_from_link(struct tls_ticket_key *key, const unsigned char link[32])
{
    unsigned char name[32];

    if (!derive(link, 'n', name) || !derive(link, 'm', key->mac_key) ||
        !derive(link, 'c', key->cipher_key))
        return false;
    memcpy(key->name, name, sizeof(key->name));
    key->key_size = 32;
    return true;
}

/* On to the next link of the chain. */
static bool chain_step(struct tls_tickets *tickets)
{
    unsigned char next[32];
    bool is_made = derive(tickets->link, 'l', next);

    if (is_made)
        memcpy(tickets->link, next, sizeof(next));
    OPENSSL_cleanse(next, sizeof(next));
    return is_made;
}

/* The key of this link goes before the others; the oldest is forgotten. */
static bool chain_add_key(struct tls_tickets *tickets)
{
    struct tls_ticket_key key = {.key_size = 0};
    size_t kept = tickets->count < tickets->keys_kept ? tickets->count : tickets->keys_kept - 1;
    bool is_made = key_from_link(&key, tickets->link) && chain_step(tickets);

    if (is_made) {
        memmove(&tickets->keys[1], &tickets->keys[0], kept * sizeof(tickets->keys[0]));
        tickets->keys[0] = key;
        tickets->count = kept + 1;
    }
    OPENSSL_cleanse(&key, sizeof(key));
    return is_made;
}

bool tls_tickets_init_random(struct tls_tickets *tickets, int64_t lifetime_ms, int64_t now_ms)
{
    int64_t rotation_ms =
        lifetime_ms < TLS_TICKET_ROTATION_MAX_MS ? lifetime_ms : TLS_TICKET_ROTATION_MAX_MS;
    int64_t kept;

    *tickets = (struct tls_tickets){0};
    /* A very short life is no reason to change keys all the time. */
    if (rotation_ms < ROTATION_MIN_MS)
        rotation_ms = ROTATION_MIN_MS;
    kept = (lifetime_ms + rotation_ms - 1) / rotation_ms + 1;
    tickets->rotation_ms = rotation_ms;
    tickets->next_rotation_ms = now_ms + rotation_ms;
    tickets->keys_kept = kept < TLS_TICKET_KEYS_MAX ? (size_t)kept : TLS_TICKET_KEYS_MAX;
    return RAND_priv_bytes(tickets->link, sizeof(tickets->link)) == 1 && chain_add_key(tickets);
}

void tls_tickets_turn(struct tls_tickets *tickets, int64_t now_ms)
{
    int64_t steps;

    if (tickets->rotation_ms == 0 || now_ms < tickets->next_rotation_ms)
        return;
    /* The chain does not skip, however long nobody looked; keys are made of the last links only. */
    steps = (now_ms - tickets->next_rotation_ms) / tickets->rotation_ms + 1;
    for (; steps > 0; steps--) {
        bool is_used = steps <= (int64_t)tickets->keys_kept;

        if (!(is_used ? chain_add_key(tickets) : chain_step(tickets)))
            return; /* without memory: at the next look */
        tickets->next_rotation_ms += tickets->rotation_ms;
    }
}

int64_t tls_tickets_due_ms(const struct tls_tickets *tickets)
{
    return tickets->rotation_ms == 0 ? INT64_MAX : tickets->next_rotation_ms;
}

const struct tls_ticket_key *tls_tickets_find(const struct tls_tickets *tickets,
                                              const unsigned char name[TLS_TICKET_NAME_BYTES])
{
    for (size_t i = 0; i < tickets->count; i++) {
        if (memcmp(tickets->keys[i].name, name, TLS_TICKET_NAME_BYTES) == 0)
            return &tickets->keys[i];
    }
    return NULL;
}

void tls_tickets_wipe(struct tls_tickets *tickets)
{
    OPENSSL_cleanse(tickets, sizeof(*tickets));
}

/* ---- key files --------------------------------------------------------------------------------
 */

/* The small form keeps the cipher's key first, the large one the key of the code. */
static bool add_key(struct tls_tickets *tickets, const unsigned char *bytes, size_t size,
                    const char *path, struct error *error)
{
    struct tls_ticket_key *key = &tickets->keys[tickets->count];
    size_t key_size = (size - TLS_TICKET_NAME_BYTES) / 2;
    const unsigned char *first = bytes + TLS_TICKET_NAME_BYTES;
    const unsigned char *second = first + key_size;
    bool is_small = size == SMALL_KEY_BYTES;

    if (tickets->count == TLS_TICKET_KEYS_MAX)
        return error_set(error, 0, "%s: more than %d ticket keys", path, TLS_TICKET_KEYS_MAX);
    if (tls_tickets_find(tickets, bytes) != NULL)
        return error_set(error, 0, "%s: this ticket key is there twice", path);
    *key = (struct tls_ticket_key){.key_size = key_size};
    memcpy(key->name, bytes, TLS_TICKET_NAME_BYTES);
    memcpy(key->cipher_key, is_small ? first : second, key_size);
    memcpy(key->mac_key, is_small ? second : first, key_size);
    tickets->count++;
    return true;
}

static bool is_key_size(size_t size)
{
    return size == SMALL_KEY_BYTES || size == LARGE_KEY_BYTES;
}

/* One line of base64 without its newline. */
static bool add_base64(struct tls_tickets *tickets, const unsigned char *line, size_t length,
                       const char *path, struct error *error)
{
    unsigned char bytes[3 * ((LARGE_KEY_BYTES + 2) / 3)];
    size_t padding = 0;
    int size;
    bool is_added;

    while (padding < 2 && padding < length && line[length - 1 - padding] == '=')
        padding++;
    /* 48 and 80 bytes are 64 and 108 letters. */
    if (length != 64 && length != 108)
        return error_set(error, 0, "%s: neither 48 or 80 bytes nor lines of base64 of them", path);
    size = EVP_DecodeBlock(bytes, line, (int)length);
    ERR_clear_error();
    if (size < 0 || !is_key_size((size_t)size - padding))
        return error_set(error, 0, "%s: a line is not base64 of 48 or 80 bytes", path);
    is_added = add_key(tickets, bytes, (size_t)size - padding, path, error);
    OPENSSL_cleanse(bytes, sizeof(bytes));
    return is_added;
}

static bool add_lines(struct tls_tickets *tickets, const struct tls_file *file, const char *path,
                      struct error *error)
{
    size_t before = tickets->count;
    size_t at = 0;

    while (at < file->size) {
        const unsigned char *line = file->bytes + at;
        const unsigned char *newline = memchr(line, '\n', file->size - at);
        size_t length = newline == NULL ? file->size - at : (size_t)(newline - line);

        at += length + 1;
        if (length > 0 && line[length - 1] == '\r')
            length--;
        if (length > 0 && !add_base64(tickets, line, length, path, error))
            return false;
    }
    if (tickets->count == before)
        return error_set(error, 0, "%s holds no ticket key", path);
    return true;
}

bool tls_tickets_read(struct tls_tickets *tickets, const char *const *paths, struct error *error)
{
    bool is_read = true;

    *tickets = (struct tls_tickets){0};
    for (size_t i = 0; is_read && paths[i] != NULL; i++) {
        struct tls_file file;

        if (!tls_file_read(&file, paths[i], error)) {
            is_read = false;
            break;
        }
        is_read = is_key_size(file.size) ? add_key(tickets, file.bytes, file.size, paths[i], error)
                                         : add_lines(tickets, &file, paths[i], error);
        tls_file_release(&file);
    }
    if (is_read && tickets->count == 0)
        is_read = error_set(error, 0, "ticket_key_file names no file");
    if (!is_read)
        tls_tickets_wipe(tickets);
    return is_read;
}

/* ---- sealing and opening ----------------------------------------------------------------------
 */

bool tls_ticket_box_init(struct tls_ticket_box *box, const struct tls_tickets *tickets)
{
    box->tickets = *tickets;
    box->aes_128 = EVP_CIPHER_fetch(NULL, "AES-128-CBC", NULL);
    box->aes_256 = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
    return box->aes_128 != NULL && box->aes_256 != NULL;
}

void tls_ticket_box_release(struct tls_ticket_box *box)
{
    tls_tickets_wipe(&box->tickets);
    EVP_CIPHER_free(box->aes_128);
    EVP_CIPHER_free(box->aes_256);
    box->aes_128 = NULL;
    box->aes_256 = NULL;
}

static bool mac_begin(EVP_MAC_CTX *mac, const struct tls_ticket_key *key)
{
    char digest[] = "SHA256";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)key->mac_key, key->key_size),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };

    return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

int tls_ticket_box_use(struct tls_ticket_box *box, unsigned char *name, unsigned char *iv,
                       EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, bool is_sealing, int64_t now_ms)
{
    const struct tls_ticket_key *key;
    const EVP_CIPHER *aes;

    tls_tickets_turn(&box->tickets, now_ms);
    key = is_sealing ? &box->tickets.keys[0] : tls_tickets_find(&box->tickets, name);
    if (key == NULL)
        return 0; /* a ticket of nobody's: a full handshake follows */
    aes = key->key_size == 32 ? box->aes_256 : box->aes_128;
    if (is_sealing) {
        memcpy(name, key->name, TLS_TICKET_NAME_BYTES);
        if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(aes)) != 1 ||
            EVP_EncryptInit_ex2(cipher, aes, key->cipher_key, iv, NULL) != 1 ||
            !mac_begin(mac, key))
            return -1;
        return 1;
    }
    if (EVP_DecryptInit_ex2(cipher, aes, key->cipher_key, iv, NULL) != 1 || !mac_begin(mac, key))
        return -1;
    /* 2 asks for a new ticket: the key that sealed this one will be forgotten first. */
    return key == &box->tickets.keys[0] ? 1 : 2;
}
