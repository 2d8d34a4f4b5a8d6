/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_identity.c - compiles patterns, and walks the names of a certificate.
 *
 * Names are compared with their lengths; one with a NUL in it matches nothing.
 */
#include "tls/tls_identity.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/fault.h"
#include "core/text.h"

enum name_kind { NAME_DNS, NAME_URI, NAME_IP, NAME_CN };

/* Separates the parts that a `*` stands for; 0: the name is one part. */
static const struct {
    const char *prefix;
    char separator;
} kinds[] = {
    [NAME_DNS] = {"dns:", '.'},
    [NAME_URI] = {"uri:", '/'},
    [NAME_IP] = {"ip:", 0},
    [NAME_CN] = {"cn:", 0},
};

struct pattern {
    enum name_kind kind;
    char *name;                /* owned; behind the prefix */
    unsigned char address[16]; /* NAME_IP, unless `is_any` */
    size_t address_size;
    bool is_any; /* NAME_IP: "*" */
};

struct tls_identity {
    struct pattern *patterns;
    size_t count;
};

/* A name found in a certificate. */
struct found_name {
    enum name_kind kind;
    const char *bytes; /* an address in network order for NAME_IP */
    size_t length;
};

/* ---- patterns ---------------------------------------------------------------------------------
 */

/* Each `*` must be a whole part; `**` only in a URI, and last. */
static bool wildcards_are_whole(const char *name, char separator, bool may_be_deep)
{
    for (const char *star = strchr(name, '*'); star != NULL; star = strchr(star, '*')) {
        bool is_deep = star[1] == '*';
        const char *end = star + (is_deep ? 2 : 1);

        if (star != name && star[-1] != separator)
            return false;
        if (is_deep ? !may_be_deep || *end != 0 : *end != 0 && *end != separator)
            return false;
        star = end;
    }
    return true;
}

/* One separator at the end means nothing, here and in names. */
static size_t without_last(const char *bytes, size_t length, char last)
{
    return length > 0 && bytes[length - 1] == last ? length - 1 : length;
}

static bool pattern_parse_ip(struct pattern *pattern)
{
    pattern->is_any = strcmp(pattern->name, "*") == 0;
    if (pattern->is_any)
        return true;
    pattern->address_size = strchr(pattern->name, ':') == NULL ? 4 : 16;
    return inet_pton(pattern->address_size == 4 ? AF_INET : AF_INET6, pattern->name,
                     pattern->address) == 1;
}

static bool pattern_parse(struct pattern *pattern, const char *text, struct error *error)
{
    size_t kind = 0;

    while (kind < ARRAY_LENGTH(kinds) &&
           strncmp(text, kinds[kind].prefix, strlen(kinds[kind].prefix)) != 0)
        kind++;
    if (kind == ARRAY_LENGTH(kinds))
        return error_set(error, 0, "allow_san: '%s' begins with none of dns: uri: ip: cn:", text);
    pattern->kind = (enum name_kind)kind;
    pattern->name = strdup(text + strlen(kinds[kind].prefix));
    if (pattern->name == NULL)
        return error_set(error, 0, "allow_san: out of memory");
    pattern->name[without_last(pattern->name, strlen(pattern->name), kinds[kind].separator)] = 0;
    if (pattern->name[0] == 0)
        return error_set(error, 0, "allow_san: '%s' names nobody", text);
    if (pattern->kind == NAME_IP) {
        if (!pattern_parse_ip(pattern))
            return error_set(error, 0, "allow_san: '%s' is no IP address", text);
        return true;
    }
    if (!wildcards_are_whole(pattern->name, kinds[kind].separator, pattern->kind == NAME_URI))
        return error_set(error, 0,
                         "allow_san: in '%s' a wildcard must stand for a whole part (and ** for "
                         "the end of a uri:)",
                         text);
    return true;
}

struct tls_identity *tls_identity_create(const char *const *patterns, struct error *error)
{
    struct tls_identity *identity = calloc(1, sizeof(*identity));
    size_t count = 0;

    while (patterns[count] != NULL)
        count++;
    if (identity != NULL)
        identity->patterns = calloc(count + 1, sizeof(*identity->patterns));
    if (identity == NULL || identity->patterns == NULL) {
        error_set(error, 0, "allow_san: out of memory");
        tls_identity_destroy(identity);
        return NULL;
    }
    identity->count = count;
    for (size_t i = 0; i < count; i++) {
        if (!pattern_parse(&identity->patterns[i], patterns[i], error)) {
            tls_identity_destroy(identity);
            return NULL;
        }
    }
    return identity;
}

void tls_identity_destroy(struct tls_identity *identity)
{
    if (identity == NULL)
        return;
    for (size_t i = 0; i < identity->count; i++)
        free(identity->patterns[i].name);
    free(identity->patterns);
    free(identity);
}

/* ---- matching ---------------------------------------------------------------------------------
 */

static size_t part_length(const char *bytes, size_t length, char separator)
{
    const char *end = separator == 0 ? NULL : memchr(bytes, separator, length);

    return end == NULL ? length : (size_t)(end - bytes);
}

