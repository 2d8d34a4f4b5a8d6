/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_policy.c - deep copies, and the checks that need no file.
 */
#include "tls/tls_policy.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tls/tls_keylog.h"
#include "tls/tls_ktls.h"

/* The longest word of `ciphers`, `ciphersuites` or `groups`. */
#define WORD_BYTES 128

/* ---- copies -----------------------------------------------------------------------------------
 */

/* Replaces borrowed text by a copy. False without memory. */
static bool own_text(const char **text)
{
    if (*text == NULL)
        return true;
    *text = strdup(*text);
    return *text != NULL;
}

static bool own_list(const char *const **list)
{
    const char *const *borrowed = *list;
    const char **copy;
    size_t count = 0;

    if (borrowed == NULL)
        return true;
    while (borrowed[count] != NULL)
        count++;
    copy = calloc(count + 1, sizeof(*copy));
    *list = copy;
    for (size_t i = 0; copy != NULL && i < count; i++) {
        copy[i] = strdup(borrowed[i]);
        if (copy[i] == NULL)
            return false;
    }
    return copy != NULL;
}

static void free_list(const char *const *list)
{
    for (size_t i = 0; list != NULL && list[i] != NULL; i++)
        free((char *)list[i]);
    free((void *)list);
}

#define TEXTS 12

static void collect_texts(struct tls_options *options, const char **texts[TEXTS])
{
    const char **all[TEXTS] = {
        &options->name,         &options->cert,     &options->key,         &options->cert_dir,
        &options->ca_file,      &options->crl_file, &options->server_name, &options->ciphers,
        &options->ciphersuites, &options->groups,   &options->ocsp_file,   &options->keylog_file,
    };

    memcpy(texts, all, sizeof(all));
}

/* After a failure every text and list is either owned or NULL. */
static bool own_options(struct tls_options *options)
{
    const char **texts[TEXTS];
    const char *const **lists[] = {&options->allow_san, &options->alpn, &options->ticket_key_files};
    bool is_owned = true;

    collect_texts(options, texts);
    for (size_t i = 0; i < TEXTS; i++)
        is_owned = own_text(texts[i]) && is_owned;
    for (size_t i = 0; i < ARRAY_LENGTH(lists); i++)
        is_owned = own_list(lists[i]) && is_owned;
    return is_owned;
}

/* ---- words of OpenSSL's lists -----------------------------------------------------------------
 */

/* Takes the next word off a list with any of the separators; NULL at its end. */
static const char *next_word(const char **list, const char *separators, char word[WORD_BYTES])
{
    size_t length;

    *list += strspn(*list, separators);
    length = strcspn(*list, separators);
    if (length == 0)
        return NULL;
    if (length >= WORD_BYTES)
        length = WORD_BYTES - 1;
    memcpy(word, *list, length);
    word[length] = 0;
    *list += strcspn(*list, separators);
    return word;
}

static bool is_cipher_known(SSL_CTX *scratch, const char *word)
{
    /* '!RC4' is right where there is no RC4; '@SECLEVEL=1' is no cipher. */
    if (strchr("!-+@", word[0]) != NULL)
        return true;
    return SSL_CTX_set_cipher_list(scratch, word) == 1;
}

/* OpenSSL passes over names of TLS 1.3 ciphers that it does not know, so the result is looked at.
 */
static bool is_ciphersuite_known(SSL_CTX *scratch, const char *word)
{
    const STACK_OF(SSL_CIPHER) * ciphers;

    if (SSL_CTX_set_ciphersuites(scratch, word) != 1)
        return false;
    ciphers = SSL_CTX_get_ciphers(scratch);
    for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); i++) {
        if (strcmp(SSL_CIPHER_get_name(sk_SSL_CIPHER_value(ciphers, i)), word) == 0)
            return true;
    }
    return false;
}

static bool is_group_known(SSL_CTX *scratch, const char *word)
{
    return SSL_CTX_set1_groups_list(scratch, word) == 1;
}

static bool check_words(SSL_CTX *scratch, const char *option, const char *list,
                        const char *separators, bool (*is_known)(SSL_CTX *, const char *),
                        struct error *error)
{
    char word[WORD_BYTES];
    const char *rest = list;
    bool has_any = false;

    while (list != NULL && next_word(&rest, separators, word) != NULL) {
        has_any = true;
        if (!is_known(scratch, word))
            return error_set(error, 0, "%s: this OpenSSL knows no '%s'", option, word);
    }
    if (list != NULL && !has_any)
        return error_set(error, 0, "%s: is empty", option);
    return true;
}

