/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_names.c - an open-addressed hash table of names in lower case.
 */
#include "tls/tls_names.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "core/text.h"

/* Longest DNS name as text (RFC 1035, 2.3.4), with a NUL and to spare. */
#define NAME_BYTES 256

struct tls_name_slot {
    char *name; /* owned, lower case; NULL: free */
    uint64_t hash;
    struct tls_choice choice;
};

/* ---- the table --------------------------------------------------------------------------------
 */

/* Copies a name in lower case, without a dot at its end. False when it cannot be one. */
static bool name_fold(const char *name, size_t length, char folded[NAME_BYTES])
{
    if (length > 0 && name[length - 1] == '.')
        length--;
    if (length == 0 || length >= NAME_BYTES)
        return false;
    for (size_t i = 0; i < length; i++) {
        char letter = name[i];

        /* Never cut at a NUL: "good.example\0.evil.example" is no name at all. */
        if (letter <= ' ' || letter > '~')
            return false;
        folded[i] = text_lower(letter);
    }
    folded[length] = 0;
    return true;
}

/* The slot of a folded name, or the free one where it would go. The table is never full. */
static struct tls_name_slot *slot_find(struct tls_name_slot *slots, size_t slot_count,
                                       const char *name, uint64_t hash)
{
    for (size_t i = hash & (slot_count - 1);; i = (i + 1) & (slot_count - 1)) {
        struct tls_name_slot *slot = &slots[i];

        if (slot->name == NULL || (slot->hash == hash && strcmp(slot->name, name) == 0))
            return slot;
    }
}

static bool table_grow(struct tls_names *names)
{
    size_t wanted = names->slot_count == 0 ? 16 : 2 * names->slot_count;
    struct tls_name_slot *slots = calloc(wanted, sizeof(*slots));

    if (slots == NULL)
        return false;
    for (size_t i = 0; i < names->slot_count; i++) {
        struct tls_name_slot *old = &names->slots[i];

        if (old->name != NULL)
            *slot_find(slots, wanted, old->name, old->hash) = *old;
    }
    free(names->slots);
    names->slots = slots;
    names->slot_count = wanted;
    return true;
}

static bool table_add(struct tls_names *names, const char *bytes, size_t length,
                      enum tls_key_type type, uint32_t number)
{
    char name[NAME_BYTES];
    struct tls_name_slot *slot;
    uint64_t hash;

    if (!name_fold(bytes, length, name))
        return true;
    if (4 * (names->name_count + 1) > 3 * names->slot_count && !table_grow(names))
        return false;
    hash = XXH3_64bits(name, strlen(name));
    slot = slot_find(names->slots, names->slot_count, name, hash);
    if (slot->name == NULL) {
        slot->name = strdup(name);
        if (slot->name == NULL)
            return false;
        slot->hash = hash;
        names->name_count++;
    }
    if (slot->choice.by_type[type] == 0)
        slot->choice.by_type[type] = number;
    return true;
}

static const struct tls_choice *table_look_up(const struct tls_names *names, const char *name)
{
    const struct tls_name_slot *slot =
        slot_find(names->slots, names->slot_count, name, XXH3_64bits(name, strlen(name)));

    return slot->name == NULL ? NULL : &slot->choice;
}

/* ---- what certificates hold -------------------------------------------------------------------
 */

static bool add_string(struct tls_names *names, const ASN1_STRING *string,
                       const struct tls_credential *credential, uint32_t number)
{
    return table_add(names, (const char *)ASN1_STRING_get0_data(string),
                     (size_t)ASN1_STRING_length(string), credential->key_type, number);
}

static bool add_alternative_names(struct tls_names *names, const GENERAL_NAMES *alternatives,
                                  const struct tls_credential *credential, uint32_t number,
                                  bool *has_dns)
{
    for (int i = 0; i < sk_GENERAL_NAME_num(alternatives); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(alternatives, i);

        if (name->type != GEN_DNS)
            continue;
        *has_dns = true;
        if (!add_string(names, name->d.dNSName, credential, number))
            return false;
    }
    return true;
}

static bool add_common_name(struct tls_names *names, const struct tls_credential *credential,
                            uint32_t number)
{
    const X509_NAME *subject = X509_get_subject_name(credential->leaf);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

    if (at < 0)
        return true;
    return add_string(names, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)), credential,
                      number);
}

bool tls_names_build(struct tls_names *names, const struct tls_credentials *credentials)
{
    bool is_built = true;

    *names = (struct tls_names){0};
    for (size_t i = 0; is_built && i < credentials->count; i++) {
        const struct tls_credential *credential = &credentials->items[i];
        GENERAL_NAMES *alternatives =
            X509_get_ext_d2i(credential->leaf, NID_subject_alt_name, NULL, NULL);
        uint32_t number = (uint32_t)i + 1;
        bool has_dns = false;

        is_built = add_alternative_names(names, alternatives, credential, number, &has_dns) &&
                   (has_dns || add_common_name(names, credential, number));
        GENERAL_NAMES_free(alternatives);
    }
    ERR_clear_error();
    if (!is_built)
        tls_names_release(names);
    return is_built;
}

void tls_names_release(struct tls_names *names)
{
    for (size_t i = 0; i < names->slot_count; i++)
        free(names->slots[i].name);
    free(names->slots);
    *names = (struct tls_names){0};
}

const struct tls_choice *tls_names_find(const struct tls_names *names, const char *name)
{
    char folded[NAME_BYTES];
    const struct tls_choice *choice;
    char *dot;

    if (names->slot_count == 0 || !name_fold(name, strlen(name), folded))
        return NULL;
    choice = table_look_up(names, folded);
    if (choice != NULL)
        return choice;
    dot = strchr(folded, '.');
    if (dot == NULL || dot == folded)
        return NULL;
    dot[-1] = '*'; /* the last byte of the first label: "a.example.com" -> "*.example.com" */
    return table_look_up(names, dot - 1);
}

struct tls_choice tls_names_default(const struct tls_names *names,
                                    const struct tls_credentials *credentials)
{
    struct tls_choice choice = {{0}};
    const struct tls_choice *shared;
    char name[NAME_BYTES];

    if (credentials->count == 0)
        return choice;
    for (size_t i = 0; i < credentials->count; i++) {
        const struct tls_credential *credential = &credentials->items[i];
        uint32_t *number = &choice.by_type[credential->key_type];

        if (credential->file != credentials->items[0].file)
            break;
        if (*number == 0)
            *number = (uint32_t)i + 1;
    }
    tls_credential_subject(&credentials->items[0], name, sizeof(name));
    shared = tls_names_find(names, name);
    for (int type = 0; shared != NULL && type < TLS_KEY_TYPES; type++) {
        if (choice.by_type[type] == 0)
            choice.by_type[type] = shared->by_type[type];
    }
    return choice;
}