static bool parts_equal(const char *a, const char *b, size_t length, bool ignores_case)
{
    return ignores_case ? strncasecmp(a, b, length) == 0 : memcmp(a, b, length) == 0;
}

/* Part by part. A `*` takes one part with at least a byte in it, a `**` one byte or more. */
static bool parts_match(const char *pattern, const char *name, size_t length, char separator,
                        bool ignores_case)
{
    size_t left = strlen(pattern);

    while (true) {
        size_t pattern_part = part_length(pattern, left, separator);
        size_t name_part = part_length(name, length, separator);

        if (left == 2 && memcmp(pattern, "**", 2) == 0)
            return length > 0;
        if (pattern_part == 1 && *pattern == '*') {
            if (name_part == 0)
                return false;
        } else if (pattern_part != name_part ||
                   !parts_equal(pattern, name, name_part, ignores_case)) {
            return false;
        }
        if (pattern_part == left || name_part == length)
            return pattern_part == left && name_part == length;
        pattern += pattern_part + 1;
        left -= pattern_part + 1;
        name += name_part + 1;
        length -= name_part + 1;
    }
}

static bool pattern_matches(const struct pattern *pattern, const struct found_name *name)
{
    char separator = kinds[pattern->kind].separator;

    if (pattern->kind != name->kind)
        return false;
    if (pattern->kind == NAME_IP)
        return pattern->is_any || (pattern->address_size == name->length &&
                                   memcmp(pattern->address, name->bytes, name->length) == 0);
    if (name->length == 0 || memchr(name->bytes, 0, name->length) != NULL)
        return false;
    return parts_match(pattern->name, name->bytes,
                       without_last(name->bytes, name->length, separator), separator,
                       pattern->kind == NAME_DNS);
}

/* ---- names of a certificate -------------------------------------------------------------------
 */

/* Looks at one name; true ends the walk. */
typedef bool (*visit_name)(void *argument, const struct found_name *name);

static bool visit_string(visit_name visit, void *argument, enum name_kind kind,
                         const ASN1_STRING *string)
{
    struct found_name name = {
        .kind = kind,
        .bytes = (const char *)ASN1_STRING_get0_data(string),
        .length = (size_t)ASN1_STRING_length(string),
    };

    return visit(argument, &name);
}

static bool visit_alternative(visit_name visit, void *argument, const GENERAL_NAME *name)
{
    switch (name->type) {
    case GEN_DNS:
        return visit_string(visit, argument, NAME_DNS, name->d.dNSName);
    case GEN_URI:
        return visit_string(visit, argument, NAME_URI, name->d.uniformResourceIdentifier);
    case GEN_IPADD:
        return visit_string(visit, argument, NAME_IP, name->d.iPAddress);
    default:
        return false;
    }
}

static bool visit_common_names(visit_name visit, void *argument, X509 *certificate)
{
    const X509_NAME *subject = X509_get_subject_name(certificate);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    bool is_over = false;

    for (; at >= 0 && !is_over; at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) {
        unsigned char *utf8 = NULL;
        int length =
            ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
        struct found_name name = {.kind = NAME_CN, .bytes = (const char *)utf8};

        if (length < 0)
            continue;
        name.length = (size_t)length;
        is_over = visit(argument, &name);
        OPENSSL_free(utf8);
    }
    return is_over;
}

/* Visits the alternative names, then the common names; whether a visit ended the walk. */
static bool visit_names(visit_name visit, void *argument, X509 *certificate)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    bool is_over = false;

    for (int i = 0; !is_over && i < sk_GENERAL_NAME_num(names); i++)
        is_over = visit_alternative(visit, argument, sk_GENERAL_NAME_value(names, i));
    GENERAL_NAMES_free(names);
    is_over = is_over || visit_common_names(visit, argument, certificate);
    ERR_clear_error();
    return is_over;
}

static bool is_admitted(void *argument, const struct found_name *name)
{
    const struct tls_identity *identity = argument;

    for (size_t i = 0; i < identity->count; i++) {
        if (pattern_matches(&identity->patterns[i], name))
            return true;
    }
    return false;
}

bool tls_identity_admits(const struct tls_identity *identity, X509 *certificate)
{
    return fault_is(FAULT_TLS_TRUST_ANYBODY) ||
           visit_names(is_admitted, (void *)identity, certificate);
}

static bool append_name(void *argument, const struct found_name *name)
{
    struct text *text = argument;

    if (text->length > 0)
        text_append_char(text, ' ');
    text_append(text, kinds[name->kind].prefix);
    if (name->kind == NAME_IP) {
        char address[INET6_ADDRSTRLEN] = "?";

        if (name->length == 4 || name->length == 16)
            inet_ntop(name->length == 4 ? AF_INET : AF_INET6, name->bytes, address,
                      sizeof(address));
        text_append(text, address);
    } else {
        text_append_escaped(text, name->bytes, name->length);
    }
    return text->is_cut;
}

void tls_identity_describe(X509 *certificate, char *buffer, size_t size)
{
    struct text text = text_over(buffer, size);

    visit_names(append_name, &text, certificate);
    if (text.length == 0)
        text_append(&text, "a certificate without a name");
}