static bool check_lists(const struct tls_options *options, struct error *error)
{
    SSL_CTX *scratch = SSL_CTX_new(TLS_method());
    bool is_good;

    if (scratch == NULL)
        return error_set(error, 0, "out of memory");
    is_good = check_words(scratch, "ciphers", options->ciphers, ": ,", is_cipher_known, error) &&
              check_words(scratch, "ciphersuites", options->ciphersuites, ":", is_ciphersuite_known,
                          error) &&
              check_words(scratch, "groups", options->groups, ":", is_group_known, error);
    SSL_CTX_free(scratch);
    ERR_clear_error();
    return is_good;
}

/* ---- other checks -----------------------------------------------------------------------------
 */

static bool build_alpn(struct tls_policy *policy, struct error *error)
{
    const char *const *protocols = policy->options.alpn;
    size_t size = 0;
    unsigned char *end;

    if (protocols == NULL || protocols[0] == NULL)
        return true;
    for (size_t i = 0; protocols[i] != NULL; i++) {
        size_t length = strlen(protocols[i]);

        if (length == 0 || length > 255)
            return error_set(error, 0, "alpn: a name has 1 to 255 bytes");
        size += 1 + length;
    }
    if (size > 65535)
        return error_set(error, 0, "alpn: too many names");
    policy->alpn = malloc(size);
    if (policy->alpn == NULL)
        return error_set(error, 0, "out of memory");
    policy->alpn_size = (unsigned)size;
    end = policy->alpn;
    for (size_t i = 0; protocols[i] != NULL; i++) {
        size_t length = strlen(protocols[i]);

        *end++ = (unsigned char)length;
        memcpy(end, protocols[i], length);
        end += length;
    }
    return true;
}

static bool check_combination(const struct tls_options *options, enum tls_role role,
                              struct error *error)
{
    bool has_identity = options->allow_san != NULL && options->allow_san[0] != NULL;

    if (options->min_version > options->max_version)
        return error_set(error, 0, "min_version is above max_version");
    if (role == TLS_SERVER && options->cert == NULL && options->cert_dir == NULL)
        return error_set(error, 0, "cert or cert_dir is needed to serve TLS");
    if (options->key != NULL && options->cert == NULL)
        return error_set(error, 0, "key needs cert");
    if (has_identity && options->verify == TLS_VERIFY_NONE)
        return error_set(error, 0, "allow_san needs verify: nobody's name is known otherwise");
    if (options->crl_file != NULL && options->verify == TLS_VERIFY_NONE)
        return error_set(error, 0, "crl_file needs verify");
    return true;
}

bool tls_policy_init(struct tls_policy *policy, const struct tls_options *options,
                     enum tls_role role, struct error *error)
{
    *policy = (struct tls_policy){.options = *options, .role = role, .keylog_fd = -1};
    if (!own_options(&policy->options))
        return error_set(error, 0, "out of memory");
    if (!check_combination(&policy->options, role, error) ||
        !check_lists(&policy->options, error) || !build_alpn(policy, error))
        return false;
    if (options->allow_san != NULL && options->allow_san[0] != NULL) {
        policy->identity = tls_identity_create(options->allow_san, error);
        if (policy->identity == NULL)
            return false;
    }
    if (options->keylog_file != NULL) {
        policy->keylog_fd = tls_keylog_open(options->keylog_file, error);
        if (policy->keylog_fd == -1)
            return false;
    }
    policy->may_use_ktls = options->ktls && tls_ktls_probe()->is_usable;
    return true;
}

void tls_policy_release(struct tls_policy *policy)
{
    const char **texts[TEXTS];

    collect_texts(&policy->options, texts);
    for (size_t i = 0; i < TEXTS; i++)
        free((char *)*texts[i]);
    free_list(policy->options.allow_san);
    free_list(policy->options.alpn);
    free_list(policy->options.ticket_key_files);
    tls_identity_destroy(policy->identity);
    free(policy->alpn);
    if (policy->keylog_fd != -1)
        close(policy->keylog_fd);
    *policy = (struct tls_policy){.keylog_fd = -1};
}

/* A text with its end, so that "ab" "c" is not "a" "bc". */
static bool digest_text(EVP_MD_CTX *digest, const char *text)
{
    return EVP_DigestUpdate(digest, text, strlen(text) + 1) == 1;
}

bool tls_policy_digest(const struct tls_policy *policy, const unsigned char *trust,
                       unsigned char digest[32])
{
    const struct tls_options *options = &policy->options;
    const char *const *patterns = options->allow_san;
    const char verify = (char)('0' + (int)options->verify);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool is_good = context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1 &&
                   digest_text(context, options->name == NULL ? "" : options->name) &&
                   EVP_DigestUpdate(context, &verify, 1) == 1;

    for (size_t i = 0; is_good && patterns != NULL && patterns[i] != NULL; i++)
        is_good = digest_text(context, patterns[i]);
    if (is_good && trust != NULL)
        is_good = EVP_DigestUpdate(context, trust, 32) == 1;
    is_good = is_good && EVP_DigestFinal_ex(context, digest, NULL) == 1;
    EVP_MD_CTX_free(context);
    return is_good;
}
